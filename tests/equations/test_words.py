"""Words of the grammar that are no smooth functions."""

import copy
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sympy

from pdejax.core import Grid
from pdejax.equations import BoundaryValueProblem, Equation, Expression, SteadyEquation, evaluate, jet
from pdejax.solvers import rhs

U = np.array([-1.5, -0.25, 0.0, 0.5, 2.0])
# what is written of u, with NumPy
POINTWISE = {
    "step(u)": np.heaviside(U, 0.5),
    "sign(u)": np.sign(U),
    "positive(u)": np.maximum(U, 0),
    "min(u, u**2)": np.minimum(U, U**2),
    "max(-u, 0.75)": np.maximum(-U, 0.75),
    "max(min(u, 1), -1)": np.clip(U, -1, 1),
    "step(u - 0.5)*abs(u)": np.heaviside(U - 0.5, 0.5) * np.abs(U),
}


def expression(term):
    return Equation(f"u_t = {term}").forms[0].flat()


@pytest.mark.parametrize("term", POINTWISE)
def test_values_are_those_of_numpy_in_every_kind_of_number(term):
    e, u = expression(term), jet("u")
    np.testing.assert_array_equal(evaluate(e, {u: U}), POINTWISE[term])
    one = np.asarray(evaluate(e, {u: U.astype(np.float32)}))
    assert one.dtype == np.float32
    traced = jax.jit(lambda x: evaluate(e, {u: x}))(jnp.asarray(U, jnp.float32))
    assert traced.dtype == jnp.float32
    np.testing.assert_allclose(traced, POINTWISE[term], rtol=1e-6)
    numbers = [evaluate(e, {u: x}) for x in U.tolist()]
    assert all(type(x) in (int, float) for x in numbers)
    np.testing.assert_array_equal(numbers, POINTWISE[term])


def test_where_they_have_derivatives_the_chain_rule_takes_them():
    """d/dx of clipped sines, against differences of it."""
    e = Equation("u_t = u*dx(min(max(sin(x), -a), 2*positive(sin(x))))", {"a": 0.5}).forms[0].flat() / jet("u")
    a, x = sympy.Symbol("a", real=True), sympy.Symbol("x", real=True)
    clipped = lambda x: np.minimum(np.maximum(np.sin(x), -0.5), 2 * np.maximum(np.sin(x), 0))
    points, h = np.linspace(0.1, 6.1, 50), 1e-6
    difference = (clipped(points + h) - clipped(points - h)) / (2 * h)
    np.testing.assert_allclose(evaluate(e, {a: 0.5, x: points}), difference, atol=1e-9)


def test_a_flux_may_have_kinks(x64):
    """max(cos x, 0) = 1/pi + cos(x)/2 - 2/pi sum (-1)^m cos(2 m x) / (4 m^2 - 1)."""
    grid = Grid((256,), (2 * np.pi,))
    u = jnp.asarray(np.cos(grid.axes()[0]))[:, None]
    found = np.asarray(rhs(Equation("u_t = lap(max(u, 0))"), u, grid))[:, 0]
    modes = 2 * np.fft.rfft(found).real[:5] / 256
    np.testing.assert_allclose(modes, [0, -0.5, -8 / (3 * np.pi), 0, 32 / (15 * np.pi)], atol=2e-3)


def test_fields_and_coefficients_with_jumps():
    grid = Grid((8,), (1.0,))
    box = Expression("step(x - 0.25)*step(0.75 - x)")(jax.random.key(0), grid)
    np.testing.assert_array_equal(box[:, 0], [0, 0, 0.5, 1, 1, 1, 0.5, 0])
    a = SteadyEquation("-div((1 + 9*step(x - 0.5))*grad(u)) = f").coefficients({"x": np.linspace(0, 1, 5), "f": 1.0})[0]
    np.testing.assert_array_equal(a, [1, 1, 5.5, 10, 10])


JUMPS = ["dx(step(u))", "u_x*dx(2*sign(u) + u)", "lap(step(x - 1))", "u*lap(positive(u))", "u*dx(dx(abs(u)))"]


@pytest.mark.parametrize("term", JUMPS)
def test_the_derivative_of_a_jump_is_refused(term):
    with pytest.raises(ValueError, match="needs the derivative of a jump, which is no function") as refused:
        Equation(f"u_t = {term}")
    assert any(word in str(refused.value).split(": ")[1] for word in ("step", "sign", "positive", "abs"))


def test_at_points_all_derivatives_are_carried_out():
    stefan = Equation("u_t = lap(positive(u))")
    with pytest.raises(ValueError, match="the residual at points needs the derivative of a jump"):
        _ = stefan.residual
    words = {"domain": {"t": [0, 1], "x": [0, 1]}, "conditions": {"start": {"at": "t=0", "terms": "u = 0"}}}
    with pytest.raises(ValueError, match="problem 'problem': the residual at points needs the derivative of a jump"):
        BoundaryValueProblem({"terms": "u_t = lap(positive(u))"}, **words)
    words["conditions"]["left"] = {"at": "x=0", "terms": "u = 0"}
    obstacle = BoundaryValueProblem({"terms": "u_t = dx(positive(u)) + min(u, x)"}, **words)
    values = {(0, 0): jnp.array([[0.3], [-0.2]]), (1, 0): jnp.zeros((2, 1)), (0, 1): jnp.ones((2, 1))}
    found = obstacle.residual(values, jnp.array([[0.0, 0.1], [0.0, 0.5]]), {})
    np.testing.assert_allclose(found[:, 0], [-1.1, 0.2], rtol=1e-6)


def test_latex():
    assert Equation("u_t = -max(u, 0)*step(u)").latex() == (
        r"\partial_t u = - \theta\left(u\right) \max\left(0, u\right)"
    )
    assert Equation("u_t = -hilbert(u_xx) - u*mean(u**2)").latex() == (
        r"\partial_t u = - \mathcal{H}\left[u_{xx}\right] - u \left\langle u^{2} \right\rangle"
    )
    assert Equation("u_t = -integral(hilbert(u**2)*u)").latex() == (
        r"\partial_t u = - \left|\Omega\right| \left\langle u \mathcal{H}\left[u^{2}\right] \right\rangle"
    )


def test_equations_with_means_are_values():
    term = "u_t = hilbert(u*(1 - u)) + mean((u - mean(a*u))**2)*sin(t)"
    one, other = (Equation(term, {"a": 2.0}) for _ in range(2))
    for again in (other, pickle.loads(pickle.dumps(one)), copy.deepcopy(one)):
        assert again.forms == one.forms
        assert {hash(e) for e in again.forms[0].parts.values()} == {hash(e) for e in one.forms[0].parts.values()}
    assert one.forms != Equation(term.replace("1 - u", "2 - u"), {"a": 2.0}).forms
    assert one.autonomous is False
    assert Equation("u_t = mean(sin(t)*u)*u").autonomous is False
    assert Equation("u_t = mean(sin(u))*u").autonomous
