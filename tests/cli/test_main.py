"""What the shell sees: help without JAX, one sentence for a mistake, and the exit code."""

import json
import subprocess
import sys

import numpy as np
import pytest

from pdejax.cli import main
from pdejax.cli._main import COMMANDS
from pdejax.config import RunConfig, resolve


def said(capsys, *words):
    """Exit code and the lines on standard error."""
    try:
        code = main(words)
    except SystemExit as end:
        code = end.code
    return code, capsys.readouterr().err.splitlines()


AT_ONCE = [["--help"], [], ["--version"], *([name, "--help"] for name in COMMANDS), ["list"]]
# CPU seconds of a process that gives these answers one after another, the first with the start of the interpreter
ANSWERS = """
import contextlib, io, json, sys, time
from pdejax.cli import main
spent, before = [], 0.0
for words in json.loads(sys.argv[1]):
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        try:
            status = main(words)
        except SystemExit as end:
            status = end.code
    assert not status and said.getvalue(), words
    assert "jax" not in sys.modules, words
    spent.append(time.process_time() - before)
    before += spent[-1]
print(json.dumps(spent))
"""


def quickest(limits, *command, cwd):
    """The least CPU seconds of a few tries, as the machine may be busy; no more tries once they are within limits."""
    best = np.full(len(limits), np.inf)
    for _ in range(4):
        done = subprocess.run([sys.executable, "-c", *command], capture_output=True, text=True, cwd=cwd)
        assert done.returncode == 0, done.stderr
        best = np.minimum(best, json.loads(done.stdout))
        if np.all(best < limits):
            break
    return best


def test_answers_without_jax_and_at_once(here):
    limits = [0.5] + [1.0] * (len(AT_ONCE) - 1)
    found = quickest(limits, ANSWERS, json.dumps(AT_ONCE), cwd=here)
    assert np.all(found < limits), dict(zip(map(" ".join, AT_ONCE), found, strict=True))


def test_networks_are_there_soon(here):
    """Without what only parsing, training, drawing and reading need."""
    heavy = (
        "sympy",
        "scipy.integrate",
        "orbax",
        "matplotlib",
        "rich",
        "tensorboardX",
        "torch",
        "h5py",
        "grain",
        "flax",
    )
    script = (
        "import sys, time\nfrom pdejax.networks import FNO\n"
        f"assert not set({heavy}) & set(sys.modules)\nprint([time.process_time()])"
    )
    assert quickest([3.0], script, cwd=here) < 3.0


def test_help_names_every_command(capsys):
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(f"\n  {name} " in shown for name in COMMANDS)


MISTAKES = {
    ("trian",): "unknown command 'trian'. Did you mean 'train'?",
    ("frobnicate",): "unknown command 'frobnicate'. "
    "Known: list, generate, inspect, convert, train, evaluate, compare, export, report, doctor.",
    ("train", "--fast"): "unrecognized arguments: --fast (see pdejax train --help)",
    ("evaluate",): "the following arguments are required: run (see pdejax evaluate --help)",
    ("train", "train.stps=3"): "train.stps=3: unknown key 'train.stps'. Did you mean 'steps' or 'stages'?",
    ("generate", "problem=kss"): "problem=kss: unknown problem 'kss'. Did you mean 'ks'?",
    ("train", "-m", "train.steps=1,x"): "train.steps=x: train.steps should be a valid integer, got 'x'",
    ("train", "--config-dir", "nowhere"): "--config-dir nowhere: there is no such folder",
    ("train",): "there is no data set in data/ks yet: run `pdejax generate` with the same words first",
    ("inspect", "nowhere"): "nowhere does not exist",
    ("report", "runs/x"): "runs/x does not exist",
    ("evaluate", "problem=ks"): "problem=ks: first comes the folder of a run, such as runs/NAME, and words after it",
    ("evaluate", "runs/x"): "runs/x does not exist.",
}


@pytest.mark.parametrize("words", MISTAKES, ids=" ".join)
def test_a_mistake_is_one_sentence_and_leaves_nothing_behind(words, here, capsys):
    assert said(capsys, *words) == (2, [f"pdejax: {MISTAKES[words]}"])
    assert list(here.iterdir()) == []


def test_misspelt_run(here, capsys):
    (here / "runs" / "ks_fno").mkdir(parents=True)
    (here / "runs" / "ks_fno" / "config.yaml").write_text(resolve().to_yaml())
    sentence = "pdejax: runs/ks_fn does not exist. Did you mean 'ks_fno'?"
    assert said(capsys, "evaluate", "runs/ks_fn") == (2, [sentence])


def test_a_defect_is_told_in_a_sentence_and_shows_its_traceback_where_that_is_asked_for(monkeypatch, capsys):
    from pdejax.cli import _list

    monkeypatch.setattr(_list, "search_folders", lambda folder: int("x"))
    monkeypatch.setattr(_list, "__name__", "other")
    monkeypatch.setitem(_list.run.__globals__, "__name__", "not_ours")
    assert main(["list"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("pdejax: a fault of pdejax or of what it calls: ValueError: invalid literal for int()")
    assert said.count("\n") == 1
    with pytest.raises(ValueError, match="invalid literal"):
        main(["list", "--traceback"])


def test_print_config_is_the_configuration(capsys):
    words = ["problem=burgers", "train.steps=77"]
    assert main(["train", *words, "--print-config"]) == 0
    assert RunConfig.from_yaml(capsys.readouterr().out) == resolve(words)


def test_print_config_of_a_sweep(capsys):
    assert main(["train", "seed=1,2", "-m", "--print-config"]) == 0
    first, second = map(RunConfig.from_yaml, capsys.readouterr().out.split("---\n"))
    assert (first.seed, second.seed) == (1, 2)
    assert first.name != second.name


def test_options_may_stand_anywhere(capsys, tmp_path):
    (tmp_path / "problem").mkdir()
    assert main(["train", "--print-config", "seed=5", "--config-dir", str(tmp_path), "train=smoke"]) == 0
    config = RunConfig.from_yaml(capsys.readouterr().out)
    assert (config.seed, config.train.steps) == (5, 20)


def test_compiled_programs_are_kept(monkeypatch, tmp_path):
    from pdejax.cli._runtime import cache_folder

    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder().parent == tmp_path / ".cache" / "pdejax" / "xla"
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path / "own"))
    assert cache_folder() == tmp_path / "own"


def test_processes_without_a_cluster_are_told_what_to_give(monkeypatch):
    def nobody(**_):
        raise ValueError("coordinator_address should be defined.")

    from pdejax.cli import _runtime

    monkeypatch.setattr("jax.distributed.initialize", nobody)
    with pytest.raises(SystemExit, match=r"train\.distributed=true: .* Give JAX_COORDINATOR_ADDRESS"):
        _runtime._join()
