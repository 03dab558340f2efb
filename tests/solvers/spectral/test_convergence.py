"""Orders of accuracy, analytic solutions and conservation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pdejax.core import Grid, trajectory
from pdejax.equations import EQUATIONS, Equation, GaussianBlobs, TruncatedFourier
from pdejax.solvers import discretise, grid_residual, rhs, spectral_stepper

BOX = 2 * np.pi


def points(grid):
    return jnp.asarray(grid.axes()[0])[:, None]


def run(equation, grid, u, end, steps, order=4, **options):
    stepper = spectral_stepper(equation, grid, end / steps, order=order, substeps=steps, **options)
    return jax.jit(lambda u: stepper(u))(u)


def fourier(grid, seed=0, cutoff=5):
    """A random field whose mean is zero in double precision, too."""
    u = jax.jit(lambda key: TruncatedFourier(cutoff)(key, grid))(jax.random.key(seed))
    return u - jnp.mean(u)


def observed_order(errors, steps):
    return -np.diff(np.log(errors)) / np.diff(np.log(steps))


@pytest.mark.parametrize(
    ("name", "order"),
    [
        ("burgers", 2),
        pytest.param("burgers", 4, marks=pytest.mark.long),
        pytest.param("kuramoto_sivashinsky", 2, marks=pytest.mark.long),
        ("kuramoto_sivashinsky", 4),
        pytest.param("gray_scott", 2, marks=pytest.mark.long),
        ("gray_scott", 4),
    ],
)
def test_observed_order(name, order, x64):
    cases = {"burgers": (64, BOX, 0.5, {"nu": 0.1}), "kuramoto_sivashinsky": (32, 32.0, 4.0, {})}
    if name in cases:
        size, length, end, parameters = cases[name]
        grid = Grid((size,), (length,))
        u = jnp.sin(BOX * points(grid) / length) + 0.5 * jnp.cos(2 * BOX * points(grid) / length)
    else:
        grid, end, parameters = Grid((24, 24), (1.0, 1.0)), 4.0, {"du": 2e-3, "dv": 1e-3}
        u = jax.jit(lambda key: GaussianBlobs(count=3, widths=(0.1, 0.2))(key, grid))(jax.random.key(0))
    equation, steps = EQUATIONS[name].with_parameters(parameters), np.array([16, 32, 64])
    exact = run(equation, grid, u, end, 1024)
    errors = [np.linalg.norm(np.asarray(run(equation, grid, u, end, int(n), order) - exact)) for n in steps]
    assert abs(observed_order(errors, steps)[-1] - order) < 0.2


@pytest.mark.parametrize("order", [pytest.param(2, marks=pytest.mark.long), 4])
def test_order_with_forcing_in_space_and_time(order, x64):
    """Manufactured: u = sin(x - t) / 2 solves Burgers' equation with this forcing."""
    forced = Equation("u_t = -u*u_x + nu*u_xx - cos(x - t)/2 + sin(x - t)*cos(x - t)/4 + nu*sin(x - t)/2", {"nu": 0.3})
    grid, steps = Grid((24,), (BOX,)), np.array([10, 20, 40])
    x, end = points(grid), 2.0
    errors = []
    for n in steps:
        stepper = spectral_stepper(forced, grid, end / int(n), order=order)
        u = jax.jit(lambda u: trajectory(stepper, u, int(n))[-1])(jnp.sin(x) / 2)  # noqa: B023
        errors.append(float(jnp.abs(u - jnp.sin(x - end) / 2).max()))
        inside = run(forced, grid, jnp.sin(x) / 2, end, int(n), order)
        np.testing.assert_allclose(inside, u, rtol=0, atol=1e-12)
    assert abs(observed_order(errors, steps)[-1] - order) < 0.2


def test_heat_modes_decay_exactly(x64):
    grid = Grid((32,), (BOX,))
    x = points(grid)
    u = run(EQUATIONS["diffusion"], grid, 1 + jnp.sin(x) + jnp.cos(9 * x), 3.0, 1, parameters={"nu": 0.1})
    expected = 1 + jnp.exp(-0.3) * jnp.sin(x) + jnp.exp(-0.3 * 81) * jnp.cos(9 * x)
    np.testing.assert_allclose(u, expected, atol=1e-14)


@pytest.mark.parametrize("size", [31, 32])
def test_advection_shifts_exactly(size, x64):
    grid = Grid((size,), (BOX,))
    wave = lambda x: jnp.sin(x) + jnp.cos(4 * x) ** 3
    u = run(EQUATIONS["advection"], grid, wave(points(grid)), 1.7, 1, parameters={"c": 2.0})
    np.testing.assert_allclose(u, wave(points(grid) - 3.4), atol=1e-13)


def test_burgers_agrees_with_cole_and_hopf(x64):
    nu, end, grid = 0.05, 1.0, Grid((256,), (BOX,))
    x = points(grid)
    # u = -2 nu (log phi)_x with phi = exp(cos(x) / (2 nu)) at first; phi diffuses, which a fine grid does exactly
    fine = np.arange(4096) * BOX / 4096
    k = np.fft.rfftfreq(4096, 1 / 4096)
    phi_hat = np.fft.rfft(np.exp((np.cos(fine) - 1) / (2 * nu))) * np.exp(-nu * k**2 * end)
    phi, slope = np.fft.irfft(phi_hat), np.fft.irfft(1j * k * phi_hat)
    exact = (-2 * nu * slope / phi)[::16, None]
    u = run(EQUATIONS["burgers"], grid, jnp.sin(x), end, 200, parameters={"nu": nu})
    np.testing.assert_allclose(u, exact, atol=1e-8)


def test_a_kdv_soliton_travels_unchanged(x64):
    """u_t + 6 u u_x + u_xxx = 0 has u = c/2 sech^2(sqrt(c) (x - c t - x0) / 2)."""
    grid, c, end = Grid((256,), (40.0,)), 2.0, 2.0
    soliton = lambda t: c / 2 / jnp.cosh(jnp.sqrt(c) / 2 * (points(grid) - c * t - 15.0)) ** 2
    u = run(EQUATIONS["kdv"], grid, soliton(0.0), end, 800)
    np.testing.assert_allclose(u, soliton(end), atol=1e-7)


def test_taylor_green_vortices_decay_without_moving(x64):
    grid, nu = Grid((24, 32), (BOX, BOX)), 0.05
    x, y = (jnp.asarray(c)[..., None] for c in np.moveaxis(grid.coordinates(), -1, 0))
    w = 2 * jnp.sin(2 * x) * jnp.sin(2 * y)
    navier_stokes = EQUATIONS["navier_stokes"].with_parameters({"nu": nu})
    form = discretise(navier_stokes, grid, dealias=2 / 3)
    nonlinear = jax.jit(lambda w: form.nonlinear(form.to_spectral(w), 0.0))(w)
    assert max(np.abs(n).max() for n in nonlinear) < 1e-10
    u = run(navier_stokes, grid, w, 2.0, 20)
    np.testing.assert_allclose(u, jnp.exp(-2 * nu * 4 * 2.0) * w, atol=1e-13)


def test_a_kolmogorov_flow_at_rest_reaches_its_laminar_state(x64):
    """With forcing -k cos(k y) the steady vorticity is -k cos(k y) / (nu k^2 + drag)."""
    grid = Grid((16, 32), (BOX, BOX))
    y = jnp.asarray(grid.coordinates()[..., 1:])
    u = run(EQUATIONS["kolmogorov_flow"], grid, 0 * y, 50.0, 10, parameters={"nu": 0.1, "k": 3.0, "drag": 0.2})
    np.testing.assert_allclose(u, -3 * jnp.cos(3 * y) / (0.1 * 9 + 0.2), atol=1e-12)


def test_velocity_of_a_vorticity(x64):
    """`velocity` is divergence-free, has the vorticity as its curl, and is carried by `advect` in Basdevant's form."""
    grid = Grid((24, 24), (BOX, BOX))
    w = fourier(grid, 1, cutoff=3)
    terms = ("curl(velocity(w))", "div(velocity(w))", "advect(w)", "div(w*velocity(w))")
    rates = jax.jit(lambda w: [rhs(Equation(f"w_t = {term}", ndim=2), w, grid) for term in terms])
    curl, divergence, advection, flux = rates(w)
    np.testing.assert_allclose(curl, w, atol=1e-13)
    np.testing.assert_allclose(divergence, 0 * w, atol=1e-13)
    np.testing.assert_allclose(advection, flux, atol=1e-12)


@pytest.mark.parametrize(
    "name",
    [
        *(pytest.param(name, marks=pytest.mark.long) for name in ("advection", "diffusion", "kdv")),
        *("burgers", "kuramoto_sivashinsky", "navier_stokes"),
    ],
)
def test_the_mean_is_conserved(name, x64):
    equation = EQUATIONS[name]
    grid = Grid((32,) * equation.ndim, (BOX,) * equation.ndim)
    u = 0.3 + fourier(grid)
    end = run(equation, grid, u, 0.5, 100)
    assert float(jnp.abs(end - u).max()) > 1e-3
    assert float(end.mean()) == pytest.approx(0.3, abs=1e-14)


def test_inviscid_flow_conserves_energy_and_enstrophy(x64):
    grid = Grid((48, 48), (BOX, BOX))
    w = fourier(grid, cutoff=4)
    form = discretise(EQUATIONS["navier_stokes"], grid, {"nu": 0.0}, dealias=2 / 3)
    k2 = sum(k**2 for k in (np.fft.fftfreq(48, 1 / 48)[:, None], np.arange(25)[None]))
    weight = np.where(np.isin(np.arange(25), [0, 24]), 1.0, 2.0)[None]

    @jax.jit
    def invariants(w):
        power = weight * jnp.abs(form.to_spectral(w)[0]) ** 2
        return jnp.stack([(power / np.where(k2 == 0, np.inf, k2)).sum(), power.sum()])

    end = run(EQUATIONS["navier_stokes"], grid, w, 1.0, 100, parameters={"nu": 0.0})
    assert float(jnp.abs(end - w).max()) > 0.1
    np.testing.assert_allclose(invariants(end), invariants(w), rtol=1e-9)


def test_solver_data_have_a_small_grid_residual_of_fourth_order(x64):
    burgers, grid, step = EQUATIONS["burgers"].with_parameters({"nu": 0.2}), Grid((48,), (BOX,)), 0.025
    stepper = spectral_stepper(burgers, grid, step / 4, substeps=4)
    frames = jax.jit(lambda u: trajectory(stepper, u, 40, include_initial=True))(jnp.sin(points(grid)))
    largest = jax.jit(lambda frames, dt: jnp.abs(grid_residual(burgers, frames, dt, grid, dealias=2 / 3)).max())
    residual = lambda index, stride: float(largest(frames[jnp.asarray(index)], stride * step))

    strides = np.array([8, 4, 2])
    errors = [residual([20 - m, 20, 20 + m], m) for m in strides]
    np.testing.assert_allclose(observed_order(errors, 1 / strides), 4, atol=0.2)
    assert residual([20, 18, 22], 2) > 1e3 * errors[-1]
    assert residual([18, 40, 22], 2) > 1e3 * errors[-1]
