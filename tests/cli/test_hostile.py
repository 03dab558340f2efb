"""Words and folders that are wrong: one sentence each, and nothing beside it suffers."""

import json
import os
import subprocess
import sys

import pytest
from rich.console import Console

from pdejax.cli import main
from pdejax.cli._facts import _shown
from pdejax.config import ConfigError, resolve
from pdejax.core import exclusive
from pdejax.data.store.overview import Section
from pdejax.equations import Equation
from pdejax.equations._given import check_parameters


def said(words, capsys, code=2):
    capsys.readouterr()
    assert main(words) == code
    text = capsys.readouterr().err
    assert text.startswith("pdejax: ")
    assert text.count("\n") == 1
    return text


def test_one_broken_run_does_not_hide_the_others(here, small, capsys):
    for name in ("good", "latin", "bomb", "folder", "list"):
        (here / "runs" / name).mkdir(parents=True)
        (here / "runs" / name / "config.yaml").write_text(resolve([*small, f"name={name}"]).to_yaml())
    (here / "runs/latin/metrics.jsonl").write_bytes(b'{"loss": "\xe4"}')
    levels = [f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join([f'*{chr(97 + i)}'] * 9)}]\n" for i in range(9)]
    (here / "runs/bomb/config.yaml").write_text("a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(levels))
    (here / "runs/folder/metrics.jsonl").mkdir()
    (here / "runs/list/config.yaml").write_text("- 1\n")
    (here / "data/broken").mkdir(parents=True)
    (here / "data/broken/manifest.json").write_text('{"recipe": 1}')
    (here / "data/\x1b[31mred").mkdir()
    (here / "data/\x1b[31mred/recipe.json").write_text("{}")
    assert main(["list"]) == 0
    shown = capsys.readouterr().out
    assert "  good    update 0 of 4000\n" in shown
    assert "its aliases stand for" in shown
    assert "is no text in UTF-8" in shown
    assert "is a folder, expected a file" in shown
    assert "\x1b" not in shown
    assert "\\x1b[31mred" in shown


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["compare", "runs/a", "--seed", "4294967296"], "a whole number below 4294967296 is expected, got 4294967296"),
        (["inspect", ""], "a path is expected, got an empty text"),
        (["list", "--runs-dir", ""], "a path is expected, got an empty text"),
        (["compare", "runs/a", "--members", "-3"], "a whole number from 0 is expected, got '-3'"),
        (["inspect", "data", "--picture", "a.png", "--trajectory", "x"], "a whole number from 0 is expected, got 'x'"),
    ],
)
def test_values_of_flags_are_what_they_should_be(words, sentence, capsys):
    with pytest.raises(SystemExit):
        main(words)
    assert sentence in capsys.readouterr().err


def test_a_value_given_twice_is_no_sweep(here, small, capsys):
    text = said(["train", *small, "-m", "seed=0,0"], capsys)
    assert "two runs of this sweep are called 'burgers_fno-seed=0': a value is given twice" in text


def test_an_evaluation_does_not_take_words_of_training(here, small, capsys):
    (here / "runs/a").mkdir(parents=True)
    (here / "runs/a/config.yaml").write_text(resolve([*small, "name=a"]).to_yaml())
    text = said(["evaluate", "runs/a", "network.width=64"], capsys)
    assert "network.width=64: a run is judged as it was trained, so that network has no effect" in text
    text = said(["evaluate", "runs/a", "evaluation.valid_steps=3"], capsys)
    assert "has no effect here: evaluation.steps is that of an evaluation" in text


def test_what_does_not_fit_into_memory_is_said_before(here, small, capsys):
    text = said(["train", *small, "network.width=300000"], capsys)
    assert "GiB of memory" in text
    assert "take a smaller network" in text
    text = said(["generate", *small, "problem.domain.shape=[2000000000]"], capsys)
    assert "fewer points" in text
    assert not (here / "data").exists()
    text = said(["generate", *small, "problem.splits.train.trajectories=10000000000000"], capsys)
    assert "problem.splits.train.trajectories" in text


def test_a_run_has_one_trainer(here, small, capsys):
    assert main(["generate", *small]) == 0
    with exclusive(here / "runs/mine"):
        text = said(["train", *small, "name=mine", "train=smoke"], capsys)
    assert "runs/mine is being written by process" in text
    assert not (here / "runs/mine/config.yaml").exists()


def test_a_run_without_its_words_does_not_go_on(here, small, capsys):
    (here / "runs/mine/checkpoints/10").mkdir(parents=True)
    assert main(["generate", *small]) == 0
    text = said(["train", *small, "name=mine", "train=smoke"], capsys)
    assert "runs/mine holds checkpoints, but no config.yaml that tells of what" in text


@pytest.mark.parametrize(
    ("term", "sentence"),
    [
        ("u_t = " + "dx(u*" * 14 + "u" + ")" * 14, "multiplied out it has more than 2000 terms"),
        ("u_t = " + "u+" * 2000 + "u", "it has 4001 characters, an equation has at most 2000"),
        ("u_t = u_xx # and a comment", "'#' begins no comment here"),
        ("u_t = ((u+1)**16)**16", "powers of powers make the exponent 256, beyond 16"),
        ("u_t = (9**16)**16*u + ((9**16)**16)**16*u", "a power of 16 makes a number beyond 1e[+]300"),
        ("u_t = 1e305*u", "has a number beyond 1e[+]300"),
        ("u_t = i*u_xx", "numbers are real, so write the real and the imaginary part as two fields"),
    ],
)
def test_equations_that_no_time_suffices_for(term, sentence):
    with pytest.raises(ValueError, match=sentence) as refused:
        Equation(term)
    assert len(str(refused.value)) < 600


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ({"nu": float("nan")}, "parameter 'nu' should be a finite number, got nan"),
        ({"nu": "1"}, "parameter 'nu' should be a finite number, got '1'"),
        (3, "parameters map names to numbers"),
    ],
)
def test_values_of_parameters(value, sentence):
    with pytest.raises(ValueError, match=sentence):
        check_parameters(value)
    assert json.dumps(Equation("u_t = nu*u_xx", {"nu": 1}).resolve(None)) == '{"nu": 1.0}'


def test_what_data_say_is_no_markup(capsys):
    """Rich would take brackets for colours, links and ends of what never began."""
    said = Section("[red]title", ("[/b]name", "[link=https://example.org]x"), (("[/x]", "[bold]y\x1b[2J"),))
    Console(width=200).print(_shown(said))
    shown = capsys.readouterr().out
    for word in ("[red]title", "[/b]name", "[link=https://example.org]x", "[/x]", "[bold]y\\x1b[2J"):
        assert word in shown
    assert "\x1b" not in shown


def test_where_something_was_said_is_told_however_long_the_path(tmp_path):
    folder = tmp_path / ("a" * 100) / ("b" * 100)
    (folder / "problem").mkdir(parents=True)
    file = folder / "problem/mine.yaml"
    file.write_text("defaults: [burgers]\nname: mine\ndomain: {shape: [32], lenghts: [1]}\n")
    with pytest.raises(ConfigError, match="lenghts") as caught:
        resolve(["problem=mine"], folder)
    assert str(caught.value).startswith(f"{file}:3: ")
    with pytest.raises(ConfigError) as caught:
        resolve([f"problem={'k' * 5000}"])
    assert len(str(caught.value)) < 1000


def test_how_far_a_run_is_counts_the_updates_of_its_last_stage(here, small, capsys):
    (here / "runs/staged").mkdir(parents=True)
    (here / "runs/staged/config.yaml").write_text(resolve([*small, "name=staged"]).to_yaml())
    (here / "runs/staged/metrics.jsonl").write_text('{"step": 10}\n')
    (here / "runs/staged/training.json").write_text('{"steps": 10}\n')
    assert main(["list"]) == 0
    assert "  staged  update 10 of 10\n" in capsys.readouterr().out


def test_a_link_that_leads_to_itself_is_there(here, capsys):
    (here / "loop").symlink_to("loop")
    assert "loop cannot be read: too many levels of symbolic links" in said(["inspect", "loop"], capsys)


@pytest.mark.long
@pytest.mark.parametrize(
    ("variable", "words", "code", "sentence"),
    [
        ("JAX_PLATFORMS=nonsense", ["doctor"], 2, "pdejax: JAX_PLATFORMS=nonsense names no device that JAX finds here"),
        ("JAX_PLATFORMS=nonsense", ["train", "problem=ks"], 2, "pdejax: JAX_PLATFORMS=nonsense names no device"),
        ("PYTHONIOENCODING=ascii", ["list", "--runs-dir", "\u00fc"], 0, ""),
    ],
)
def test_variables_of_the_shell_that_do_not_fit(variable, words, code, sentence, tmp_path):
    name, _, value = variable.partition("=")
    command = [sys.executable, "-m", "pdejax.cli", *words]
    found = subprocess.run(command, cwd=tmp_path, env={**os.environ, name: value}, capture_output=True, check=False)
    assert (found.returncode, found.stderr.decode()[: len(sentence)]) == (code, sentence)
