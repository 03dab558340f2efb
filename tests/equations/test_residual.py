import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pdejax.core import Grid, Scaling
from pdejax.equations import EQUATIONS, Equation, Family, Times
from pdejax.solvers import ETDRK, discretise, grid_residual, rhs
from tests.equations.oracle import LOCAL, pointwise_residual

EXTRA = {
    "vector burgers": Equation(
        ["u_t = -u*u_x - v*u_y + nu*lap(u)", "v_t = -u*v_x - v*v_y + nu*lap(v)"], {"nu": 0.1}, ndim=2
    ),
    "cahn_hilliard": Equation("u_t = lap(u**3 - u - gamma*lap(u))", {"gamma": 0.1}, ndim=2),
    "rossby waves": Equation("w_t = -advect(w) + nu*bilap(w) + 2.5*dot(velocity(w), grad(y))", {"nu": -0.1}, ndim=2),
    "variable coefficient in 3D": Equation("u_t = div((1 + 0.5*sin(x)*cos(z))*grad(u)) + u_xyz", ndim=3),
    "explicit time": Equation("u_t = sin(t)*exp(-u**2)*u_x + tanh(u)/(2 + cos(x - t)) + t*u_xxx"),
    "coupled": Equation(["u_t = v_xxx - 2*v", "v_t = dx(u*v) + u_xx + abs(2 + u)"]),
    "helicity": Equation(["u_t = dot(curl(u*grad(v)), grad(u**2)) + sqrt(2 + sin(u))", "v_t = lap(v)"], ndim=3),
    "scalar curl": Equation(["u_t = curl(u*grad(v))", "v_t = div(v*grad(u))/2"], ndim=2),
}
CASES = LOCAL | EXTRA


def smooth_field(equation, seed=0):
    """Random trigonometric polynomials on the box 2 pi, growing in time."""
    rng = np.random.default_rng(seed)
    modes = rng.integers(-2, 3, (4, equation.ndim, equation.channels))
    modes[0] = 1
    amplitude, phase = rng.normal(size=(2, 4, equation.channels))

    def field(t, x):
        angle = jnp.einsum("d,mdc->mc", x, jnp.asarray(modes, x.dtype)) + phase
        wave = jnp.exp(0.3 * t) * jnp.sum(0.2 * amplitude * jnp.sin(angle), axis=0)
        # quotients of what is positive have all modes, and few that matter where it varies little
        return jnp.exp(0.3 * t) + 0.1 * wave if equation.positive or equation.nonnegative else wave

    return field, modes


def on_grid(equation, grid, field, modes, t):
    """State, its time derivative, and the points; a stream function becomes its vorticity -lap(psi)."""
    points = jnp.asarray(grid.coordinates().reshape(-1, grid.ndim))
    value = lambda x: field(t, x)
    if "psi" in equation.pointwise_fields:
        value = lambda x: -jnp.trace(jax.hessian(lambda y: field(t, y)[0])(x))
    values = jax.jit(jax.vmap(value))(points).reshape(*grid.shape, equation.channels)
    return values, 0.3 * values, points


@pytest.mark.parametrize("name", CASES)
def test_pointwise_residual_agrees_with_the_spectral_right_hand_side(name, x64):
    equation = CASES[name]
    shape = {1: (32,), 2: (24, 20), 3: (16, 14, 14)}[equation.ndim]
    if name == "magnetohydrodynamics":
        shape = (40, 36)  # a quotient of squares of sines has many modes
    grid, t = Grid(shape, (2 * np.pi,) * equation.ndim), 0.7
    if name == "navier_stokes_forced":
        grid = Grid(shape, (2.0, 1.0))  # another box, on which the forcing is periodic
    field, modes = smooth_field(equation)
    scaled = lambda t, x: field(t, x * (2 * np.pi / np.asarray(grid.lengths)))
    u, rate, points = on_grid(equation, grid, scaled, modes, t)
    parameters = {"k": 3.0} if name == "kolmogorov_flow" else {}
    residual = jax.jit(jax.vmap(lambda x: pointwise_residual(equation, scaled, jnp.asarray(t), x, parameters)))(points)
    spectral = rate - jax.jit(lambda u: rhs(equation, u, grid, parameters, t))(u)
    np.testing.assert_allclose(residual.reshape(u.shape), spectral, rtol=0, atol=1e-10)
    assert jnp.abs(spectral).max() > 1e-2  # nothing was compared with zero


def test_parameters_and_lengths_per_trajectory(x64):
    equation, grid = EQUATIONS["kuramoto_sivashinsky"], Grid((32,), (10.0,))
    u = jnp.asarray(np.stack([np.sin(2 * np.pi * grid.coordinates() / 10.0)] * 3))
    nu, length = np.array([0.5, 1.0, 1.5]), np.array([0.9, 1.0, 1.1])
    together = jax.jit(lambda u: rhs(equation, u, grid, {"nu": nu}, scaling=Scaling(length)))(u)
    for i in range(3):
        single = Grid((32,), (10.0 * float(length[i]),))
        alone = jax.jit(lambda u, nu, grid=single: rhs(equation, u, grid, {"nu": nu}))(u[i], float(nu[i]))
        np.testing.assert_allclose(together[i], alone, rtol=1e-12, atol=1e-12)
    traced = jax.jit(lambda nu, s: rhs(equation, u, grid, {"nu": nu}, scaling=s))(nu, Scaling(length))
    np.testing.assert_allclose(traced, together, rtol=1e-12, atol=1e-12)
    with pytest.raises(ValueError, match="batch axis"):
        rhs(equation, u[0], grid, {"nu": nu})


def exact_trajectory(times):
    """Decaying heat modes and a travelling wave: u = exp(-nu k^2 t) sin(k (x - c t))."""
    x = np.arange(32) * 2 * np.pi / 32
    return np.stack([(np.exp(-0.1 * 4 * t) * np.sin(2 * (x - t)))[:, None] for t in times])


def test_grid_residual_is_fourth_order_and_sees_wrong_frames(x64):
    equation = Equation("u_t = -c*u_x + nu*u_xx", {"c": 1.0, "nu": 0.1})
    grid, steps = Grid((32,), (2 * np.pi,)), np.array([0.2, 0.1, 0.05])
    largest = jax.jit(lambda frames, dt: jnp.abs(grid_residual(equation, frames, dt, grid)).max())
    errors = [float(largest(exact_trajectory(np.arange(4) * dt), dt)) for dt in steps]
    orders = np.diff(np.log(errors)) / np.diff(np.log(steps))
    np.testing.assert_allclose(orders, 4, atol=0.2)
    unrelated = jax.random.normal(jax.random.key(0), (4, 32, 1))
    assert float(largest(unrelated, 0.05)) > 1e3 * errors[-1]
    shuffled = exact_trajectory(np.array([0.0, 0.1, 0.05, 0.15]))
    assert float(largest(shuffled, 0.05)) > 1e3 * errors[-1]


def test_grid_residual_takes_a_step_per_trajectory(x64):
    equation = Equation("u_t = -c*u_x + nu*u_xx + 0*t", {"c": 1.0, "nu": 0.1})
    grid, dt = Grid((32,), (2 * np.pi,)), np.array([0.1, 0.05])
    frames = [exact_trajectory(np.arange(4) * float(h)) for h in dt]
    residual = jax.jit(lambda frames, dt: grid_residual(equation, frames, dt, grid))
    together = np.asarray(residual(np.stack(frames, axis=1), dt))
    for i, h in enumerate(dt):
        np.testing.assert_allclose(together[:, i], residual(frames[i], float(h)), atol=1e-12)


@pytest.mark.parametrize(("step", "start"), [(1.0, 0), (0.8, 3), ([0.8, 1.2], 2)])
def test_the_residual_knows_the_age_of_stored_frames(step, start, x64):
    """u = sin(3 t) / 3, stored from frame 90 on, each trajectory with a step of its own."""
    family = Family("clock", Equation("u_t = cos(3*t)"), Grid((64,), (1.0,)), {"u": {"kind": "sum_of_sines"}},
                    vary={"step": [0.8, 1.2]}, times=Times(0.01, burn_in=90))  # fmt: skip
    time = (90 + start + np.arange(5)[:, None]) * 0.01 * np.broadcast_to(step, (2,))  # (frame, trajectory)
    frames = jnp.asarray(np.broadcast_to(np.sin(3 * time)[..., None, None] / 3, (5, 2, 64, 1)))
    residual = eqx.filter_jit(lambda start, given: ETDRK().residual(family, frames, given, start=start))
    largest = lambda start: float(np.abs(residual(start, given)).max())
    given = {"step": np.broadcast_to(step, (2,))}
    assert largest(start) < 1e-6
    assert largest(start + 1) > 1e-3


def test_a_wrong_grid_or_state_is_refused():
    burgers = EQUATIONS["burgers"]
    with pytest.raises(ValueError, match="1 space axes"):
        discretise(burgers, Grid((8, 8), (1.0, 1.0)))
    with pytest.raises(ValueError, match=r"\(\*batch, 8, 1\)"):
        rhs(burgers, jnp.zeros((9, 1)), Grid((8,), (1.0,)))
    with pytest.raises(ValueError, match="three frames"):
        grid_residual(burgers, jnp.zeros((2, 8, 1)), 0.1, Grid((8,), (1.0,)))
