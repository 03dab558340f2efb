"""Runs and data sets in the former format still open; `former/README.md` says what they are.

Where one is refused on purpose, its name goes to `REFUSED` with a part of the sentence that the user reads instead.
"""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import jax
import pytest

from pdejax.cli import main

FORMER = Path(__file__).parent / "former"
RUNS = tuple(sorted(path.name for path in (FORMER / "runs").iterdir()))
DATA = tuple(sorted(path.name for path in (FORMER / "data").iterdir()))
REFUSED: Mapping[str, str] = {}

# the words each data set was made with, and a small training on it
_LOOP = (
    "train.devices=1",
    "train.steps=2",
    "train.updates_per_dispatch=1",
    "train.evaluate_every=2",
    "train.checkpoint_every=2",
)
_OPERATOR = ("train=smoke", "train.warmup=0", "train.batch_size=2", "network=fno", "network.width=4", "network.modes=4",
             "network.depth=1", "evaluation.valid_steps=2", *_LOOP)  # fmt: skip
BURGERS = ("problem=burgers", "problem.domain.shape=[16]", "problem.parameters.nu=0.05",
           "problem.splits={train: {trajectories: 4, frames: 7}, valid: {trajectories: 2, frames: 7}, "
           "test: {trajectories: 2, frames: 7}}")  # fmt: skip
TRAINABLE = {
    "burgers": (*BURGERS, *_OPERATOR),
    "darcy": ("problem=darcy", "problem.domain.shape=[9,9]", "problem.input.cutoff=16", "problem.solver.shape=[17,17]",
              *(f"problem.splits.{n}.trajectories={k}" for n, k in (("train", 4), ("valid", 2), ("test", 2))),
              "method=steady", *_OPERATOR),
    "pig_burgers": ("problem=pig_burgers", "problem.parameters.nu=0.1", "problem.truth.points=64",
                    "problem.truth.steps=50", "problem.truth.shape=[6,16]", "network.count=6", *_LOOP,
                    "method.points={kind: quasi_random, count: 32, face_count: 8}"),
}  # fmt: skip


@pytest.fixture
def here(tmp_path, monkeypatch):
    jax.devices()  # as many as the other tests have: the commands would make do with one
    shutil.copytree(FORMER, tmp_path / "former")
    monkeypatch.chdir(tmp_path / "former")
    return tmp_path / "former"


@pytest.fixture
def run(here, capsys):
    """Runs a command on a run or a data set: it works, or the sentence of its refusal is told and nothing changes."""

    def of(name, command, *words):
        before = {path: path.read_bytes() for path in here.rglob("*") if path.is_file()}
        capsys.readouterr()
        code = main([command, *words])
        told = capsys.readouterr()
        if name not in REFUSED:
            assert code == 0, told.err
            return told.out
        assert code == 2
        assert REFUSED[name] in told.err
        assert told.err.count("\n") == 1
        assert before == {path: path.read_bytes() for path in here.rglob("*") if path.is_file()}
        return None

    return of


ALWAYS = ("operator",)  # of the runs; the others in `make long`


@pytest.mark.parametrize("name", [pytest.param(n, marks=() if n in ALWAYS else pytest.mark.long) for n in RUNS])
def test_a_run_is_inspected_evaluated_and_reported(here, run, name, undrawn):
    folder = here / "runs" / name
    shown = run(name, "inspect", f"runs/{name}")
    assert shown is None or name in shown
    run(name, "evaluate", f"runs/{name}", "evaluation.price=false")
    if name not in REFUSED:
        assert json.loads((folder / "evaluation.json").read_text())
        (folder / "report.html").unlink()
    run(name, "report", f"runs/{name}")
    assert name in REFUSED or (folder / "report.html").read_text().endswith("</html>\n")


@pytest.mark.parametrize("name", [pytest.param(n, marks=() if n == DATA[0] else pytest.mark.long) for n in DATA])
def test_a_data_set_is_inspected_and_trained_on(here, run, name):
    shown = run(name, "inspect", f"data/{name}")
    # a solution is one file whose checksums HDF5 compares itself
    assert shown is None or ("spectral" if name == "pig_burgers" else "all files intact") in shown
    files = {path: path.read_bytes() for path in (here / "data").rglob("*.h*5")}
    run(name, "train", *TRAINABLE[name], "name=new")
    assert name in REFUSED or (here / "runs/new/model/weights.safetensors").exists()
    assert files == {path: path.read_bytes() for path in (here / "data").rglob("*.h*5")}


def test_a_finished_run_has_nothing_left_to_train(here, run):
    words = (*BURGERS, *_OPERATOR, "train.steps=4", "train.batch_size=4", "train.updates_per_dispatch=2",
             "train.log_every=2", "train.evaluate_every=4", "train.checkpoint_every=4", "name=operator")  # fmt: skip
    weights = (here / "runs/operator/model/weights.safetensors").read_bytes()
    run("operator", "train", *words)
    assert (here / "runs/operator/model/weights.safetensors").read_bytes() == weights
