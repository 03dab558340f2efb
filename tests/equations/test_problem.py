import copy
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pdejax.equations import Equation, Problem

SPEC = {
    "name": "ks",
    "equation": "kuramoto_sivashinsky",
    "parameters": {"nu": 0.9},
    "vary": {"nu": [0.5, 1.5], "length": [0.9, 1.1], "step": [0.8, 1.2]},
    "domain": {"shape": [64], "lengths": [32.0]},
    "initial": {"kind": "sum_of_sines", "count": 10},
    "time": {"step": 0.8, "substeps": 8, "burn_in": 90},
    "solver": {"shape": [96]},
}


def test_a_specification_goes_round():
    given = copy.deepcopy(SPEC)
    problem = Problem.from_spec(given)
    assert given == SPEC
    again = Problem.from_spec(json.loads(json.dumps(problem.spec)))
    assert again == problem
    assert again.spec == problem.spec
    assert hash(again) == hash(problem)
    assert problem.order == 4
    assert problem.parameters == {"nu": 0.9}
    assert problem.parameter_names == ("length", "nu", "step")
    assert (problem.grid.shape, problem.solve_grid.shape) == ((64,), (96,))
    assert (problem.step, problem.substeps, problem.burn_in) == (0.8, 8, 90)


def test_an_equation_can_be_written_out():
    equation = {"terms": ["u_t = c*u_xx"], "parameters": {"c": 1.0}, "ndim": 1}
    problem = Problem.from_spec({**SPEC, "equation": equation, "parameters": {"c": 3.0}, "vary": {"c": [1, 2]}})
    assert problem.equation == Equation("u_t = c*u_xx", {"c": 3.0})
    assert Problem.from_spec(problem.spec) == problem


def test_a_draw_depends_on_seed_and_index_only(x64):
    problem = Problem.from_spec(SPEC)
    u, values = problem.draw(3, 5)
    assert u.shape == (96, 1)
    assert u.dtype == jnp.float64
    together, many = jax.jit(jax.vmap(lambda i: problem.draw(3, i)))(jnp.arange(4, 7))
    np.testing.assert_allclose(together[1], u, rtol=0, atol=1e-14)
    assert {k: float(v[1]) for k, v in many.items()} == {k: float(v) for k, v in values.items()}
    assert all(np.float32(v) == float(v) for v in values.values())  # survives storage in float32
    alone = Problem.from_spec({**SPEC, "vary": {"nu": [0.5, 1.5]}})
    assert float(alone.draw(3, 5)[1]["nu"]) == float(values["nu"])
    assert float(problem.draw(4, 5)[1]["nu"]) != float(values["nu"])
    assert float(problem.draw(3, 6)[1]["nu"]) != float(values["nu"])


def test_draws_fill_their_ranges():
    problem = Problem.from_spec(SPEC)
    values = jax.jit(jax.vmap(lambda i: problem.draw(0, i)[1]))(jnp.arange(2000))
    for name, (low, high) in problem.vary.items():
        assert low <= values[name].min() < low + 0.01 * (high - low)
        assert high - 0.01 * (high - low) < values[name].max() <= high
    assert abs(np.corrcoef(values["nu"], values["length"])[0, 1]) < 0.1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"equation": "kuramoto"}, "kuramoto_sivashinsky"),
        ({"equation": {"parameters": {}}}, "'terms'"),
        ({"equation": {"term": "u_t = u"}}, "Did you mean 'terms'"),
        ({"parameters": {"mu": 1.0}}, "unknown parameter 'mu'"),
        ({"vary": {"lenght": [1, 2]}}, "Did you mean 'length'"),
        ({"vary": {"nu": [2, 1]}}, r"vary.nu must be \[low, high\]"),
        ({"domain": {"shape": [8, 8], "lengths": [1.0, 1.0]}}, "2 axes"),
        ({"domain": {"shape": [8]}}, "needs the entry 'lengths'"),
        ({"domain": {"shape": [8], "lengths": [1.0], "boundary": "periodical"}}, "Did you mean 'periodic'"),
        ({"time": {"step": 1.0, "substep": 2}}, "Did you mean 'substeps'"),
        ({"solver": {"ordr": 2}}, "Did you mean 'order'"),
        ({"solver": {"order": 3}}, r"solver.order must be one of \[2, 4\], got 3"),
        ({"initials": {}}, "Did you mean 'initial'"),
        ({"initial": {"kind": "sines"}}, "sum_of_sines"),
    ],
)
def test_wrong_entries_are_refused_with_help(change, words):
    with pytest.raises(ValueError, match=words):
        Problem.from_spec({**SPEC, **change})


@pytest.mark.parametrize(("step", "start"), [(1.0, 0), (1.0, 3), (np.array([0.8, 1.2]), 2)])
def test_the_residual_knows_the_age_of_stored_frames(step, start, x64):
    problem = Problem.from_spec(
        {
            **SPEC,
            "equation": {"terms": ["u_t = cos(3*t)"], "ndim": 1},
            "parameters": {},
            "vary": {"step": [0.8, 1.2]},
            "time": {"step": 0.01, "burn_in": 90},
        }
    )
    time = (90 + start + np.arange(5)[:, None]) * 0.01 * np.broadcast_to(step, (2,))  # (frame, trajectory)
    frames = jnp.asarray(np.broadcast_to(np.sin(3 * time)[..., None, None] / 3, (5, 2, 64, 1)))
    given = {"step": jnp.asarray(step)}
    assert float(jnp.abs(problem.residual(frames, given, start=start)).max()) < 1e-6
    assert float(jnp.abs(problem.residual(frames, given, start=start + 1)).max()) > 1e-3
