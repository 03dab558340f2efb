import dataclasses
import json

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pdejax.core import TensorGrid
from pdejax.equations import BoundaryValueProblem
from pdejax.evaluation import CoordinateValidation, Result, evaluate, judge
from pdejax.evaluation.coordinate.errors import claimed
from pdejax.evaluation.coordinate.measure import LAYOUT
from pdejax.evaluation.coordinate.rows import residuals
from pdejax.methods import PhysicsField, PhysicsInformed, ProblemCard
from pdejax.networks import nested_jet
from pdejax.solvers import Truth, solve_truth

NU = 0.05
SOLUTION = f"exp(-{NU}*pi**2*t)*sin(pi*x)"


class Formula(eqx.Module):
    """A field that is a function of coordinates, with one trainable factor."""

    factor: jax.Array
    function: object = eqx.field(static=True)

    def __call__(self, points):
        flat = points.points() if isinstance(points, TensorGrid) else points
        return self.factor * self.function(flat)

    def jet(self, points, orders):
        return nested_jet(self, points, orders)


def heat(shape=(21, 33), **further):
    return BoundaryValueProblem(
        **{
            "name": "heat",
            "equation": {"terms": ["u_t = nu*u_xx"], "parameters": {"nu": NU}},
            "domain": {"t": [0, 1], "x": [-1, 1]},
            "conditions": {
                "start": {"at": "t=0", "terms": "u = sin(pi*x)"},
                "walls": {"at": "boundary", "terms": "u = 0", "weight": 2.0},
            },
            "truth": {"kind": "exact", "fields": {"u": SOLUTION}, "shape": list(shape), "parameters": {"nu": NU}},
            **further,
        }
    )


def solved(problem, function=None, factor=1.0, found=None):
    """A model whose field is the exact solution, or another function."""
    real = jnp.result_type(float)
    exact = function or problem.exact
    given = {name: jnp.asarray(value, real) for name, value in (found or {}).items()}
    return PhysicsField(Formula(jnp.asarray(factor, real), exact), given, problem)


def build(spec, problem, key):
    """An untrained field, in one program."""
    return eqx.filter_jit(lambda key: PhysicsInformed().build(spec, ProblemCard(problem), key=key))(key)


def evaluated(model, truth, **options):
    return evaluate(model, truth, points=2000, price=False, **options)


@pytest.fixture
def problem(x64):
    return heat()


@pytest.fixture
def truth(problem):
    return solve_truth(problem)


def test_an_exact_field_has_neither_residual_nor_error(problem, truth):
    evaluation = evaluated(solved(problem), truth)
    for name in ("equation", "start", "walls"):
        entry = residuals(evaluation.document)[name]
        assert entry["rms"] < 1e-14
        assert entry["largest"] < 1e-13
        assert entry["relative"] < 1e-14
    assert evaluation.metric("relative_l2")["value"] < 1e-15
    assert not evaluation.metric("relative_l2")["censored"]  # the truth is exact: its floor is zero
    assert evaluation.document["model"]["precision"] == "float64"


def test_a_known_perturbation_has_the_known_error_and_residual(problem, truth):
    """u + eps t x leaves the residual eps x; its norm is that of x, and the largest one is at a face."""
    eps = 1e-3
    bump = lambda p: problem.exact(p) + eps * (p[:, :1] * p[:, 1:])
    evaluation = evaluated(solved(problem, bump), truth, chunk=301)
    equation = residuals(evaluation.document)["equation"]
    assert equation["rms"] == pytest.approx(eps / 3**0.5, rel=1e-2)
    assert equation["largest"] == pytest.approx(eps, rel=1e-2)
    assert abs(equation["at"]["x"]) > 0.99
    walls = residuals(evaluation.document)["walls"]
    assert walls["rms"] == pytest.approx(eps / 3**0.5, rel=1e-2)
    assert residuals(evaluation.document)["start"]["rms"] < 1e-14
    t, x = np.meshgrid(*truth.axes, indexing="ij")
    expected = np.linalg.norm(eps * t * x) / np.linalg.norm(truth.values)
    assert evaluation.metric("relative_l2")["value"] == pytest.approx(expected, rel=1e-9)
    largest = evaluation.document["error"]["fields"]["u"]["largest"]
    assert largest["value"] == pytest.approx(eps, rel=1e-9)
    assert largest["at"]["t"] == 1
    assert abs(largest["at"]["x"]) == 1
    np.testing.assert_allclose(evaluation.arrays["plot/residual"][..., 0], eps * x, atol=1e-12)


def test_sizes_are_those_of_the_residuals_parts(problem, truth):
    """Of u_t and nu u_xx, which are as large as each other; of u on a wall its size inside."""
    evaluation = evaluated(solved(problem, factor=1.01), truth)
    t, x = (np.linspace(a, b, 400) for a, b in problem.box)
    u = 1.01 * np.exp(-NU * np.pi**2 * t)[:, None] * np.sin(np.pi * x)[None]
    size = np.sqrt(np.mean(u**2))
    assert residuals(evaluation.document)["equation"]["size"] == pytest.approx(2 * NU * np.pi**2 * size, rel=5e-3)
    assert residuals(evaluation.document)["walls"]["size"] == pytest.approx(size, rel=5e-3)
    start = residuals(evaluation.document)["start"]
    assert start["relative"] == pytest.approx(0.01 * 0.5**0.5 / size, rel=2e-2)


def test_a_residual_without_derivatives_has_no_relative_one(problem):
    evaluation = evaluated(solved(problem, factor=0.0), None)
    entry = residuals(evaluation.document)["equation"]
    assert entry["relative"] is None
    assert entry["reason"] == "no derivative takes part in it"


def test_nothing_is_claimed_below_three_floors(problem, truth):
    coarse = Truth(truth.axes, truth.values, 1e-3, {"kind": "spectral", "floors": {"u": 1e-3}})
    evaluation = evaluated(solved(problem, factor=1.002), coarse)
    entry = evaluation.metric("relative_l2")
    assert entry["value"] == pytest.approx(3e-3)
    assert entry["raw"] == pytest.approx(2e-3)
    assert entry["censored"]
    assert entry["reason"].startswith("below three times the reference's floor of 0.001")
    largest = evaluation.document["error"]["fields"]["u"]["largest"]
    assert largest["value"] is None
    assert largest["raw"] == pytest.approx(2e-3)
    assert "< 0.003" in str(evaluation)
    above = evaluated(solved(problem, factor=1.004), coarse).metric("relative_l2")
    assert above["value"] == above["raw"] == pytest.approx(4e-3)
    assert not above["censored"]


def test_claims_at_the_bound():
    assert claimed(3.0, 1.0) == {"value": 3.0, "raw": 3.0, "floor": 1.0, "censored": False, "reason": None}
    assert claimed(2.99, 1.0)["value"] == 3.0
    assert claimed(float("nan"), 1.0)["reason"] == "the field is not finite everywhere"


def test_errors_per_time_add_up_to_the_whole(problem, truth):
    late = lambda p: problem.exact(p) + 1e-2 * p[:, :1] ** 2
    evaluation = evaluated(solved(problem, late), truth)
    times, error = evaluation.arrays["error/times"], evaluation.arrays["error/u"]
    np.testing.assert_allclose(times, truth.axes[0])
    size = np.sqrt(np.mean(truth.values**2))
    np.testing.assert_allclose(error, 1e-2 * times**2 / size, atol=1e-14)
    assert np.sqrt(np.mean(error**2)) == pytest.approx(evaluation.metric("relative_l2")["raw"], rel=1e-9)
    np.testing.assert_allclose(evaluation.arrays["error/all"], error)


def test_found_parameters_beside_their_true_values(x64):
    problem = heat(unknown={"nu": 0.1})
    evaluation = evaluated(solved(problem, found={"nu": 0.06}), solve_truth(problem))
    entry = evaluation.document["found"]["nu"]
    assert (entry["value"], entry["guess"], entry["truth"]) == (0.06, 0.1, NU)
    assert entry["relative_error"] == pytest.approx(0.2)
    expected = 0.01 * np.pi**2 * np.sqrt(np.mean(solve_truth(problem).values ** 2))
    assert residuals(evaluation.document)["equation"]["rms"] == pytest.approx(expected, rel=0.05)
    assert "nu         0.06   0.05  0.2" in str(evaluation)


def test_a_problem_without_a_known_solution(problem):
    evaluation = evaluated(solved(problem, problem.exact), None)
    assert evaluation.document["error"] is None
    assert "does not say how its solution is known" in evaluation.metric("relative_l2")["reason"]
    assert "error: not measured" in str(evaluation)
    assert "plot/truth" not in evaluation.arrays


def test_several_fields_and_a_pressure_that_is_free(x64):
    problem = BoundaryValueProblem(
        **{
            "name": "pair",
            "equation": {"terms": ["u_x = p_y", "u_y = -p_x"], "fields": ["u", "p"]},
            "domain": {"x": [0, 1], "y": [0, 1]},
            "conditions": {"walls": {"at": "boundary", "terms": "u = x*y"}},
            "truth": {"kind": "exact", "fields": {"u": "x*y", "p": "(y**2 - x**2)/2"}, "shape": [9, 9]},
        }
    )
    shifted = lambda p: problem.exact(p) + jnp.asarray([[0.0, 0.25]])
    evaluation = evaluated(solved(problem, shifted), solve_truth(problem))
    assert evaluation.document["problem"]["undetermined"] == ["p"]
    assert set(residuals(evaluation.document)) == {"equation 1", "equation 2", "walls"}
    assert evaluation.metric("relative_l2 u")["value"] < 1e-15
    assert evaluation.metric("relative_l2 p")["value"] > 0.5
    with pytest.raises(ValueError, match="unknown metric 'relative_l2 q'"):
        evaluation.metric("relative_l2 q")


def test_save_and_load(problem, truth, tmp_path):
    evaluation = evaluated(solved(problem), truth)
    assert evaluation.save(tmp_path) == tmp_path / "evaluation.json"
    again = Result.load(tmp_path)
    assert again.document == evaluation.document
    assert set(again.arrays) == set(evaluation.arrays)
    for name, values in evaluation.arrays.items():
        np.testing.assert_array_equal(again.arrays[name], values)
    for name in again.document:
        assert name in LAYOUT


def test_files_of_another_kind_are_refused(problem, truth, tmp_path):
    with pytest.raises(FileNotFoundError, match="evaluate the run first"):
        Result.load(tmp_path)
    path = evaluated(solved(problem), truth).save(tmp_path)
    document = {name: value for name, value in json.loads(path.read_text()).items() if name != "sha256"}
    path.write_text(json.dumps(document | {"schema": 99}))
    with pytest.raises(ValueError, match="schema 99, this pdejax reads 3: evaluate the run again"):
        Result.load(tmp_path)
    path.write_text(json.dumps(document | {"kind": "coordinat"}))
    with pytest.raises(ValueError, match=r"unknown kind of result 'coordinat'\. Did you mean 'coordinate'\?"):
        Result.load(tmp_path)


def test_a_field_that_is_not_finite_is_reported(problem, truth, tmp_path):
    broken = lambda p: problem.exact(p) / jnp.where(p[:, :1] > 0.9, 0.0, 1.0)
    evaluation = evaluated(solved(problem, broken), truth)
    assert evaluation.metric("relative_l2")["value"] is None
    assert evaluation.metric("relative_l2")["reason"] == "the field is not finite everywhere"
    assert residuals(evaluation.document)["equation"]["reason"].startswith("not finite at ")
    evaluation.save(tmp_path)  # JSON holds nothing that is not finite


def test_a_model_in_single_precision_is_measured_in_it(key):
    problem = heat()
    model = build({"kind": "gaussians", "count": 20}, problem, key)
    evaluation = evaluated(model, solve_truth(problem))
    assert evaluation.document["model"]["precision"] == "float32"
    assert evaluation.document["model"]["gaussians"] == 20
    assert evaluation.document["cost"]["seconds"] > 0
    assert evaluation.arrays["gaussians/centres"].shape == (20, 2)
    with jax.enable_x64(True):
        wide = jax.tree.map(lambda x: x.astype(np.float64) if eqx.is_inexact_array(x) else x, model)
    with pytest.raises(ValueError, match="enable_x64"):
        evaluate(wide, None)


def test_covariances_of_dense_gaussians(key, x64):
    problem = heat()
    spec = {"kind": "gaussians", "count": 5, "covariance": "dense"}
    model = build(spec, problem, key)
    model = eqx.tree_at(lambda m: m.field.shears, model, jnp.full((1, 5, 1), 0.4))
    arrays = evaluated(model, None).arrays
    field = model.field
    root = np.asarray([[1.0, 0.0], [0.4, 1.0]]) / np.exp(np.asarray(field.log_widths)[0, 0])[None]
    np.testing.assert_allclose(arrays["gaussians/covariances"][0] @ (root.T @ root), np.eye(2), atol=1e-12)


def test_the_truth_must_be_one_of_the_problem(problem, truth):
    with pytest.raises(ValueError, match="the truth 1 axes and 1 fields"):
        evaluated(solved(problem), dataclasses.replace(truth, axes=truth.axes[:1]))


def test_the_error_during_training(problem, truth):
    measure = CoordinateValidation(truth)
    assert measure(solved(problem))["valid/relative_l2"] < 1e-15
    assert measure(solved(problem, factor=1.01))["valid/relative_l2"] == pytest.approx(0.01, rel=1e-9)
    thin = CoordinateValidation(truth, limit=100)
    assert thin(solved(problem, factor=1.01))["valid/relative_l2"] == pytest.approx(0.01, rel=1e-9)


def test_the_error_is_compiled_once(problem, truth):
    traced = []

    def function(points):
        traced.append(points)
        return problem.exact(points)

    measure = CoordinateValidation(truth)
    for factor in (1.0, 1.1, 1.2):
        measure(solved(problem, function, factor))
    assert len(traced) == 1


CONVECTION = {
    "equation": {"terms": ["u_t = -30*u_x"]},
    "domain": {"t": [0, 1], "x": [0, 2 * np.pi]},
    "periodic": ["x"],
    "conditions": {"start": {"at": "t=0", "terms": "u = sin(x)"}},
    "truth": {"kind": "exact", "fields": {"u": "sin(x - 30*t)"}, "shape": [51, 32]},
}


def _wave(decay):
    return lambda points: jnp.exp(-decay * points[:, :1]) * jnp.sin(points[:, 1:] - 30 * points[:, :1])


@pytest.mark.parametrize(("decay", "said"), [(0.0, ""), (0.05, ""), (3.0, "its relative error is 0.7")])
def test_a_wave_that_fades_is_not_resolved_and_said_so(decay, said):
    """A network that loses the wave on its way leaves little in the equation, and all in the error."""
    problem = heat(**CONVECTION)
    model, truth = solved(problem, _wave(decay)), solve_truth(problem)
    found = judge(model, CoordinateValidation(truth))
    assert found.startswith(said)
    assert bool(found) == bool(said)
    assert (f"not resolved: {found}" in str(evaluated(model, truth))) == bool(said)


@pytest.mark.parametrize(("decay", "said"), [(0.0, ""), (0.05, ""), (3.0, "the residual of equation is 0.05")])
def test_without_a_known_solution_residuals_tell(decay, said):
    problem = heat(**{**CONVECTION, "truth": None})
    found = judge(solved(problem, _wave(decay)), None)
    assert found.startswith(said)
    assert bool(found) == bool(said)


def test_a_field_that_is_no_number_is_not_resolved():
    nothing = solved(heat(**{**CONVECTION, "truth": None}), lambda points: jnp.nan * points[:, :1])
    assert judge(nothing, None).startswith("the residual of equation is not finite at 1024 of 1024 points")
