"""A new problem in one file, by the commands a user has: solved, judged, continued after a kill, loaded elsewhere."""

import json
import os

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pdejax
from tests._command import kill, run, saved

BRATU = """\
# Bratu's problem: ignition in a square.
defaults:
  - override /method@_global_.method: physics_informed
  - override /network@_global_.network: gaussian_lattice
  - override /train@_global_.train: lattice

name: bratu
equation:
  terms: "u_xx + u_yy + k*exp(u) = 0"
  parameters: {k: 1.0}
domain: {x: [0, 1], y: [0, 1]}
conditions:
  walls: {at: boundary, terms: "u = 0"}
truth: {kind: chebyshev, points: 20, shape: [33, 33]}
"""
DECAY = """\
# A heat equation whose viscosity is to be found from measured values.
defaults:
  - override /method@_global_.method: physics_informed
  - override /network@_global_.network: gaussians
  - override /train@_global_.train: field

name: decay
equation: {terms: "u_t = nu*u_xx", parameters: {nu: 0.1}}
unknown: {nu: 0.05}
domain: {t: [0, 1], x: [0, 1]}
conditions:
  initial: {at: "t=0", terms: "u = sin(pi*x)"}
  walls: {at: boundary, terms: "u = 0"}
observations: {path: measured.csv}
truth: {kind: exact, fields: {u: "exp(-0.1*pi**2*t)*sin(pi*x)"}, parameters: {nu: 0.1}, shape: [21, 21]}
"""
INVERSE = (
    "problem=decay",
    "network.count=[6,7]",
    "network.head=linear",
    "method.points={kind: grid, counts: [12, 16], jitter: false}",
    "method.redraw=0",
    "train.precision=float64",
    "train.updates_per_dispatch=5",
    "train.checkpoint_every=5",
    "train.evaluate_every=20",
    "train.stages=[{optimiser: {kind: gauss_newton, ridge: 1e-6}, only: [weights], steps: 5}, "
    "{optimiser: {kind: gauss_newton, ridge: 1e-6}, only: [weights], steps: 5, adapt: {move: 3, split: 2, add: 1}}, "
    "{optimiser: levenberg_marquardt, steps: 40}]",
)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("project")
    (folder / "configs/problem").mkdir(parents=True)
    (folder / "configs/problem/bratu.yaml").write_text(BRATU)
    (folder / "configs/problem/decay.yaml").write_text(DECAY)
    random = np.random.default_rng(0)
    t, x = random.uniform(size=(2, 60))
    u = np.exp(-0.1 * np.pi**2 * t) * np.sin(np.pi * x) + 1e-3 * random.normal(size=60)
    rows = "".join(f"{a},{b},{c}\n" for a, b, c in zip(t, x, u, strict=True))
    (folder / "measured.csv").write_text("t,x,u\n" + rows)
    return folder


def test_one_file_gives_a_solution_with_its_error(project, undrawn):
    run(project, "generate", "problem=bratu")
    run(project, "train", "problem=bratu", "network.beyond=3")
    said = run(project, "evaluate", "runs/bratu_gaussian_lattice")
    document = json.loads((project / "runs/bratu_gaussian_lattice/evaluation.json").read_text())
    error = document["error"]["all"]["relative_l2"]
    assert error["value"] < 1e-4
    assert error["value"] >= 3 * error["floor"]
    # in corners the equation contradicts the walls
    assert document["residual"]["equations"][0]["relative"] < 2e-2
    assert "relative L2" in said
    assert (project / "runs/bratu_gaussian_lattice/report.html").exists()
    assert (project / "data/bratu/truth.h5").exists()
    assert "bratu" in run(project, "inspect", "runs/bratu_gaussian_lattice")
    with jax.enable_x64(True):
        field = pdejax.load(project / "runs/bratu_gaussian_lattice")
        middle = field(jnp.asarray([[0.5, 0.5]]))
        # the lower branch at k = 1, by Chebyshev collocation elsewhere and in the literature of the problem
        assert float(middle[0, 0]) == pytest.approx(0.07810, abs=2e-5)


@pytest.mark.long
def test_an_unknown_parameter_is_found_and_a_killed_run_goes_on_bit_for_bit(project):
    run(project, "train", *INVERSE, "name=whole")
    kill(project, "train", *INVERSE, "name=killed", when=saved(project / "runs/killed"))
    run(project, "train", *INVERSE, "name=killed")
    weights = [project / "runs" / name / "model/weights.safetensors" for name in ("whole", "killed")]
    assert weights[0].read_bytes() == weights[1].read_bytes()
    run(project, "evaluate", "runs/whole")
    document = json.loads((project / "runs/whole/evaluation.json").read_text())
    assert document["model"]["gaussians"] == 6 * 7 + 2 + 1
    assert document["found"]["nu"]["relative_error"] < 0.02
    assert document["error"]["all"]["relative_l2"]["value"] < 0.01


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("problem=bratu", "network=fno"), "Known: gaussian_lattice, gaussians"),
        (("problem=bratu", "network.counts=[9,9]", "method=one_step"), "take method=physics_informed"),
        (("problem=ks", "method=physics_informed"), "take method=one_step"),
        (("problem=bratu", "network.counts=[9]"), "one entry for each of 2 axes"),
        (("problem=bratu", "network.counts=[9,9]", "problem.conditions.walls.terms='uu = 0'"), "unknown name 'uu'"),
        (("problem=bratu", "network.counts=[9,9]", "problem.conditions.walls.at='z=0'"), "expected 'boundary' or axes"),
        (
            ("problem=bratu", "network.counts=[9,9]", "train.optimiser={kind: lattice_newton, stepps: 3}"),
            "Did you mean 'steps'",
        ),
        (("problem=bratu", "network=gaussians", "train.optimiser=lattice_newton"), "take network=gaussian"),
    ],
)
def test_mistakes_are_told_in_a_sentence(project, words, said):
    message = run(project, "train", *words, "name=wrong", code=2)
    assert said in message
    assert "Traceback" not in message
    assert not os.path.exists(project / "runs/wrong/checkpoints")


@pytest.mark.long
def test_a_run_goes_on_with_the_values_it_began_with_and_no_others(project):
    """Other measured values are told before anything is trained, and so is a mistake in them."""
    words = (*INVERSE[:-1], "network.count=[3,3]", "name=seen")
    words = (*words, "train.stages=[{optimiser: levenberg_marquardt, steps: 5}]")
    file = project / "measured.csv"
    content = file.read_text()
    try:
        file.write_text(content + "0.5,7,1\n")
        message = run(project, "train", *words, code=2)
        assert "measured.csv:62: x should be what the domain of the problem holds, 0 to 1, found 7" in message
        assert not (project / "runs/seen").exists()
        file.write_text(content)
        run(project, "train", *words)
        weights = (project / "runs/seen/model/weights.safetensors").read_bytes()
        file.write_text(content + "0.5,0.5,1\n")
        more = (*words, "train.stages=[{optimiser: levenberg_marquardt, steps: 10}]")
        message = run(project, "train", *more, code=2)
        assert "runs/seen was trained with another content of problem.observations.path=measured.csv" in message
        assert (project / "runs/seen/model/weights.safetensors").read_bytes() == weights
    finally:
        file.write_text(content)
    run(project, "train", *more)
