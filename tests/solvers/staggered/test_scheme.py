"""Flows between walls: exact solutions and published ones, what is kept, derivatives, and what is refused."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pdejax.core import trajectory
from pdejax.equations import Equation, read_equation
from pdejax.solvers import staggered_stepper
from pdejax.solvers.staggered.poisson import cosine_transform, solve_poisson
from tests.solvers.staggered.flows import FLOW, HEATED, SLIP, STOKES, cells, lid, places, plates, slope, value


def advanced(stepper, u):
    """A state, and the faces it becomes, one call later."""

    def both(stepper, u):
        q = stepper.on_faces(stepper.form.to_faces(u))
        return stepper.form.to_state(q, u), q, stepper.form.divergence(q)

    after, q, divergence = jax.jit(both)(stepper, jnp.asarray(u))
    return np.asarray(after), [np.asarray(x) for x in q], np.asarray(divergence)


def test_the_cosine_transform_is_the_sum_it_stands_for(x64):
    x = [np.random.default_rng(0).normal(size=(3, n)) for n in (6, 7)]
    for given, found in zip(x, jax.jit(lambda x: [cosine_transform(one) for one in x])(x), strict=True):
        n = given.shape[-1]
        basis = np.cos(np.pi * np.outer(np.arange(n), 2 * np.arange(n) + 1) / (2 * n))
        np.testing.assert_allclose(found, 2 * given @ basis.T, atol=1e-13)


@pytest.mark.parametrize("ends", [["wall", "wall"], ["periodic", "wall"], ["wall", "periodic"]])
def test_the_second_difference_of_the_pressure_is_the_divergence(ends, x64):
    grid = cells(6, 9, ends=ends, lengths=(1.0, 2.0))
    wanted = np.random.default_rng(0).normal(size=(2, 6, 9))
    wanted -= wanted.mean((1, 2), keepdims=True)
    p, found = np.asarray(jax.jit(lambda d: solve_poisson(d, grid))(wanted)), 0.0
    for axis, h in enumerate(grid.spacing):
        mode = "wrap" if ends[axis] == "periodic" else "edge"
        widths = [(0, 0)] * (1 + axis) + [(1, 1)] + [(0, 0)] * (1 - axis)
        found = found + np.diff(np.pad(p, widths, mode=mode), 2, axis=1 + axis) / h**2
    np.testing.assert_allclose(found, wanted, atol=1e-12)


# y, and u at x = 1/2, of Ghia, Ghia and Shin (1982); public copies and grids differ by .005
GHIA = {
    100: ([0.1719, 0.2813, 0.5, 0.7344, 0.8516], [-0.10150, -0.15662, -0.20581, 0.00332, 0.23151]),
    400: ([0.1719, 0.2813, 0.4531, 0.7344, 0.8516], [-0.24299, -0.32726, -0.17119, 0.16256, 0.29093]),
}


@pytest.mark.parametrize(
    ("reynolds", "n", "allowed"),
    [
        (100, 32, 0.005),
        pytest.param(100, 64, 0.005, marks=pytest.mark.long),
        pytest.param(400, 64, 0.008, marks=pytest.mark.long),
    ],
)
def test_a_lid_drives_the_flow_of_ghia_and_others(reynolds, n, allowed, x64):
    stepper = staggered_stepper(FLOW, lid(n), 20.0 if reynolds == 100 else 60.0, parameters={"nu": 1 / reynolds})
    _, (u, v), divergence = advanced(stepper, np.zeros((n, n, 2)))
    assert np.abs(divergence).max() < 1e-12
    assert u.shape == (1, n - 1, n)
    assert v.shape == (1, n, n - 1)
    middle = u[0, n // 2 - 1]
    y = (np.arange(n) + 0.5) / n
    found = np.interp(GHIA[reynolds][0], [0, *y, 1], [0, *middle, 1])
    assert np.abs(found - GHIA[reynolds][1]).max() < allowed + 0.002 * (n == 32)


def test_modes_between_plates_decay(x64):
    """Of the no-slip flow and of a temperature that nothing takes away, which are also modes of the grid; a constant
    flow of heat stays."""
    n, nu, time = 16, 0.1, 0.5
    terms = [*STOKES.terms, "S_t = -u*S_x - v*S_y + nu*lap(S)"]
    equation = Equation(terms, {"nu": nu}, 2, solenoidal=("u", "v"))
    end = {"u": "wall", "v": "wall", "T": "wall"}
    grid = cells(8, n, ends=["periodic", [{**end, "S": slope(-1)}, {**end, "S": slope(1)}]])
    _, y = places(grid)
    start = np.stack([np.sin(np.pi * y), 0 * y, np.cos(2 * np.pi * y), y], -1)
    found, _, _ = advanced(staggered_stepper(equation, grid, time), start)
    eigenvalue = lambda k: (2 * n * np.sin(np.pi * k / 2 / n)) ** 2
    for channel, k in ((0, 1), (2, 2)):
        exact = np.exp(-nu * eigenvalue(k) * time) * start[..., channel]
        np.testing.assert_allclose(found[..., channel], exact, atol=2e-5)
    np.testing.assert_allclose(found[..., 1], 0, atol=1e-13)
    np.testing.assert_allclose(found[..., 3], y, atol=1e-12)


def test_order_two_where_a_vortex_decays_between_slipping_walls(x64):
    errors = []
    for n in (12, 24):
        grid = cells(n, n, ends=SLIP)
        x, y = places(grid)
        start = np.stack([np.sin(np.pi * x) * np.cos(np.pi * y), -np.cos(np.pi * x) * np.sin(np.pi * y)], -1)
        found, _, divergence = advanced(staggered_stepper(FLOW, grid, 1.0, parameters={"nu": 0.05}), start)
        errors.append(np.abs(found - np.exp(-0.1 * np.pi**2) * start).mean())
        assert np.abs(divergence).max() < 1e-12
    assert 1.9 < np.log2(errors[0] / errors[1]) < 2.3


@pytest.mark.long
def test_order_two_between_walls_by_three_grids(x64):
    found = []
    for n in (16, 32, 64):
        edges = np.arange(n + 1) / n
        psi = np.outer(*2 * [np.sin(np.pi * edges) ** 2])
        u, v = np.diff(psi, axis=1) * n, -np.diff(psi, axis=0) * n
        start = np.stack([(u[1:] + u[:-1]) / 2, (v[:, 1:] + v[:, :-1]) / 2], -1)
        _, (u, _), _ = advanced(staggered_stepper(FLOW, cells(n, n), 0.5), start)
        faces = u[0, n // 16 - 1 :: n // 16]
        found.append(faces.reshape(15, 16, n // 16).mean(2))
    errors = [np.abs(a - b).mean() for a, b in itertools.pairwise(found)]
    assert 1.8 < np.log2(errors[0] / errors[1]) < 2.3


def test_a_lid_that_swings_moves_layers_below(x64):
    """Stokes (1851): of a lid of the speed cos(w t), above a wall, an exact flow that depends on time alone."""
    n, nu, w = 32, 0.05, 3.0
    end = {"v": "wall", "T": "wall"}
    grid = cells(4, n, ends=["periodic", [{"u": "wall", **end}, {"u": value(f"cos({w}*t)"), **end}]])
    _, y = places(grid)
    root = np.sqrt(1j * w / nu)
    exact = lambda t: (np.exp(1j * w * t) * np.sinh(root * y) / np.sinh(root)).real
    stepper = staggered_stepper(STOKES, grid, 0.7, parameters={"nu": nu}).at(0.4)
    found, _, _ = advanced(stepper, np.stack([exact(0.4), 0 * y, 0 * y], -1))
    np.testing.assert_allclose(found[..., 0], exact(1.1), atol=2.5e-3)  # a fourth of it on twice the cells
    assert np.abs(exact(1.1) - exact(0.4)).max() > 1


def test_inertia_keeps_energy_and_momentum(key, x64):
    """Without viscosity faces gain nothing from each other: the rate of change of the energy is rounding."""

    def rates(form, u):
        q = form.to_faces(u)
        r = form.projected(form.rate(q, 0.0))
        return q, r

    u = np.random.default_rng(0).normal(size=(2, 8, 12, 2))
    for ends in ("wall", "periodic"):
        form = staggered_stepper(FLOW, cells(8, 12, ends=ends), 0.1, parameters={"nu": 0.0}).form
        q, r = jax.jit(rates)(form, u)
        gain = sum(float(jnp.sum(a * b)) for a, b in zip(q, r, strict=True))
        size = sum(float(jnp.sum(jnp.abs(a * b))) for a, b in zip(q, r, strict=True))
        assert abs(gain) < 1e-14 * size
        if ends == "periodic":
            assert max(abs(float(jnp.mean(x))) for x in r) < 1e-13 * max(float(jnp.max(jnp.abs(x))) for x in r)


@pytest.mark.parametrize(
    ("critical", "k", "velocity", "within"),
    [(1707.76, 3.117, "wall", 0.03), pytest.param(657.51, 2.2214, slope(), 0.01, marks=pytest.mark.long)],
)
def test_convection_begins_at_the_critical_rayleigh_number(critical, k, velocity, within, x64):
    """Chandrasekhar (1961), chapter II; on 16 cells the numbers are 2 % less between walls, 0.4 % more where it slips.
    What conducts alone stays at rest, also far above."""
    grid = plates(16, k, value(0.5), value(-0.5), velocity)
    x, y = places(grid)
    rest = np.stack([0 * x, 0 * x, 0.5 - y], -1)
    wave = rest + 1e-5 * np.stack([0 * x, 0 * x, np.sin(np.pi * y) * np.cos(k * x)], -1)
    rayleigh = jnp.asarray([critical * (1 - within), critical * (1 + within), 1e5])
    stepper = staggered_stepper(HEATED, grid, 10.0, parameters={"Ra": rayleigh})

    def speeds(stepper, u):
        size = lambda q: jnp.sqrt(jnp.mean(q[1] ** 2, axis=(1, 2)))
        return trajectory(stepper.on_faces, stepper.form.to_faces(u), 4, post=size)

    found = np.asarray(jax.jit(speeds)(stepper, jnp.asarray(np.stack([wave, wave, rest]))))
    growth = np.log(found[-1, :2] / found[-2, :2]) / 10
    assert growth[0] < -1e-3
    assert growth[1] > 1e-3
    assert found[:, 2].max() < 1e-13


@pytest.mark.long
def test_heat_between_a_warm_and_a_cold_wall(x64):
    """De Vahl Davis (1983): through a square box of air of Ra 1e3, 1.118 times what conduction takes."""
    n = 32
    end = {"u": "wall", "v": "wall"}
    grid = cells(n, n, ends=[[{**end, "T": value(0.5)}, {**end, "T": value(-0.5)}], {**end, "T": "wall"}])
    x, _ = places(grid)
    start = np.stack([0 * x, 0 * x, 0.5 - x], -1)
    stepper = staggered_stepper(HEATED, grid, 60.0, parameters={"Ra": 1e3, "Pr": 0.71})
    _, (_, _, warm), _ = advanced(stepper, start)
    nusselt = 2 * n * (0.5 - warm[0, 0]).mean()
    assert abs(nusselt - 1.118) < 0.003


def test_cells_and_faces_are_one_state(x64):
    """Of a wave k along its own axis (kh/2)^8 is lost; a run on faces loses nothing, and a run on cells that."""
    n = 16
    grid = cells(n, n, ends="periodic", lengths=(2 * np.pi, 2 * np.pi))
    x, y = places(grid)
    start = np.stack([np.cos(3 * x) * np.sin(2 * y) * 2, -3 * np.sin(3 * x) * np.cos(2 * y)], -1)
    stepper = staggered_stepper(FLOW, grid, 0.05, substeps=1)

    def runs(stepper, u):
        again = stepper.form.to_state(stepper.form.interpolated(u), u)
        q = trajectory(stepper.on_faces, stepper.form.to_faces(u), 5)
        on_faces = jax.vmap(lambda q: stepper.form.to_state(q, u))(q)
        return again, on_faces, trajectory(stepper, u, 5)

    again, on_faces, on_cells = jax.jit(runs)(stepper, jnp.asarray(start))
    lost = [np.sin(k * np.pi / n) ** 8 for k in (3, 2)]
    np.testing.assert_allclose(again, start * (1 - np.array(lost)), atol=1e-13)
    np.testing.assert_allclose(on_cells[0], on_faces[0], atol=1e-14)
    difference = np.abs(on_cells[-1] - on_faces[-1]).max()
    assert 1e-5 < difference < 4 * 1.5 * max(lost) * np.abs(start).max()


@pytest.mark.long
def test_a_flow_that_is_the_same_along_an_axis_is_one_of_two(x64):
    equation = read_equation("navier_stokes_velocity", {"nu": 0.02}, 3)
    flat, thick = cells(8, 6), cells(8, 6, 4, ends=["wall", "wall", "periodic"])
    u = np.random.default_rng(0).normal(size=(8, 6, 2))
    two, _, _ = advanced(staggered_stepper(FLOW, flat, 0.1, substeps=4, parameters={"nu": 0.02}), u)
    wide = np.concatenate([np.repeat(u[:, :, None], 4, 2), np.full((8, 6, 4, 1), 0.5)], -1)
    three, _, divergence = advanced(staggered_stepper(equation, thick, 0.1, substeps=4), wide)
    np.testing.assert_allclose(three[..., :2], np.repeat(two[:, :, None], 4, 2), atol=1e-13)
    assert np.abs(divergence).max() < 1e-12
    assert three[..., 2].mean() < 0.47  # walls hold it back


def test_types_batches_and_tendencies(x64):
    grid, random = lid(8), np.random.default_rng(0)
    u = jnp.asarray(random.normal(size=(2, 8, 8, 2)), jnp.float32)
    nu = jnp.asarray([0.01, 0.1])
    step = jax.jit(lambda nu, u, f: staggered_stepper(FLOW, grid, 0.2, parameters={"nu": nu})(u, tendency=f))
    both = step(nu, u, jnp.zeros_like(u))
    assert both.dtype == jnp.float32
    for i in range(2):
        np.testing.assert_allclose(both[i], step(nu[i], u[i], jnp.zeros_like(u[i])), atol=1e-6)
    gradient = jnp.zeros_like(u).at[..., 0].set(0.3)  # what a pressure takes up
    np.testing.assert_allclose(step(nu, u, gradient), both, atol=1e-6)
    turning = jnp.zeros_like(u).at[..., 1].set(jnp.asarray(places(grid)[0], jnp.float32))
    assert np.abs(step(nu, u, turning) - both).max() > 1e-2
    with pytest.raises(ValueError, match="parameters of 2 trajectories need a state with a batch axis, got none"):
        staggered_stepper(FLOW, grid, 0.2, parameters={"nu": nu})(u[0])


def slopes(u, along, substeps):
    """A loss, and its derivative along a direction of state and viscosity."""

    def loss(u, nu):
        stepper = staggered_stepper(FLOW, lid(8), 0.2, substeps=substeps, parameters={"nu": nu})
        return jnp.sum(stepper(u) ** 3)

    nu = jnp.asarray(0.02)
    return loss, jax.jit(lambda u: jax.jvp(loss, (u, nu), (along, jnp.ones(()))))(u)[1]


@pytest.mark.long
def test_derivatives_forwards_and_backwards(x64):
    u, along = (jnp.asarray(x) for x in np.random.default_rng(0).normal(size=(2, 8, 8, 2)))
    loss, forward = slopes(u, along, 10)
    back = jax.jit(jax.grad(loss, (0, 1)))(u, jnp.asarray(0.02))
    np.testing.assert_allclose(jnp.sum(back[0] * along) + back[1], forward, rtol=1e-10)
    at, eps = jax.jit(lambda s: loss(u + s * along, 0.02 + s)), 1e-5
    np.testing.assert_allclose((at(eps) - at(-eps)) / (2 * eps), forward, rtol=1e-6)


@pytest.mark.long
def test_steps_of_own_size_have_forward_derivatives(x64):
    u, along = (jnp.asarray(x) for x in np.random.default_rng(0).normal(size=(2, 8, 8, 2)))
    (_, adaptive), (_, equal) = (slopes(u, along, substeps) for substeps in (None, 40))
    np.testing.assert_allclose(adaptive, equal, rtol=0.05)
