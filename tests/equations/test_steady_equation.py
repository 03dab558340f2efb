"""Steady equations: coefficients read from the text."""

import numpy as np
import pytest

from pdejax.equations import EQUATIONS, SteadyEquation


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("darcy", ((7.0, 0.0, 1.0), r"-\nabla \cdot \left(a \nabla u\right) = f")),
        ("poisson", ((None, 0.0, 7.0), r"-\Delta u = f")),
        ("helmholtz", ((None, -100.0, 7.0), r"-\Delta u - k^{2} u = f")),
    ],
)
def test_coefficients_and_formula_of_the_catalogue(name, expected):
    equation = EQUATIONS[name]
    found = equation.coefficients({**equation.parameters, **dict.fromkeys(equation.inputs, 7.0)})
    assert (found, equation.latex()) == expected


@pytest.mark.parametrize("ndim", [1, 2, 3])
@pytest.mark.parametrize(
    ("text", "inputs", "expected"),
    [
        ("-div((a + 1)*grad(u)) + c*u = f*x", ("a", "f"), (4.0, 0.5, 6.0)),
        ("div(a**2*grad(u)) = c*f + u", ("a", "f"), (9.0, 1.0, -6.0)),  # signs are brought into order
        ("lap(u) - exp(x)*u = sin(f)", ("f",), (None, np.exp(0.5), -np.sin(12.0))),
    ],
)
def test_any_equation_of_the_form_is_read(text, inputs, expected, ndim):
    equation = SteadyEquation(text, {"c": 0.5}, ndim)
    assert equation.inputs == inputs
    found = equation.coefficients({"a": 3.0, "f": 12.0, "x": 0.5})
    assert [v is None for v in found] == [v is None for v in expected]
    np.testing.assert_allclose([v for v in found if v is not None], [v for v in expected if v is not None])


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("-lap(u)", "expected 'LEFT = RIGHT'"),
        ("a = f", "the field 'u' does not occur"),
        ("-lap(u) + u**2 = f", "it is not linear in u"),
        ("-a*lap(u) = f", "cannot be brought into the form"),
        ("u_xxxx + lap(u) = f", "cannot be brought into the form"),
        ("-lap(u) = a_x", "its f holds a_x, a derivative of a given field"),
        ("-lap(u) = f*t", "t occurs, but it is steady"),
        ("-lpa(u) = f", "Did you mean 'lap'"),
    ],
)
def test_what_is_not_of_the_form_is_refused(text, sentence):
    with pytest.raises(ValueError, match=sentence):
        SteadyEquation(text)
