"""Chebyshev points in time: values and slopes that depend on time, orders, and ends that cannot be."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pdejax.core import Grid, Scaling, Slope, Value
from pdejax.equations import EQUATIONS, Equation
from pdejax.solvers import chebyshev_stepper
from pdejax.solvers.bounded.points import Line, blended
from pdejax.solvers.chebyshev.nodes import barycentric

HEAT = EQUATIONS["diffusion"]
BELOW, ABOVE = "exp(-9*nu*t)*sin(0.3) + 2*nu*t", "exp(-9*nu*t)*sin(3.3) + 1 + 2*nu*t"
OUT_BELOW, OUT_ABOVE = "-3*exp(-9*nu*t)*cos(0.3)", "3*exp(-9*nu*t)*cos(3.3) + 2"


def heat(x, t, nu=0.1):
    return (np.exp(-9 * nu * t) * np.sin(3 * x + 0.3) + x**2 + 2 * nu * t)[:, None]


def front(x, t, nu=0.1, c=0.5):
    return (c - np.tanh((x - c * t) / (2 * nu)))[:, None]


def between(low, high, n=65):
    return Grid((n,), (1.0,), [[low, high]])


@pytest.mark.parametrize(
    ("ends", "order"),
    [
        ((Value(BELOW), Value(ABOVE)), 4),
        pytest.param((Slope(OUT_BELOW), Value(ABOVE)), 4, marks=pytest.mark.long),
        pytest.param((Slope(OUT_BELOW), Slope(OUT_ABOVE)), 4, marks=pytest.mark.long),
        ((Value(BELOW), Slope(OUT_ABOVE)), 2),
    ],
)
def test_ends_that_depend_on_time_keep_the_order(ends, order, x64):
    grid = between(*ends)
    x, errors = grid.axes()[0], []
    for steps in (4, 8):
        made = chebyshev_stepper(HEAT, grid, 1 / steps, points=20, order=order, substeps=steps, parameters={"nu": 0.1})
        errors.append(np.abs(np.asarray(jax.jit(made)(jnp.asarray(heat(x, 0.0)))) - heat(x, 1.0)).max())
    assert np.log2(errors[0] / errors[1]) > order - 0.3
    assert errors[1] < (1e-2 if order == 2 else 1e-7)


def test_a_front_between_walls_converges_faster_than_any_power(x64):
    text = "0.5 - tanh(({0} - 0.5*t)/(2*nu))"
    grid = Grid((129,), (2.0,), [[Value(text.format("(-1)")), Value(text.format("1"))]], (-1.0,))
    x, errors = grid.axes()[0], []
    for points in (16, 32, 64):
        made = chebyshev_stepper(EQUATIONS["burgers"], grid, 0.004, points=points, substeps=100, parameters={"nu": 0.1})
        run = jax.jit(lambda v, made=made: made.leave(made.advance(v)))
        out = run(jnp.asarray(front(made.form.line.nodes.nodes, 0.0)))
        errors.append(np.abs(np.asarray(out) - front(x, 0.4)).max())
    orders = np.log2(np.divide(errors[:-1], errors[1:]))
    assert errors[-1] < 1e-8
    assert orders[1] > orders[0] > 4


def test_linear_terms_are_exact_wherever_they_are(x64):
    """Waves in a string whose thickness differs from place to place."""
    equation, speed = Equation(["u_t = v", "v_t = (1 + x/2)**2*u_xx"]), lambda x: 1 + x / 2
    grid = Grid((65,), (1.0,), "slope")
    one, many = (chebyshev_stepper(equation, grid, dt, points=48) for dt in (0.5, 0.05))
    x = one.form.line.nodes.nodes
    v = jnp.asarray(np.stack([np.exp(-(((x - 0.5) / 0.12) ** 2)), 0 * x], -1))
    found = np.asarray(jax.jit(one.advance)(v))
    again = jax.jit(lambda v: jax.lax.fori_loop(0, 10, lambda i, v: many.advance(v), v))(v)
    np.testing.assert_allclose(found, again, atol=1e-9)
    fine = np.polynomial.legendre.leggauss(80)
    places, weights = (fine[0] + 1) / 2, fine[1] / 2
    nodes = one.form.line.nodes

    def energy(u):
        slope, rate = nodes.interpolation(places) @ nodes.derivative(1) @ u[:, 0], nodes.interpolation(places) @ u[:, 1]
        return weights @ (rate**2 / speed(places) ** 2 + slope**2)

    assert energy(found) == pytest.approx(energy(np.asarray(v)), rel=1e-8)
    np.testing.assert_array_less(0.1, np.abs(found - v).max())


def test_what_arrives_at_an_outflow_leaves(x64):
    grid = between("value", "outflow", 129)
    x = grid.axes()[0]
    made = chebyshev_stepper(EQUATIONS["advection"], grid, 0.25, points=48, parameters={"c": [1.0, 2.0]})
    hump = lambda s: np.exp(-(((x - 0.45 - s) / 0.12) ** 2))[:, None]
    made = jax.jit(made)
    u = made(jnp.asarray(np.stack([hump(0), hump(0)])))
    np.testing.assert_allclose(u, np.stack([hump(0.25), hump(0.5)]), atol=2e-6)
    assert float(jnp.abs(made(made(made(u)))).max()) < 2e-6


@pytest.mark.parametrize(
    ("equation", "grid", "words"),
    [
        (
            HEAT,
            between("wall", "slope"),
            "know the ends value, slope and outflow, got wall of 'u' at the low side of x",
        ),
        (HEAT, between("value", "outflow"), r"needs 2 condition\(s\) at the ends of x, .* and its ends give 1"),
        (EQUATIONS["advection"], between("value", "value"), r"needs 1 condition\(s\) at the ends of x, .* give 2"),
        (EQUATIONS["advection"], between("outflow", "value"), "no solution forwards in time with these ends"),
        (Equation("u_t = -u_xx"), between("value", "value"), "no solution forwards in time with these ends"),
        (EQUATIONS["kdv"], between("value", "value"), "derivatives up to the second"),
        (Equation("u_t = u_xx + mean(u)"), between("value", "value"), "not means and transforms"),
        (HEAT, Grid((32,), (1.0,)), "for an axis with ends, got a periodic one: etdrk takes it"),
        (HEAT, Grid((32,), (1.0,), "value", cells=True), r"set domain\.cells=false"),
        (Equation("u_t = lap(u)", ndim=2), Grid((9, 9), (1.0, 1.0), "value"), "for one axis, got 2 of the equation"),
        (HEAT, between(Value("k*t"), "value"), "value of 'u' at the low side of x: unknown name 'k'"),
    ],
)
def test_ends_and_equations_that_cannot_be_are_refused(equation, grid, words):
    with pytest.raises(ValueError, match=words):
        chebyshev_stepper(equation, grid, 0.1, points=32)


def test_single_precision_stays_batches_and_derivatives_are_true(x64):
    equation = Equation("u_t = nu*u_xx + r*u**2", {"nu": 0.1, "r": 0.0})
    grid = between("value", "value", 33)
    u = jnp.asarray(np.sin(np.pi * grid.axes()[0]), jnp.float32)[:, None]
    made = chebyshev_stepper(equation, grid, 0.1, points=16, parameters={"nu": [0.1, 0.2]}, scaling=Scaling(2.0, 3.0))
    out = jax.jit(made)(jnp.stack([u, u]))
    assert out.dtype == jnp.float32
    # stretched to twice the length, in three times the time
    np.testing.assert_allclose(
        out, np.exp(-np.array([0.1, 0.2]) * np.pi**2 / 4 * 0.3)[:, None, None] * np.asarray(u), atol=1e-6
    )
    with pytest.raises(ValueError, match="parameters of 2 trajectories need a state with a batch axis"):
        made(u)
    with pytest.raises(ValueError, match="parameters of 2 trajectories meet a state of 3"):
        made(jnp.stack([u] * 3))

    def middle(values):
        own = {"nu": values[0], "r": values[1]}
        return chebyshev_stepper(equation, grid, 0.1, points=12, parameters=own, order=2)(u.astype(float))[16, 0]

    at, along = jnp.asarray([0.1, 0.5]), jnp.asarray([0.6, 0.8])
    rate = jax.jit(jax.grad(middle))(at) @ along
    value, forward = jax.jit(lambda x: jax.jvp(middle, (x,), (along,)))(at)
    assert float(rate) == pytest.approx(float(forward), rel=1e-10)
    near = {"nu": 0.1 + 0.6e-6, "r": 0.5 + 0.8e-6}
    other = chebyshev_stepper(equation, grid, 0.1, points=12, parameters=near, order=2)(u.astype(float))[16, 0]
    assert float(rate) == pytest.approx(float(other - value) / 1e-6, rel=1e-4)


def test_a_tendency_is_added(x64):
    grid = between("slope", "slope", 17)
    made = chebyshev_stepper(HEAT, grid, 0.1, points=8)
    u = jnp.ones((17, 1))
    np.testing.assert_allclose(made(u, tendency=2 * u), 1.2 * u, rtol=1e-12)
    np.testing.assert_allclose(made.at(1.0)(u, tendency=lambda t, u: 2 * t + 0 * u), (1 + 1.1**2 - 1) * u, rtol=1e-12)


def test_points_and_polynomials():
    """The blend of polynomials of degree eight is of order nine, and coefficients are those of NumPy's polynomials."""
    f, fine, errors = lambda x: 1 / (1 + 4 * x**2), np.linspace(0, 1, 301), []
    for n in (33, 65):
        x = np.linspace(0, 1, n)
        errors.append(np.abs(barycentric(x, blended(n), fine) @ f(x) - f(fine)).max())
    assert 8 < np.log2(errors[0] / errors[1]) < 11
    line = Line(Grid((9,), (2.0,), "value", (-1.0,)), 7)
    wanted = np.arange(1.0, 8.0)
    values = np.polynomial.chebyshev.chebval(line.nodes.nodes, wanted)
    np.testing.assert_allclose(line.coefficients() @ values, wanted, rtol=1e-12)


def test_more_points_than_a_full_matrix_serves_are_refused():
    with pytest.raises(ValueError, match="points should be at most 128, whose matrices are full, got 129"):
        chebyshev_stepper(HEAT, between(Value(), Value()), 0.1, points=129)
