"""generate, inspect, list and doctor do what they say."""

import re

import pytest

import pdejax.core
from pdejax.cli import main
from pdejax.config import resolve
from pdejax.config._assemble import dataset_of


def test_generate_makes_what_the_configuration_says(here, small, capsys):
    assert main(["generate", *small]) == 0
    assert "data/burgers: complete" in capsys.readouterr().out
    dataset = dataset_of(resolve(small))
    assert dataset.split("train").states.shape == (3, 5, 32, 1)
    assert dataset.family.parameters == {"nu": 0.05}


def test_parts_are_written_apart_and_completed_by_the_same_words(here, small, capsys):
    for part in ("1/3", "0/3", "2/3"):
        assert main(["generate", *small, "--part", part]) == 0
        out = capsys.readouterr().out
        assert f"data/burgers: part {part} is there; when all 3 are, the same words without --part complete" in out
        assert not (here / "data/burgers/manifest.json").exists()
    assert main(["generate", *small]) == 0
    assert "data/burgers: complete" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--part", "3/3"], "part 3/3 should be one of 0/3 to 2/3"),
        (["--part", "first"], "a part is said as i/N, from 0/N to (N-1)/N such as 0/4, got 'first'"),
        (["--part", "0/9"], "a part holds a file at least, and all of 'burgers' is 3: take at most 3 parts"),
    ],
)
def test_what_is_no_part_writes_nothing(here, small, capsys, words, said):
    assert main(["generate", *small, *words]) == 2
    assert said in capsys.readouterr().err
    assert [*here.iterdir()] == []


def test_one_solution_has_no_parts(here, capsys):
    assert main(["generate", "problem=pig_burgers", "--part", "0/2"]) == 2
    assert "--part 0/2 has no effect: problem 'pig_burgers' has one solution" in capsys.readouterr().err


def test_other_settings_do_not_touch_a_data_set(here, small, capsys):
    assert main(["generate", *small]) == 0
    before = {path: path.read_bytes() for path in here.rglob("*") if path.is_file()}
    capsys.readouterr()
    assert main(["generate", *small, "problem.time.step=0.03"]) == 2
    assert "times.step is 0.02 there and 0.03 here" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in here.rglob("*") if path.is_file()} == before
    assert main(["train", *small, "problem.time.step=0.03"]) == 2
    assert "data/burgers was generated with another problem.time.step" in capsys.readouterr().err
    assert not (here / "runs").exists()


def test_a_data_set_of_more_than_the_configuration_says_is_refused(here, small):
    assert main(["generate", *small, "problem.vary={nu: [0.04, 0.06]}"]) == 0
    with pytest.raises(ValueError, match=r"generated with another problem\.vary\.nu"):
        dataset_of(resolve(small))
    with pytest.raises(ValueError, match=r"generated with another problem\.tolerance"):
        dataset_of(resolve([*small, "problem.vary={nu: [0.04, 0.06]}", "problem.tolerance=1e-3"]))


def test_list_tells_what_is_there(here, small, capsys):
    assert main(["generate", *small]) == 0
    run = here / "runs" / "mine"
    run.mkdir(parents=True)
    (run / "config.yaml").write_text(resolve([*small, "train.steps=50", "train.warmup=0"]).to_yaml())
    (run / "metrics.jsonl").write_text('{"step": 10, "loss": 1.0}\n{"step": 20, "valid/loss": 0.5}\n{"step": 3')
    capsys.readouterr()
    assert main(["list"]) == 0
    shown = capsys.readouterr().out
    assert re.search(r"  ks +Kuramoto-Sivashinsky, chaotic, one frame every 0.8 s\.\n", shown)
    assert "  burgers  train 3 x 5 frames, valid 2 x 5 frames, test 2 x 5 frames\n" in shown
    assert "  mine  update 20 of 50, valid/loss 0.5\n" in shown


def test_list_tells_of_an_interrupted_generation(here, capsys):
    (here / "data" / "half").mkdir(parents=True)
    (here / "data" / "half" / "recipe.json").write_text("{}")
    assert main(["list"]) == 0
    assert "  half  not complete: the same `pdejax generate` goes on\n" in capsys.readouterr().out


def test_list_finds_the_users_own_problem(here, capsys):
    (here / "configs" / "problem").mkdir(parents=True)
    (here / "configs" / "problem" / "pipe.yaml").write_text("# Flow through a pipe.\nname: pipe\n")
    assert main(["list"]) == 0
    assert re.search(r"\n  pipe +Flow through a pipe\.\n", capsys.readouterr().out)


def test_inspect_a_data_set(here, small, capsys):
    assert main(["generate", *small]) == 0
    capsys.readouterr()
    assert main(["inspect", "data/burgers"]) == 0
    shown = capsys.readouterr().out
    assert "Checksums: all files intact" in shown
    assert re.search(r"nu +0\.05", shown)


def test_inspect_draws_a_data_set(here, small, capsys):
    assert main(["generate", *small]) == 0
    capsys.readouterr()
    assert main(["inspect", "data/burgers", "--picture", "data.png", "--split", "test", "--trajectory", "1"]) == 0
    assert capsys.readouterr().out == "data.png\n"
    assert (here / "data.png").read_bytes()[:4] == b"\x89PNG"
    for words, message in {
        ("data/burgers", "--split", "test"): "say --picture FILE too",
        ("data/burgers", "--picture", "x.png", "--split", "tset"): "unknown split 'tset'. Did you mean 'test'?",
        ("runs", "--picture", "x.png"): "there is no data set in runs",
        ("data/burgers", "--picture", "x.pgn"): "unknown format of pictures: 'pgn'. Did you mean 'png'",
    }.items():
        (here / "runs").mkdir(exist_ok=True)
        assert main(["inspect", *words]) == 2
        assert message in capsys.readouterr().err


def test_inspect_a_run(here, capsys):
    run = here / "runs" / "mine"
    run.mkdir(parents=True)
    (run / "config.yaml").write_text(resolve(["seed=8"]).to_yaml())
    assert main(["inspect", "runs/mine"]) == 0
    shown = capsys.readouterr().out
    assert "runs/mine: update 0 of 4000\n" in shown
    assert "\nseed: 8\n" in shown


def test_doctor(here, capsys, monkeypatch):
    # the real check is tests/core/test_compiler.py
    monkeypatch.setattr(pdejax.core, "compiler_self_check", lambda: {"norms, float32": 2e-7, "norms, float64": 0.0})
    assert main(["doctor"]) == 0
    shown = capsys.readouterr().out
    assert re.search(r"^jaxlib +\d", shown, re.M)
    assert re.search(r"^tested +Python 3.11 with jax .*: as here$", shown, re.M)
    assert "computes right numbers here." in shown


def test_doctor_fails_on_a_broken_compiler(here, capsys, monkeypatch):
    errors = {"norms, float32": 0.0, "norms, float64": 7.8e-3}
    monkeypatch.setattr(pdejax.core, "compiler_self_check", lambda: errors)
    assert main(["doctor"]) == 1
    shown = capsys.readouterr().out
    assert "computes WRONG numbers here (norms, float64): install jaxlib 0.10.1" in shown
    monkeypatch.setattr(pdejax.core, "compiler_self_check", lambda: {"norms, float64": float("nan")})
    assert main(["doctor"]) == 1


def test_what_is_piped_keeps_its_digits(here, small, capsys):
    assert main(["generate", *small]) == 0
    capsys.readouterr()
    assert main(["inspect", "data/burgers"]) == 0
    assert "…" not in capsys.readouterr().out


def test_the_seed_of_a_training_is_not_taken_for_that_of_the_data(here, small, capsys):
    assert main(["generate", *small, "seed=5"]) == 0
    assert "seed=5 is the training's: these data are drawn by problem.seed=0\n" in capsys.readouterr().out


def test_problems_are_listed_with_their_size_and_source(here, capsys):
    assert main(["list", "problems"]) == 0
    lines = capsys.readouterr().out.splitlines()
    table = {line.split()[0]: line for line in lines[1:]}
    assert table["pdebench_dam_break"].split(None, 7)[1:] == [
        *("64", "x", "64", "64", "x", "21"),
        'Takamoto et al. (2022), "PDEBench", 2D shallow water',
    ]
    assert "t, x" in table["pig_burgers"]
    assert "one solution" in table["pig_burgers"]
    assert "network=" not in "".join(lines)
    assert main(["list", "train"]) == 0
    assert capsys.readouterr().out.startswith("train=")
    assert main(["list", "problems", "--runs-dir", "elsewhere"]) == 2
    assert "--runs-dir=elsewhere has no effect on a list of problems: leave it out" in capsys.readouterr().err
    assert main(["list", "problem"]) == 2
    assert "unknown list 'problem'. Did you mean 'problems'?" in capsys.readouterr().err
