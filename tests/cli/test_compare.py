"""compare on run folders that hold models."""

import json
from pathlib import Path

import equinox as eqx
import jax
import pytest

from pdejax.cli import main
from pdejax.cli._runs import groups, name_of, named, patterns, split_words
from pdejax.config import resolve
from pdejax.config._assemble import dataset_of, method_of
from pdejax.methods import DataCard, save_model

NETWORK = ["network.width=4", "network.modes=4", "network.depth=1"]


def make_run(words, name, seed=0):
    """A run whose model was never trained; its folder."""
    config = resolve([*words, *NETWORK, f"name={name}"])
    card, method = DataCard.of(dataset_of(config)), method_of(config)
    config.run_folder.mkdir(parents=True)
    (config.run_folder / "config.yaml").write_text(config.to_yaml())
    save_model(
        config.run_folder / "model",
        eqx.filter_jit(lambda key: method.build(config.network.spec(), card, key=key))(jax.random.key(seed)),
        {"step": 0},
    )
    return str(config.run_folder)


@pytest.fixture
def two(here, small):
    assert main(["generate", *small]) == 0
    return [make_run(small, name, seed) for seed, name in enumerate(("first", "second"))]


@pytest.mark.parametrize("more", [False, pytest.param(True, marks=pytest.mark.long)])
def test_compare(more, two, capsys, request):
    """Two runs and the solver on one page; with more, a long rollout and both runs as one ensemble and as seeds."""
    if not more:
        request.getfixturevalue("undrawn")
    capsys.readouterr()
    words = ["evaluation.steps=2", "evaluation.price=false", "--reference", "second"]
    together = ["--together", "first,second", "--long", "20"] if more else []
    assert main(["compare", *two, *words, *together]) == 0
    shown = capsys.readouterr()
    assert "page: runs/comparison/comparison.html" in shown.out
    assert "rollout of second\n" in shown.err
    folder = Path("runs/comparison")
    document = json.loads((folder / "comparison.json").read_text())
    assert document["protocol"]["steps"] == 2
    assert document["protocol"]["reference"] == "second"
    assert list(document["systems"]) == ["first", "second", "solver"]
    if more:
        assert document["systems"]["first"]["stability"]["steps"] == 20
        assert document["ensembles"]["first+second"]["members"] == 2
        seeds = document["seeds"]["first+second"]["one_step_nrmse"]
        assert (seeds["count"], "mean +- spread" in shown.out) == (2, True)
    assert document["price"] is None
    entry = document["systems"]["first"]["against_reference"]["one_step_nrmse"]
    low, high = entry["gain_interval"]
    assert "change against second" in shown.out
    assert f"{100 * entry['gain']:+.1f}% [{100 * low:+.1f}, {100 * high:+.1f}]" in shown.out
    own = [document["systems"][name]["metrics"]["one_step_nrmse"]["value"] for name in ("first", "second")]
    assert entry["gain"] == pytest.approx(own[0] / own[1] - 1)
    assert document["systems"]["solver"]["metrics"]["one_step_nrmse"]["value"] < own[0]
    assert (folder / "figures/curves.png").exists()
    (folder / "comparison.html").unlink()
    assert main(["report", str(folder)]) == 0
    assert (folder / "comparison.html").exists()


def test_other_data_are_refused(two, small, capsys):
    other = [*small, "data_dir=elsewhere", "problem.seed=1"]
    assert main(["generate", *other]) == 0
    third = make_run(other, "third")
    capsys.readouterr()
    assert main(["compare", *two, third]) == 2
    error = capsys.readouterr().err
    assert "run 'third' has the data set elsewhere/burgers and run 'first' has data/burgers" in error
    assert "they differ in recipe.seed" in error


def test_where_nothing_can_be_written_is_told_before_anything_is_measured(two, here, capsys, monkeypatch):
    monkeypatch.setattr("pdejax.cli._compare.common_data", None)  # would be called first
    monkeypatch.setattr("pdejax.cli._evaluate.data_of", None)
    (here / "file").write_text("")
    (here / two[0] / "figures").write_text("")
    for words, where in (
        (["compare", *two, "--into", "file"], "file is no folder, and files shall be written into file/figures"),
        (["evaluate", two[0]], f"{two[0]}/figures is no folder"),
        (["report", two[0]], f"{two[0]}/figures is no folder"),
        (["report", "file"], "file is a file, expected the folder of a run"),
        (["inspect", "data/burgers", "--picture", "file/a.png"], "file is no folder"),
        (["inspect", "data/burgers", "--picture", "data"], "data is a folder, and a file shall be written there"),
    ):
        capsys.readouterr()
        assert main(words) == 2
        assert capsys.readouterr().err.startswith(f"pdejax: {where}")


def test_runs_of_two_kinds_are_told_before_anything_is_opened(here, small, capsys):
    fields = ["problem=pig_burgers", "method=physics_informed", "network=gaussians"]
    for name, words in (("operator", small), ("field", fields)):
        (here / "runs" / name).mkdir(parents=True)
        (here / "runs" / name / "config.yaml").write_text(resolve([*words, f"name={name}"]).to_yaml())
    for order in (("operator", "field"), ("field", "operator")):
        capsys.readouterr()
        assert main(["compare", *(f"runs/{name}" for name in order)]) == 2
        assert f"run {order[0]!r} learned a" in capsys.readouterr().err


def test_what_is_no_run_is_told(two, capsys):
    capsys.readouterr()
    assert main(["compare", two[0], "runs/secnd"]) == 2
    assert "runs/secnd does not exist. Did you mean 'second'?" in capsys.readouterr().err
    assert main(["compare", *two, "--reference", "secnd"]) == 2
    assert "unknown run 'secnd'. Did you mean 'second'?" in capsys.readouterr().err
    assert main(["compare", two[0], two[0]]) == 2
    assert "run runs/first is given twice" in capsys.readouterr().err
    assert main(["compare", "evaluation.steps=2"]) == 2
    assert "name at least one run to compare" in capsys.readouterr().err
    for word, why in (("seed=3", "--seed N draws"), ("evaluation.baselines=false", "the classical solver is beside")):
        assert main(["compare", *two, word]) == 2
        assert f"{word}: {word.partition('=')[0]} has no effect on a comparison of rollouts: {why}" in (
            capsys.readouterr().err
        )


def test_names_tell_runs_apart(tmp_path):
    folders = [tmp_path / "a" / "one", tmp_path / "b" / "one"]
    assert list(named(folders)) == ["a-one", "b-one"]
    assert list(named([folders[0], tmp_path / "two"])) == ["one", "two"]
    runs = named(folders)
    assert name_of(str(folders[1]), runs) == "b-one"
    assert name_of("a-one", runs) == "a-one"
    assert groups(["a-one,b-one"], runs) == {"a-one+b-one": ["a-one", "b-one"]}


def test_a_pattern_names_runs_and_their_group(here):
    for name in ("ks_0", "ks_1", "other"):
        (here / "runs" / name).mkdir(parents=True)
        (here / "runs" / name / "config.yaml").write_text("")
    folders, swept = patterns([Path("runs/ks_*"), Path("runs/other")])
    assert list(map(str, folders)) == ["runs/ks_0", "runs/ks_1", "runs/other"]
    assert groups(swept, named(folders)) == {"ks_0+ks_1": ["ks_0", "ks_1"]}
    with pytest.raises(ValueError, match=r"no run is called runs/kx_\*"):
        patterns([Path("runs/kx_*")])


def test_a_folder_may_have_an_equal_sign(here):
    (here / "nu=1").mkdir()
    folders, words = split_words(["nu=1", "evaluation.steps=2"])
    assert [str(folder) for folder in folders] == ["nu=1"]
    assert words == ["evaluation.steps=2"]
