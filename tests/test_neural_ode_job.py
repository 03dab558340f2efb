"""A neural ODE by the commands a user has: trained with a penalty, continued after a kill, judged, used elsewhere."""

import json
import re
from pathlib import Path

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pdejax
from pdejax.evaluation import Accounted
from tests._command import kill, run, saved

pytestmark = pytest.mark.long  # what the fixture trains is needed by all

WORDS = (
    "problem=burgers",
    "problem.domain.shape=[16]",
    "problem.parameters.nu=0.05",
    "problem.splits={train: {trajectories: 8, frames: 9}, valid: {trajectories: 2, frames: 9}, "
    "test: {trajectories: 3, frames: 9}}",
    "network=perceptron",
    "network.width=8",
    "method=neural_ode_local",
    "method.regularization.final_weight=0.01",
    "method.solver.rtol=1e-3",
    "train=smoke",
    "train.steps=120",
    "train.checkpoint_every=20",
    "train.evaluate_every=40",
)
MOMENTS = ("loss", "nrmse", "nfe", "accepted_steps", "rejected_steps", "unfinished")
MEASURES = ("solver_error", "solver_stiffness", "penalty", "penalty_weight")


def train(folder, name, *words):
    run(folder, "train", *WORDS, *words, f"name={name}")
    return folder / "runs" / name


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("project")
    run(folder, "generate", *WORDS)
    train(folder, "whole")
    return folder


@pytest.fixture
def states():
    """Three sines, `(batch, x, channel)`."""
    wave = np.sin(2 * np.pi * np.arange(16) / 16)
    return jnp.asarray(np.array([0.5, 0.7, 1.0])[:, None, None] * wave[:, None], jnp.float32)


def lines(run):
    entries = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in e.items() if k not in ("time", "cpu_time", "samples_per_second")} for e in entries]


def test_a_killed_training_continues_bit_for_bit(project):
    kill(project, "train", *WORDS, "name=killed", when=saved(project / "runs/killed"))
    killed, whole = train(project, "killed"), project / "runs/whole"
    assert lines(whole) == lines(killed)
    assert (whole / "model/weights.safetensors").read_bytes() == (killed / "model/weights.safetensors").read_bytes()


def test_the_record_tells_what_the_solves_took(project):
    record = lines(project / "runs/whole")
    last = record[-1]
    assert {*MOMENTS, *MEASURES, *(f"valid/{name}" for name in (*MOMENTS, *MEASURES))} <= set(last)
    assert last["unfinished"] == last["valid/unfinished"] == 0
    assert last["nfe"] == 1 + 6 * (last["accepted_steps"] + last["rejected_steps"])  # Tsit5 keeps its last slope
    assert last["valid/penalty_weight"] == pytest.approx(0.1)  # validation losses can be compared
    weights = [line["penalty_weight"] for line in record if "penalty_weight" in line]
    assert np.all(np.diff(weights) < 0)
    assert weights[-1] == pytest.approx(0.01, rel=0.1)
    assert last["loss"] < record[1]["loss"]


def test_evaluation_tells_what_a_solve_takes_by_its_first_step(project):
    shown = run(project, "evaluate", "runs/whole", "evaluation.baselines=false", "evaluation.steps=1")
    document = json.loads((project / "runs/whole/evaluation.json").read_text())
    solves = document["systems"]["model"]["cost"]["solves"]
    assert [(one["steps"], one["first_step"]) for one in solves] == [(1, 1.0), (1, "automatic")]
    for one in solves:
        extra = 2 if one["first_step"] == "automatic" else 0
        assert one["evaluations"] == 1 + extra + 6 * (one["accepted"] + one["rejected"])
        assert one["finished"]
    assert "one solve of 3 trajectories  first step  evaluations  accepted  refused\n" in shown
    assert "What a solve takes" in (project / "runs/whole/report.html").read_text()
    assert "kind: neural_ode\n" in run(project, "inspect", "runs/whole")
    run(project, "inspect", "runs/whole/model")


def test_a_trained_operator_is_continuous_in_time(project, states):
    operator, u = pdejax.load(project / "runs/whole"), states
    step = operator.step_size
    assert isinstance(operator, Accounted)
    times = step * np.array([0.3, 1.0, 2.25])
    frames = operator.predict(u, times)
    assert frames.shape == (3, *u.shape)
    np.testing.assert_allclose(frames[1], operator(u), atol=1e-3)
    np.testing.assert_allclose(frames[1], operator.predict(frames[0], times[1:2] - times[0])[0], atol=1e-3)
    assert float(jnp.abs(frames[1] - u).max()) > 0.05


def test_the_examples_of_the_documentation_run(project, monkeypatch):
    monkeypatch.chdir(project)
    text = (Path(__file__).parent.parent / "docs/neural_ode.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", text, re.S)
    assert len(blocks) == 2
    with jax.numpy_dtype_promotion("standard"):
        for block in blocks:
            names = {}
            exec(block.replace("runs/neural_ode_ks", "runs/whole").replace("(8, 32, 1)", "(8, 16, 1)"), names)
    assert names["frames"].shape == (3, 8, 16, 1)
    assert names["states"].shape == (1, 8, 16, 1)


def test_a_trained_right_hand_side_is_a_term_of_a_solve_of_ones_own(project, states):
    operator = pdejax.load(project / "runs/whole")
    with jax.numpy_dtype_promotion("standard"):
        solution = diffrax.diffeqsolve(
            operator.term(), diffrax.Tsit5(), 0.0, operator.step_size, None, states,
            stepsize_controller=diffrax.PIDController(rtol=1e-5, atol=1e-7),
        )  # fmt: skip
    assert solution.ys is not None
    np.testing.assert_allclose(solution.ys[0], operator(states), atol=1e-3)
