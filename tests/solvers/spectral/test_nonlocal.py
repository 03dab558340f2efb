"""Means, integrals and Hilbert transforms in equations, against solutions that are known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from pdejax.core import Grid, Scaling, trajectory
from pdejax.equations import EQUATIONS, BoundaryValueProblem, Equation, Expression, SteadyEquation
from pdejax.solvers import canonical, grid_residual, rhs, spectral_stepper

GRID = Grid((64,), (2 * np.pi,))
X = GRID.axes()[0]


def rate(terms, *fields, grid=GRID, **more):
    equation = Equation(terms, ndim=grid.ndim) if isinstance(terms, str | list) else terms
    found = jax.jit(lambda u: rhs(equation, u, grid, **more))(jnp.asarray(np.stack(fields, -1)))
    return np.asarray(found)[..., 0]


# what is taken of the fields u = cos(x) and v = sin(x), and what it is
TRANSFORMS = {
    "hilbert(u)": np.sin(X),
    "hilbert(v)": -np.cos(X),
    "hilbert(u + 2*v + 3)": np.sin(X) - 2 * np.cos(X),
    "hilbert(u_x)": np.cos(X),
    "dx(hilbert(u**2))": np.cos(2 * X),
    "hilbert(dx(u)*u)": np.cos(2 * X) / 2,
    "u*hilbert(v)": -(np.cos(X) ** 2),
    "hilbert(hilbert(u**2))": -np.cos(2 * X) / 2,
    "hilbert(hilbert(u + 5))": -np.cos(X),
    "u*dx(hilbert(u*v))": np.cos(X) * np.sin(2 * X),
    "hilbert(exp(u)*cos(v))": np.exp(np.cos(X)) * np.sin(np.sin(X)),  # exp(exp(i x))
    "hilbert(exp(cos(x))*cos(sin(x)))": np.exp(np.cos(X)) * np.sin(np.sin(X)),
    "hilbert(hilbert(mean(u**2)*t*v)*u + u*v)": -np.cos(2 * X) / 2,
}


@pytest.mark.parametrize("term", TRANSFORMS)
def test_transforms_of_cosines_are_sines(term, x64):
    found = rate([f"u_t = {term}", "v_t = v"], np.cos(X), np.sin(X))
    np.testing.assert_allclose(found, TRANSFORMS[term], rtol=0, atol=1e-13)


def test_transforms_in_single_precision():
    found = rate(["u_t = hilbert(exp(cos(x))*cos(sin(x))) + u*hilbert(u*v)", "v_t = v"], np.cos(X), np.sin(X))
    expected = np.exp(np.cos(X)) * np.sin(np.sin(X)) - np.cos(X) * np.cos(2 * X) / 2
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=0, atol=3e-6)


def test_the_mean_of_a_square_of_differences_keeps_its_digits():
    found = rate("u_t = mean((u - mean(u))**2)", 1e3 + np.cos(X))
    np.testing.assert_allclose(found, 0.5, rtol=1e-3)


def test_what_is_linear_goes_into_the_exponential():
    form = canonical(Equation("u_t = nu*hilbert(u_xx + 2*u_x) - hilbert(hilbert(u)) - mean(3*u + u_x)", {"nu": 1.0}))
    assert not form.products
    found = sorted((t.jet.name, str(t.coefficient)) for t in form.linear)
    assert found == [("-u", "-4"), ("^u_x", "2*nu"), ("^u_xx", "nu"), ("u", "1")]


def test_derivatives_of_what_is_the_same_everywhere_are_left_out():
    assert canonical(Equation("u_t = u_xx + dx(mean(u**2)*t) + mean(dx(u**2))")) == canonical(Equation("u_t = u_xx"))


def test_a_mean_may_change_with_time_alone(x64):
    """Of exp(t cos(x)) it is the Bessel function I_0(t)."""
    found = rate("u_t = mean(exp(t*cos(x)))", np.cos(X), time=0.7)
    np.testing.assert_allclose(found, np.i0(0.7), rtol=1e-12)


def test_dispersion_is_exact_over_a_long_step(x64):
    """Mode k turns like exp(i k |k| t)."""
    t, wave = 5.7, lambda t: np.cos(3 * X + 9 * t) + 0.5 * np.sin(8 * X + 64 * t)
    stepper = spectral_stepper(Equation("u_t = hilbert(u_xx)"), GRID, t)
    found = jax.jit(stepper)(jnp.asarray(wave(0.0))[:, None])[:, 0]
    np.testing.assert_allclose(found, wave(t), rtol=0, atol=1e-12)


def test_the_periodic_wave_of_benjamin(x64):
    """u = 2 k sinh(a) / (cosh(a) - cos(k (x - c t))) with c = k coth(a); Benjamin (1967)."""
    grid, a, end = Grid((96,), (7.0,)), 1.2, 1.0
    k, x = 2 * np.pi / 7, grid.axes()[0]
    wave = lambda t: 2 * k * np.sinh(a) / (np.cosh(a) - np.cos(k * (x - k / np.tanh(a) * t)))
    make = lambda steps: spectral_stepper(EQUATIONS["benjamin_ono"], grid, end / steps, substeps=steps)
    errors = [np.abs(jax.jit(make(n))(jnp.asarray(wave(0.0))[:, None])[:, 0] - wave(end)).max() for n in (40, 80)]
    assert errors[1] < 1e-6
    assert 13 < errors[0] / errors[1] < 20


@pytest.mark.parametrize("traced", [False, True])
def test_an_integral_decays_with_the_volume_of_each_trajectory(traced, x64):
    """u = u_0 - m + m exp(-a V t) for the mean m of u_0 in the volume V."""
    grid = Grid((8, 6), (2.0, 0.5))
    a, length, t = np.array([0.3, 0.7, 1.1]), np.array([1.0, 2.0, 0.5]), 1.3
    u = np.random.default_rng(0).normal(size=(3, 8, 6, 1))
    equation = Equation("u_t = -a*integral(u)", {"a": 1.0}, 2)
    run = lambda a, length, u: spectral_stepper(equation, grid, t, parameters={"a": a}, scaling=Scaling(length))(u)
    fixed = jax.jit(lambda u: run(a, length, u))
    found = jax.jit(run)(a, length, u) if traced else fixed(u)
    mean, decay = u.mean((1, 2), keepdims=True), np.exp(-a * length**2 * t)[:, None, None, None]
    np.testing.assert_allclose(found, u - mean + mean * decay, rtol=0, atol=1e-12)


def test_integrals_in_products_take_the_volume_of_each_trajectory(x64):
    grid, length = Grid((16,), (2.0,)), jnp.array([1.0, 3.0])
    u = jnp.asarray(np.cos(np.pi * grid.axes()[0]))[None, :, None] * jnp.ones((2, 1, 1))
    found = rhs(Equation("u_t = b*u*integral(u**2)", {"b": 1.0}), u, grid, {"b": [2.0, 1.0]}, scaling=Scaling(length))
    np.testing.assert_allclose(found, u * np.array([2.0, 3.0])[:, None, None], rtol=1e-12)


def test_a_population_that_feels_its_mean(x64):
    """u' = r u (1 - m) keeps the shape of u, and its mean m is logistic."""
    grid, r = Grid((16,), (3.0,)), np.array([0.5, 2.0])
    shape = 0.2 + 0.1 * np.sin(2 * np.pi * grid.axes()[0] / 3.0)
    exact = lambda t: shape[:, None] / (0.2 + 0.8 * np.exp(-r[:, None, None] * t))
    equation = Equation("u_t = r*u*(1 - mean(u))", {"r": 1.0})
    stepper = spectral_stepper(equation, grid, 0.01, substeps=100, parameters={"r": r})
    found = jax.jit(stepper)(jnp.asarray(exact(0.0)))
    np.testing.assert_allclose(found, exact(1.0), rtol=0, atol=1e-8)
    frames = jnp.asarray(np.stack([exact(0.01 * i) for i in range(5)]))
    residual = grid_residual(equation, frames, 0.01, grid, {"r": r})
    assert np.abs(residual).max() < 1e-9
    assert np.abs(grid_residual(equation, frames, 0.01, grid, {"r": r[::-1].copy()})).max() > 1e-2


@pytest.mark.parametrize("term", ["f - mean(f)", "max(f, -0.2) - mean(max(f, -0.2))"])
def test_what_has_its_mean_taken_off_keeps_its_mean(term, x64):
    term = term.replace("f", "(u - u**3 + exp(cos(x)))")
    stepper = spectral_stepper(Equation(f"u_t = 0.01*u_xx + {term}"), GRID, 0.02, substeps=5)
    u = jnp.asarray(0.3 + np.sin(X) + 0.2 * np.cos(3 * X))[:, None]
    frames = np.asarray(jax.jit(lambda u: trajectory(stepper, u, 10))(u))
    np.testing.assert_allclose(frames.mean((1, 2)), 0.3, rtol=0, atol=1e-13)
    assert np.abs(frames[-1] - u).max() > 0.1


def test_derivatives_agree_with_differences(x64):
    equation = Equation(
        "u_t = a*u*(1 - mean(u)) + hilbert(u**2) - max(u, 0)*integral(u**2) + hilbert(u_xx)", {"a": 1.0}
    )
    u = jnp.asarray(0.3 + np.sin(X) + 0.2 * np.cos(3 * X))[:, None]
    step = lambda u, a: spectral_stepper(equation, GRID, 0.01, parameters={"a": a})(u)
    check_grads(jax.jit(step), (u, 1.3), order=1, modes=("fwd", "rev"), rtol=1e-6)


def test_a_mean_of_what_is_not_periodic_is_refused():
    with pytest.raises(ValueError, match="jumps where the periodic axis x begins again"):
        spectral_stepper(Equation("u_t = u*mean(x*u)"), GRID, 0.1)


def test_growth_of_transforms_is_seen():
    with pytest.raises(ValueError, match="grow the faster the higher"):
        spectral_stepper(Equation("u_t = hilbert(u_x)"), GRID, 0.1)
    spectral_stepper(Equation("u_t = -hilbert(u_x)"), GRID, 0.1)


def test_points_do_not_know_the_box():
    for name, equation in {"hilbert": EQUATIONS["benjamin_ono"], "integral": Equation("u_t = integral(1)*u")}.items():
        with pytest.raises(ValueError, match=rf"{name}\(\.\.\.\) asks for a field on the whole box"):
            _ = equation.residual
    words = {"domain": {"t": [0, 1], "x": [0, 1]}, "conditions": {"start": {"at": "t=0", "terms": "u = 0"}}}
    for given in ("benjamin_ono", {"terms": "u_t = hilbert(u)"}):
        with pytest.raises(ValueError, match=r"problem 'problem'.*hilbert\(\.\.\.\) asks for a field on the whole box"):
            BoundaryValueProblem(given, **words)
    with pytest.raises(ValueError, match=r"mean\(\.\.\.\) asks for a field on the whole box"):
        SteadyEquation("-lap(u) = f - mean(f)")
    with pytest.raises(ValueError, match=r"mean\(\.\.\.\) asks for a field on the whole box"):
        Expression("sin(x) - mean(sin(x))")
