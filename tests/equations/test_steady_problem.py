"""Specifications of steady problems."""

import numpy as np
import pytest

from pdejax.equations import STEADY_EQUATIONS, Problem, SteadyProblem, build_problem

SPEC = {
    "equation": "darcy",
    "domain": {"shape": [9, 9], "lengths": [1.0, 2.0]},
    "input": {"kind": "neumann_random_field"},
}


def test_a_specification_survives_and_tells_its_kind():
    problem = build_problem(SPEC)
    assert isinstance(problem, SteadyProblem)
    assert SteadyProblem.from_spec(problem.spec) == problem
    assert hash(SteadyProblem.from_spec(problem.spec)) == hash(problem)
    in_time = {
        "equation": "burgers",
        "domain": {"shape": [8], "lengths": [1.0]},
        "initial": {"kind": "sum_of_sines"},
        "time": {"step": 0.1},
    }
    assert isinstance(build_problem(in_time), Problem)


def test_a_finer_solver_grid_shows_the_same_input(x64):
    coarse, fine = SteadyProblem.from_spec(SPEC), SteadyProblem.from_spec({**SPEC, "solver": {"shape": [25, 41]}})
    assert fine.stride == (3, 5)
    np.testing.assert_allclose(fine.draw(1, 2)[0][::3, ::5], coarse.draw(1, 2)[0], atol=1e-12)


def test_what_varies_depends_on_seed_and_index_only():
    problem = SteadyProblem.from_spec({**SPEC, "vary": {"f": [1.0, 3.0]}})
    values = [float(problem.draw(0, i)[1]["f"]) for i in range(3)]
    assert len(set(values)) == 3
    assert all(1 <= v <= 3 for v in values)


@pytest.mark.parametrize("name", STEADY_EQUATIONS)
def test_coefficients_follow_inputs_and_parameters(name):
    equation = STEADY_EQUATIONS[name]
    a, c, f = equation.coefficients({**equation.parameters, **dict.fromkeys(equation.inputs, 7.0)})
    expected = {"darcy": (7.0, 0.0, 1.0), "poisson": (None, 0.0, 7.0), "helmholtz": (None, -100.0, 7.0)}
    assert (a, c, f) == expected[name]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"solver": {"shape": [10, 10]}},
            r"multiple of the intervals of domain.shape \[9, 9\], for example \[41, 41\]",
        ),
        ({"solver": {"preconditioner": "multgrid"}}, "Did you mean 'multigrid'"),
        ({"parameters": {"g": 1.0}}, "unknown parameter 'g'"),
        ({"vary": {"k": [1, 2]}}, "unknown varying parameter 'k'"),
        ({"domain": {"shape": [9, 9], "lengths": [1, 1], "boundary": "periodic"}}, "needs domain.boundary dirichlet"),
        ({"time": {"step": 1.0}}, "unknown problem section 'time'"),
    ],
)
def test_mistakes_are_named(change, message):
    with pytest.raises(ValueError, match=message):
        build_problem({**SPEC, **change})
