"""The main job by the commands a user has: generate, train (also through a kill), evaluate, load elsewhere."""

import json
import random
import re
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pdejax
from pdejax import load
from tests._command import kill, run, saved

pytestmark = pytest.mark.slow  # what the fixture trains is needed by all

ROOT = Path(__file__).parent.parent
WORDS = (
    "problem=ks",
    "problem.domain={shape: [32], lengths: [22.0]}",
    "problem.splits={train: {trajectories: 8, frames: 30}, valid: {trajectories: 4, frames: 12}, "
    "test: {trajectories: 4, frames: 20}}",
    "problem.shard_size=8",
    "evaluation.valid_trajectories=4",
    "evaluation.valid_steps=8",
    "network.width=8",
    "network.modes=8",
    "network.depth=2",
    "train=smoke",
    "train.steps=120",
    "train.checkpoint_every=20",
    "train.evaluate_every=40",
)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("project")
    run(folder, "generate", *WORDS)
    run(folder, "train", *WORDS, "name=whole")
    return folder


def _losses(run):
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in e.items() if k not in ("time", "cpu_time", "samples_per_second")} for e in lines]


@pytest.mark.long
def test_a_killed_training_continues_bit_for_bit(project):
    delay = random.Random(0).uniform(0, 0.2)
    kill(project, "train", *WORDS, "name=killed", when=saved(project / "runs/killed"), delay=delay)
    run(project, "train", *WORDS, "name=killed")
    whole, killed = project / "runs/whole", project / "runs/killed"
    assert _losses(whole) == _losses(killed)
    assert (whole / "model/weights.safetensors").read_bytes() == (killed / "model/weights.safetensors").read_bytes()


TWO_PHASES = ("method=refiner_small", "method.pretrain=0.5")


@pytest.fixture(scope="module")
def refined(project):
    run(project, "train", *WORDS, *TWO_PHASES, "name=refined")
    return project / "runs/refined"


@pytest.mark.long
def test_a_run_killed_in_its_second_phase_continues_bit_for_bit(project, refined):
    kill(project, "train", *WORDS, *TWO_PHASES, "name=killed_late", when=saved(project / "runs/killed_late"))
    first = project / "runs/killed_late/first_phase/model/weights.safetensors"
    before = first.stat().st_mtime_ns
    run(project, "train", *WORDS, *TWO_PHASES, "name=killed_late")
    assert first.stat().st_mtime_ns == before, "the first phase was trained again"
    whole, killed = refined, project / "runs/killed_late"
    for below in ("", "first_phase"):
        assert _losses(whole / below) == _losses(killed / below)
        weights = [(run / below / "model/weights.safetensors").read_bytes() for run in (whole, killed)]
        assert weights[0] == weights[1]
    assert "loss_level_3" in _losses(whole)[-1]
    operator = load(whole / "first_phase")
    assert (operator.calls, load(whole).calls) == (1, 3)


@pytest.mark.long
def test_an_operator_trains_in_stages(project):
    stages = "train.stages=[{optimiser: soap, steps: 40}, {steps: 40, learning_rate: 1e-4, schedule: constant}]"
    run(project, "train", *WORDS, stages, "name=staged")
    folder = project / "runs/staged"
    first, second = _losses(folder / "stages/01-soap"), _losses(folder)
    measured = lambda lines: [e["valid/loss"] for e in lines if "valid/loss" in e]
    # the second stage begins with the best model of the first
    assert measured(second)[0] == pytest.approx(min(measured(first)[1:]), rel=1e-6)
    assert second[-1]["learning_rate"] == pytest.approx(1e-4)
    assert load(folder).step_size == load(folder / "stages/01-soap").step_size
    longer = stages.replace("steps: 40, learning", "steps: 60, learning")
    run(project, "train", *WORDS, longer, "name=staged")
    assert _losses(folder)[-1]["step"] == 60
    said = run(project, "train", *WORDS, stages.replace("soap", "lbfgs, warmup: 3"), "name=refused", code=2)
    assert "train.stages.0.warmup has no effect, since optimiser 'lbfgs' does not read it" in said
    said = run(project, "train", *WORDS, "train.optimiser=gauss_newton", "name=refused", code=2)
    assert "'gauss_newton' needs a loss that is a sum of squares, which Supervised does not give" in said
    assert not (project / "runs/refused").exists()


@pytest.mark.long
@pytest.mark.usefixtures("refined")
def test_a_student_is_taught_by_a_run(project):
    words = ("method=distilled", "method.teacher=runs/refined", "train.steps=40")
    run(project, "train", *WORDS, *words, "name=student")
    orphan = ("method=distilled", "method.teacher=runs/refned", "name=orphan")
    assert "runs/refned does not exist. Did you mean 'refined'" in run(project, "train", *WORDS, *orphan, code=2)


def test_another_configuration_is_not_mixed_into_a_run(project):
    said = run(project, "train", *WORDS, "name=whole", "train.learning_rate=2e-3", code=2)
    assert "another train.learning_rate" in said


def test_evaluation_writes_a_table_and_a_report(project):
    out = run(project, "evaluate", "runs/whole")
    assert out.strip().splitlines()[-1] == "report: runs/whole/report.html"
    document = json.loads((project / "runs/whole/evaluation.json").read_text())
    assert {"model", "persistence", "linear"} <= set(document["systems"])
    page = (project / "runs/whole/report.html").read_text()
    assert "data:image/" in page
    assert not re.search(r"""(src|href)=["']https?:""", page)


FRESH = """
import sys
import jax, pdejax
operator = pdejax.load("runs/whole")
training_code = ("optax", "orbax", "pdejax.training", "pdejax.config")
assert not any(name.startswith(training_code) for name in sys.modules)
u = jax.random.normal(jax.random.key(0), (3, 32, 1))
assert operator(u).shape == u.shape
"""


def test_a_fresh_process_loads_an_operator_without_training_code(project):
    subprocess.run([sys.executable, "-c", FRESH], cwd=project, check=True)


def test_a_trained_operator_is_a_function_as_any_other(project):
    operator = load(project / "runs/whole")
    u = jax.random.normal(jax.random.key(0), (3, 32, 1))
    v = operator(u)
    assert v.shape == u.shape
    assert float(jnp.abs(v - u).max()) > 0
    np.testing.assert_allclose(jax.jit(operator)(u), v, atol=1e-5)
    np.testing.assert_allclose(jax.vmap(operator)(u), v, atol=1e-5)
    rolled = jax.lax.scan(lambda x, _: ((y := operator(x)), y), u, None, length=3)[1]
    np.testing.assert_allclose(rolled, pdejax.trajectory(operator, u, 3), atol=1e-5)
    np.testing.assert_allclose(operator.predict(u, np.array([2 * operator.step_size]))[0], rolled[1], atol=1e-5)
    f = jax.jit(lambda u: jnp.sum(operator(u) ** 2))
    slope, h = jax.grad(f)(u), 1e-2
    numeric = (f(u + h * slope) - f(u - h * slope)) / (2 * h)
    np.testing.assert_allclose(numeric, jnp.vdot(slope, slope), rtol=2e-2)


def test_the_readme_example_runs(project, monkeypatch):
    blocks = lambda page: re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.S)
    (example, _), (declared,) = blocks("README.md"), blocks("docs/guide.md")
    example = example.replace("runs/ks_demo", "runs/whole").replace("(8, 128, 1)", "(8, 32, 1)")
    monkeypatch.chdir(project)
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        exec(example, names := {})
    assert (names["truth"].shape, names["rollout"].shape) == ((51, 256, 1), (100, 8, 32, 1))
    assert float(jnp.abs(names["residual"]).max()) < 1e-3
    conditions = {"initial": {"at": "t=0", "terms": "u = sin(pi*x)"}}
    equation = {"fields": ["u"], "parameters": {"nu": 0.1}}
    spec = {"name": "burgers", "equation": equation, "domain": {"t": [0, 1], "x": [0, 1]}, "conditions": conditions}
    names = {"pdejax": pdejax, "spec": spec}
    exec(declared, names)
    assert set(names["problem"].residual.orders) == {(0, 0), (1, 0), (0, 1), (0, 2)}
