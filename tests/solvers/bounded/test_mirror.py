"""Sines and cosines in time: exact solutions, orders, and what has no such series."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pdejax.core import Grid, Scaling
from pdejax.equations import Equation
from pdejax.solvers import chebyshev_stepper, mirror_stepper
from pdejax.solvers.bounded.form import mirror_form
from pdejax.solvers.spectral.stepper import exponential_stepper

BURGERS = Equation("u_t = -u*u_x + nu*u_xx", {"nu": 0.1})
SOUND = Equation(["u_t = v", "v_t = (1 + 0.3*cos(2*pi*x))**2*u_xx"])


def hump(x, t, nu=0.1, a=0.7):
    """Cole and Hopf: -2 nu times the logarithmic derivative of 1 + a cos(pi x) as it cools; zero at 0 and 1."""
    cold = a * np.exp(-nu * np.pi**2 * t)
    return 2 * nu * np.pi * cold * np.sin(np.pi * x) / (1 + cold * np.cos(np.pi * x))


def advanced(n, steps, order=4, time=1.0):
    grid = Grid((n,), (1.0,), "value")
    u = jnp.asarray(hump(grid.axes()[0], 0.0))[:, None]
    return np.asarray(jax.jit(mirror_stepper(BURGERS, grid, time / steps, order=order, substeps=steps))(u))[:, 0]


@pytest.mark.parametrize(
    ("ends", "profile"),
    [
        (["value", "slope"], lambda s: np.sin(1.5 * np.pi * s)),
        (["slope", "value"], lambda s: np.cos(2.5 * np.pi * s)),
        (["slope", "slope"], lambda s: np.cos(2 * np.pi * s)),
        (["value", "value"], lambda s: np.sin(3 * np.pi * s)),
    ],
)
def test_one_step_of_any_length_is_the_solution(ends, profile, x64):
    grid = Grid((17, 12), (2.0, 1.0), [ends, "periodic"], (-1.0, 0.0))
    x, y = np.moveaxis(grid.coordinates(), -1, 0)
    first = profile((x + 1) / 2) * np.cos(4 * np.pi * y)
    number = {"value slope": 1.5, "slope value": 2.5, "slope slope": 2.0, "value value": 3.0}[" ".join(ends)]
    rate = (number * np.pi / 2) ** 2 + (4 * np.pi) ** 2
    nu, equation = np.array([0.01, 0.03]), Equation("u_t = nu*lap(u)", {"nu": 1.0}, ndim=2)
    stepper = mirror_stepper(equation, grid, 0.7, parameters={"nu": nu})
    found = stepper(jnp.asarray(np.stack([first, first])[..., None]))[..., 0]
    np.testing.assert_allclose(found, np.exp(-nu * rate * 0.7)[:, None, None] * first, atol=1e-14)


def test_errors_fall_faster_than_any_power_of_the_points(x64):
    errors = []
    for n in (5, 9, 17):
        errors.append(np.abs(advanced(n, 128) - hump(np.linspace(0, 1, n), 1.0)).max())
    orders = np.log2(np.divide(errors[:-1], errors[1:]))
    assert errors[-1] < 1e-9
    assert orders[1] > orders[0] > 8


@pytest.mark.parametrize("order", [2, 4])
def test_the_order_in_time_is_what_it_says(order, x64):
    x = np.linspace(0, 1, 65)
    coarse, fine = (np.abs(advanced(65, steps, order) - hump(x, 1.0)).max() for steps in (4, 8))
    assert order - 0.4 < np.log2(coarse / fine) < order + 0.8


@pytest.mark.parametrize(
    "equation",
    [SOUND, Equation(["u_t = d*u_xx + sin(pi*x)*u_x - u**3 + cos(pi*x)*t", "v_t = u - v"], {"d": 0.05})],
)
def test_both_bases_agree(equation, x64):
    """Of coefficients that are even behind the ends, and of one that is odd there."""
    grid = Grid((65,), (1.0,), "slope")
    x = grid.axes()[0]
    u = jnp.asarray(np.stack([np.exp(np.cos(np.pi * x)), 0 * x], -1))
    one = jax.jit(mirror_stepper(equation, grid, 0.0025, substeps=80))(u)
    other = jax.jit(chebyshev_stepper(equation, grid, 0.0025, points=40, substeps=80))(u)
    np.testing.assert_allclose(one, other, atol=2e-8)
    if equation is SOUND:
        energy = lambda u: _trapezoid((u[:, 1] / (1 + 0.3 * np.cos(2 * np.pi * x))) ** 2 + _slope(u[:, 0]) ** 2)
        assert energy(np.asarray(one)) == pytest.approx(energy(np.asarray(u)), rel=1e-9)
        np.testing.assert_array_less(0.1, np.abs(one - u).max())


def _trapezoid(f):
    return f.sum() - (f[0] + f[-1]) / 2


def _slope(u):
    """By the fast transform of the image behind the end, written for this test."""
    n = len(u) - 1
    spectrum = np.fft.rfft(np.concatenate([u, u[-2:0:-1]]))
    return np.fft.irfft(1j * np.pi * np.arange(n + 1) * spectrum * (np.arange(n + 1) < n), 2 * n)[: n + 1]


@pytest.mark.parametrize(
    ("terms", "ends", "words"),
    [
        (
            "-u*u_x + u_xx",
            "slope",
            r"u is even about the low side of x .* derivative by x of -u\*\*2/2 .*chebyshev",
        ),
        ("u_xx - u_x", "value", r"odd about the low side of x .* -u_x in 'u_t = u_xx - u_x' is not"),
        ("u_xx + x*(1 - x)", "value", r"x\*\(1 - x\)"),
        ("u_xx + u**2", "value", r"u\*\*2 in .* is not"),
        ("(1 + x**2)*u_xx", "slope", r"about the high side of x .* x\*\*2\*u_xx"),
        ("u_xx + sqrt(x)", "slope", "sqrt"),
        ("u_xx + mean(u**2)", "slope", "not means, integrals and Hilbert transforms"),
        ("u_xx", "wall", r"know the ends periodic, value and slope, got wall of 'u' at the low side of x"),
        ("u_xx", [["slope", {"kind": "value", "expression": "t"}]], r"that are 0, got 't' of 'u' at the high side"),
        ("-u_xx", "slope", "no solution forwards in time"),
    ],
)
def test_what_has_no_such_series_is_refused(terms, ends, words):
    with pytest.raises(ValueError, match=words):
        mirror_stepper(Equation(f"u_t = {terms}"), Grid((33,), (1.0,), ends), 1e-3)


def test_cells_and_too_few_points_are_refused():
    with pytest.raises(ValueError, match=r"a grid of cells holds averages: set domain\.cells=false"):
        mirror_stepper(BURGERS, Grid((32,), (1.0,), "value", cells=True), 0.1)
    with pytest.raises(ValueError, match="needs at least 3 points, both ends among them, got 2 along x"):
        mirror_stepper(BURGERS, Grid((2,), (1.0,), "value"), 0.1)


def test_what_is_flat_at_the_ends_may_be_anything_between():
    mirror_stepper(Equation("u_t = (1 + exp(-((x - 0.4)/0.05)**2))*u_xx"), Grid((17,), (1.0,), "slope"), 1e-4)


def test_a_step_beyond_the_limit_is_refused_and_would_have_diverged(x64):
    grid, words = Grid((33,), (1.0,), "slope"), r"a step of 0\.04 is beyond .* take steps of 0\.0131, 4 times as many"
    with pytest.raises(ValueError, match=words):
        mirror_stepper(SOUND, grid, 0.04)
    noise = jnp.asarray(np.random.default_rng(0).normal(size=(33, 2)) * [1e-3, 0])
    unasked = exponential_stepper(mirror_form(SOUND, grid, dealias=2 / 3), 0.04, Scaling(), 4, 1000)
    assert not float(jnp.abs(jax.jit(unasked)(noise)).max()) < 1e3
    allowed = mirror_stepper(SOUND, grid, 0.01, substeps=4000)
    assert float(jnp.abs(jax.jit(allowed)(noise)).max()) < 1


def test_single_precision_stays_and_derivatives_are_true(x64):
    grid = Grid((17,), (1.0,), "value")
    u = jnp.asarray(hump(grid.axes()[0], 0.0), jnp.float32)[:, None]

    def middle(nu):
        return mirror_stepper(BURGERS, grid, 0.1, order=2, parameters={"nu": nu})(u.astype(float))[8, 0]

    def found(nu):
        ends = jnp.stack([middle(nu + 1e-5), middle(nu - 1e-5)])
        return *jax.value_and_grad(middle)(nu), jax.jvp(middle, (nu,), (1.0,))[1], ends

    value, rate, forward, ends = jax.jit(found)(0.1)
    assert float(rate) == pytest.approx(float(forward), rel=1e-12)
    assert float(rate) == pytest.approx(float(ends[0] - ends[1]) / 2e-5, rel=1e-6)
    out = mirror_stepper(BURGERS, grid, 0.1, order=2)(u)
    assert out.dtype == jnp.float32
    assert float(out[8, 0]) == pytest.approx(float(value), rel=1e-6)
    assert float(out[0, 0]) == pytest.approx(0, abs=1e-12)
