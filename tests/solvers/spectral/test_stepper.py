"""Interfaces: batches of parameters, time, precision, derivatives, transforms counted, agreement with exponax."""

import dataclasses
import inspect

import exponax as ex
import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest

from pdejax.core import Grid, Scaling, Stepper, TimedStepper, resample, trajectory
from pdejax.data import read_problem
from pdejax.equations import EQUATIONS, Equation, TruncatedFourier
from pdejax.solvers import discretise, spectral_stepper, working
from pdejax.solvers.spectral.phi import phi_functions

BOX = 2 * np.pi
KS = EQUATIONS["kuramoto_sivashinsky"]
GRID = Grid((32,), (16.0,))


def initial(grid, batch, channels=1, cutoff=3):
    sampler = TruncatedFourier(cutoff=cutoff, channels=channels)
    return jax.jit(jax.vmap(lambda key: sampler(key, grid)))(jax.random.split(jax.random.key(0), batch))


def test_it_is_a_timed_stepper():
    stepper = spectral_stepper(KS, GRID, 0.1, substeps=3)
    assert isinstance(stepper, Stepper)
    assert isinstance(stepper, TimedStepper)
    assert float(stepper.step_size) == pytest.approx(0.3)
    assert float(stepper.at(2.0).time) == 2.0
    assert repr(stepper).startswith("SpectralStepper(step_size=0.3")
    assert "substeps=3" in repr(stepper)


@pytest.mark.parametrize("order", [2, pytest.param(4, marks=pytest.mark.long)])
def test_parameters_steps_and_lengths_per_trajectory(order, x64):
    forced = Equation("u_t = -u*u_x - u_xx - nu*u_xxxx + 0.1*cos(2*t)*sin(2*pi*x/16)", {"nu": 1.0})
    u, batch = initial(GRID, 3), {"nu": jnp.array([0.5, 1.0, 1.5])}
    scaling = Scaling(jnp.array([0.5, 1.0, 2.0]), jnp.array([0.5, 1.0, 0.7]))
    make = lambda p, s: spectral_stepper(forced, GRID, 0.1, order=order, substeps=2, parameters=p, scaling=s)
    run = lambda p, s, u: trajectory(make(p, s), u, 5)
    together = jax.jit(lambda u: run(batch, scaling, u))(u)
    traced, mapped = jax.jit(lambda *x: (run(*x), jax.vmap(run, out_axes=1)(*x)))(batch, scaling, u)
    np.testing.assert_allclose(traced, together, atol=1e-12)
    np.testing.assert_allclose(mapped, together, atol=1e-12)
    for i in range(3):
        grid = Grid((32,), (16.0 * float(scaling.length[i]),))
        dt, nu = 0.1 * float(scaling.step[i]), {"nu": 0.5 * (i + 1)}
        alone = spectral_stepper(forced, grid, dt, order=order, substeps=2, parameters=nu)
        expected = jax.jit(lambda v: trajectory(alone, v, 5))(u[i])  # noqa: B023
        np.testing.assert_allclose(expected, together[:, i], atol=1e-12)


def test_complex_symbols_may_be_traced():
    kdv = Equation("u_t = -6*u*u_x - a*u_xxx + nu*u_xx", {"a": 1.0, "nu": 0.1})
    for nu in (0.0, 0.1):  # an imaginary and a complex symbol
        parameters = {"a": jnp.array([0.5, 1.0]), "nu": jnp.array([nu, nu])}
        u = initial(GRID, 2)
        run = lambda p, h: spectral_stepper(kdv, GRID, h, substeps=5, parameters=p)(u)  # noqa: B023
        traced, known = jax.jit(lambda p, h: (run(p, h), run(parameters, 0.01)))(parameters, 0.01)  # noqa: B023
        np.testing.assert_allclose(traced, known, atol=2e-5)


# one in each dimension; the other equations are long
QUICK = ("kuramoto_sivashinsky", "gray_scott")


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name in QUICK else pytest.mark.long)
        for name, one in EQUATIONS.items()
        if isinstance(one, Equation)
    ],
)
def test_batches_do_not_mix_and_dtypes_are_kept(name, x64):
    equation = EQUATIONS[name]
    length = 1.0 if name == "navier_stokes_forced" else BOX  # on which its forcing is periodic
    grid = Grid((16,) * equation.ndim, (length,) * equation.ndim)
    u = initial(grid, 4, equation.channels, cutoff=2).reshape(2, 2, *grid.shape, equation.channels)
    u = 1 + 0.1 * u if equation.positive else u
    stepper = spectral_stepper(equation, grid, 0.01, substeps=2)
    out, mapped, single = jax.jit(lambda u: (stepper(u), jax.vmap(stepper)(u), stepper(u.astype(jnp.float32))))(u)
    assert out.shape == u.shape
    assert out.dtype == jnp.float64
    alone = jax.jit(lambda v: stepper(v))(u[1, 0])
    np.testing.assert_allclose(out[1, 0], alone, atol=1e-13)
    np.testing.assert_allclose(mapped, out, atol=1e-13)
    assert single.dtype == jnp.float32
    np.testing.assert_allclose(single, out, atol=1e-5)


def test_single_precision_is_accurate():
    u = initial(Grid((64,), (64.0,)), 2)
    run = jax.jit(lambda u: spectral_stepper(KS, Grid((64,), (64.0,)), 0.1, substeps=10)(u))
    single = run(u)
    assert single.dtype == jnp.float32
    with jax.enable_x64(True):
        double = run(np.asarray(u, np.float64))
    np.testing.assert_allclose(single, double, atol=3e-6)


def test_derivatives_agree_with_differences(x64):
    u, v = initial(GRID, 2)

    def loss(nu, u):
        stepper = spectral_stepper(KS, GRID, 0.1, substeps=4, parameters={"nu": nu})
        return jnp.mean(stepper(u) ** 2)

    @jax.jit
    def run(nu, u):
        value = jax.vmap(loss)
        nus = jnp.stack([nu + h, nu - h, nu, nu])
        plus, minus, forth, back = value(nus, jnp.stack([u, u, u + h * v, u - h * v]))
        forward = jax.jvp(loss, (nu, u), (jnp.ones(()), v))[1]
        by_nu, by_u = jax.grad(loss, argnums=(0, 1))(nu, u)
        return by_nu, jnp.sum(by_u * v), forward, (plus - minus) / (2 * h), (forth - back) / (2 * h)

    h = 1e-5
    by_nu, by_u, forward, difference, along = run(jnp.asarray(0.8), u)
    np.testing.assert_allclose(by_nu, difference, rtol=1e-7)
    np.testing.assert_allclose(by_u, along, rtol=1e-7)
    np.testing.assert_allclose(forward, by_nu + along, rtol=1e-7)


def fft_kinds(jaxpr):
    """Kinds of all transforms in a jaxpr and those it calls, one entry for each time they run."""
    kinds = [jax.lax.FftType(e.params["fft_type"]) for e in jaxpr.eqns if e.primitive.name == "fft"]
    inner = (p.jaxpr for e in jaxpr.eqns for p in e.params.values() if hasattr(p, "jaxpr"))
    return kinds + [kind for j in inner for kind in fft_kinds(j)]


def transforms(equation, grid):
    """Forward and inverse transforms of the nonlinear function."""
    form = discretise(equation, grid, dealias=2 / 3)
    spectra = form.to_spectral(jnp.zeros((2, *grid.shape, equation.channels)))
    kinds = fft_kinds(jax.make_jaxpr(form.nonlinear)(spectra, 0.0).jaxpr)
    inverse = kinds.count(jax.lax.FftType.IRFFT)
    assert len(kinds) == inverse + kinds.count(jax.lax.FftType.RFFT)
    return len(kinds) - inverse, inverse


def test_transforms_of_the_nonlinear_terms():
    plane, line = Grid((16, 16), (BOX, BOX)), Grid((16,), (BOX,))
    for name in ("navier_stokes", "navier_stokes_forced", "kolmogorov_flow"):
        assert transforms(EQUATIONS[name], plane) == (2, 2)  # Basdevant's four
    assert transforms(KS, line) == (1, 1)
    assert transforms(EQUATIONS["gray_scott"], plane) == (1, 2)
    assert transforms(EQUATIONS["diffusion"], line) == (0, 0)
    assert transforms(Equation(["u_t = v_x", "v_t = u_x"]), line) == (0, 0)


LINE = {"num_spatial_dims": 1, "domain_extent": 20.0, "num_points": 64}
PLANE = {"num_spatial_dims": 2, "domain_extent": BOX, "num_points": 48}
# each equation and each order is met without these
LONG = {("kuramoto_sivashinsky", 2), ("burgers", 4), ("kdv", 2), ("navier_stokes", 2)}
# name: its stepper with the arguments of the same equation, our parameters, step, sign of its state, tolerance
PEER = {
    "kuramoto_sivashinsky": (ex.stepper.KuramotoSivashinskyConservative, LINE, {}, 0.01, 1, 1e-10),
    "burgers": (ex.stepper.Burgers, {**LINE, "diffusivity": 0.1, "conservative": True}, {"nu": 0.1}, 0.01, 1, 1e-8),
    # exponax 0.2.0 drops the imaginary part of its coefficients, which leaves a method of first order for dispersive
    # equations: after ten steps it differs by 1.5e-3 at dt = 1e-2, 1e-5 at 1e-3, 1e-7 at 1e-4
    "kdv": (
        ex.stepper.KortewegDeVries,
        {**LINE, "convection_scale": 6.0, "hyper_diffusivity": 0.0, "conservative": True},
        {},
        1e-4,
        1,
        2e-7,
    ),
    # its vorticity is u_y - v_x, minus the usual curl
    "navier_stokes": (ex.stepper.NavierStokesVorticity, {**PLANE, "diffusivity": 0.01}, {"nu": 0.01}, 0.01, -1, 1e-10),
}


@pytest.mark.parametrize(
    ("name", "order"),
    [
        pytest.param(name, order, marks=pytest.mark.long if (name, order) in LONG else ())
        for name in PEER
        for order in (2, 4)
    ],
)
def test_agreement_with_exponax(name, order, x64):
    make, arguments, parameters, dt, sign, tolerance = PEER[name]
    ndim = EQUATIONS[name].ndim
    grid = Grid((arguments["num_points"],) * ndim, (arguments["domain_extent"],) * ndim)
    u = initial(grid, 2)
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        peer = ex.repeat(make(**arguments, dt=dt, order=order), 10)
        expected = jax.jit(lambda u: sign * jnp.moveaxis(jax.vmap(peer)(jnp.moveaxis(sign * u, -1, 1)), 1, -1))(u)
    own = spectral_stepper(EQUATIONS[name], grid, dt, order=order, substeps=10, parameters=parameters)
    got, expected = np.asarray(jax.jit(lambda u: own(u))(u)), np.asarray(expected)
    assert np.linalg.norm(got - expected) / np.linalg.norm(expected) < tolerance
    assert np.linalg.norm(got - u) > 1e3 * tolerance


def test_phi_functions_against_long_arithmetic():
    z = np.array([-1e4, -30.0, -1.0001, -0.9999, -0.3, -1e-9, 0.0, 1e-5, 0.5, 0.99999, 1.00001, 8.0, 30.0])
    for points in (z, 1j * z, (0.6 + 0.8j) * z):
        for k, values in enumerate(phi_functions(points, 3), start=1):
            np.testing.assert_allclose(values, [long_phi(point, k) for point in points], rtol=2e-14)
            single = phi_functions(working(points), 3)[k - 1]
            assert single.real.dtype == jnp.float32
            np.testing.assert_allclose(single, values, rtol=1e-5)


def long_phi(z, k):
    """(e^z - sum_{j<k} z^j / j!) / z^k with eighty digits."""
    with mpmath.workdps(80):
        z = mpmath.mpmathify(z)
        if z == 0:
            return complex(1 / mpmath.factorial(k))
        head = mpmath.fsum(z**j / mpmath.factorial(j) for j in range(k))
        return complex((mpmath.exp(z) - head) / z**k)


def test_frames_of_a_problem():
    spec = {
        "equation": "kuramoto_sivashinsky",
        "vary": {"nu": [0.5, 1.5], "length": [0.9, 1.1], "step": [0.9, 1.1]},
        "domain": {"shape": [48], "lengths": [20.0]},
        "initial": {"kind": "sum_of_sines"},
        "time": {"step": 0.4},
        "solver": {"shape": [64], "substeps": 8},
    }
    family, simulator = read_problem(spec)
    fields, values = jax.jit(jax.vmap(lambda i: family.draw(0, i, simulator.domain(family))))(jnp.arange(3))
    u, stepper, small = fields["u"][..., None], simulator.stepper(family, values), lambda u: resample(u, (48,))
    np.testing.assert_allclose(stepper.step_size, 0.4 * values["step"], rtol=1e-6)
    frames = jax.jit(lambda u: trajectory(stepper, u, 5))(u)
    cheap = dataclasses.replace(simulator, shape=None, substeps=4).stepper(family, values)
    alone = simulator.stepper(family, {k: v[1] for k, v in values.items()})
    cheap, alone, stored = jax.jit(lambda u: (cheap(small(u)), alone(u[1]), small(frames)))(u)
    np.testing.assert_allclose(cheap, stored[0], atol=1e-4)
    np.testing.assert_allclose(alone, frames[0, 1], atol=1e-5)
    residual = jax.jit(lambda stored: jnp.abs(simulator.residual(family, stored, values)).max())
    assert float(residual(stored[:3])) < 0.02 * float(residual(stored[::2]))


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match=r"unknown order '3'\. Known: 2, 4"):
        spectral_stepper(KS, GRID, 0.1, order=3)
    with pytest.raises(ValueError, match="substeps should be greater than or equal to 1, got 0"):
        spectral_stepper(KS, GRID, 0.1, substeps=0)
    with pytest.raises(ValueError, match="unknown parameter 'mu'"):
        spectral_stepper(KS, GRID, 0.1, parameters={"mu": 1.0})
    with pytest.raises(ValueError, match="batch axis"):
        spectral_stepper(KS, GRID, jnp.array([0.1, 0.2]))(jnp.zeros((32, 1)))


def test_parameters_of_other_trajectories_than_the_states_are_refused():
    step = spectral_stepper(KS, GRID, jnp.array([0.1, 0.2, 0.3]))
    with pytest.raises(ValueError, match="parameters of 3 trajectories meet a state of 2"):
        step(jnp.zeros((2, 32, 1)))
    assert step(jnp.zeros((3, 32, 1))).shape == step(jnp.zeros((1, 32, 1))).shape == (3, 32, 1)
    with pytest.raises(ValueError, match=r"'nu' is a number or an array \(batch,\), got the shape \(2, 2\)"):
        spectral_stepper(Equation("u_t = nu*u_xx", {"nu": 1.0}), GRID, 0.1, parameters={"nu": np.ones((2, 2))})


def test_what_is_no_tendency_and_no_time_is_told():
    step = spectral_stepper(KS, GRID, 0.1)
    with pytest.raises(ValueError, match="a tendency is real, got complex64"):
        inspect.unwrap(type(step)._with)(step, jnp.zeros((32, 1), complex))
    with pytest.raises(ValueError, match="time holds real numbers"):
        step.at("x")
