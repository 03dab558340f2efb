"""A gas that conducts: what its fields are, waves that HLLD keeps sharp, and a magnetic field without divergence."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pdejax.core import build
from pdejax.equations import Equation, read_equation
from pdejax.solvers import volume_stepper
from pdejax.solvers.volumes.induction import magnetic_fields
from pdejax.solvers.volumes.law import conservation_law
from pdejax.solvers.volumes.mirror import mirror
from pdejax.solvers.volumes.plasma import find_plasma
from pdejax.solvers.volumes.riemann import faces
from pdejax.solvers.volumes.waves import waves
from tests.solvers.volumes.laws import FLAT, WATER, cells, flow

LINE = read_equation({"kind": "magnetohydrodynamics", "components": 3}, {"bx": 1.0}, 1)
TUBE = {"gamma": 2.0, "bx": 0.75}
PLANE = read_equation("magnetohydrodynamics", None, 2)


def plasma(rho, velocity, p, field, kept, gamma=5 / 3):
    """Fields of density, velocity, pressure and magnetic field; of the latter those components that are kept."""
    energy = p / (gamma - 1) + rho * sum(v**2 for v in velocity) / 2 + sum(b**2 for b in field) / 2
    parts = [rho, *(rho * v for v in velocity), energy, *(field[i] for i in kept)]
    return np.stack(np.broadcast_arrays(*parts), -1)


def vortex(n):
    """Orszag and Tang's, averages but for the order two."""
    x, y = np.moveaxis(cells(n, n).coordinates(), -1, 0)
    b, wave = 1 / np.sqrt(4 * np.pi), lambda k, x: np.sin(2 * np.pi * k * x)
    field = (-b * wave(1, y), b * wave(2, x))
    return plasma(25 / (36 * np.pi), (-wave(1, y), wave(1, x)), 5 / (12 * np.pi), field, (0, 1))


def divergence(u):
    """At corners, over the largest field: of means of both differences that meet there."""
    change = lambda b, axis: b - np.roll(b, 1, axis)
    mean = lambda b, axis: (b + np.roll(b, 1, axis)) / 2
    found = mean(change(u[..., -2], 0), 1) + mean(change(u[..., -1], 1), 0)
    return np.abs(found).max() / np.abs(u[..., -2:]).max()


def total(u):
    """Of each field, summed one after the other without rounding."""
    return u.reshape(-1, u.shape[-1]).astype(np.longdouble).sum(0).astype(float)


@pytest.mark.long
def test_what_fields_are_is_seen_from_the_fluxes():
    roles = find_plasma(PLANE, 1)
    assert (roles.density, roles.momentum, roles.energy, roles.kept) == (0, 2, 3, (5,))
    assert roles.across == ((1, 4),)
    roles = find_plasma(LINE, 0)
    assert (roles.energy, roles.across, str(roles.through), roles.kept) == (4, ((2, 5), (3, 6)), "bx", ())
    assert find_plasma(FLAT, 0) is None
    assert magnetic_fields(PLANE) == ((4, 5),)
    light = Equation(["a_t = dy(e)", "b_t = -dx(e)", "e_t = dy(a) - dx(b)"], ndim=2)  # Maxwell's equations
    assert magnetic_fields(light) == ((0, 1),)
    for other in (FLAT, WATER, read_equation("acoustics", None, 2)):
        assert magnetic_fields(other) == ()
    # what conducts has no field through its walls
    assert mirror(PLANE, 0) == (1, -1, 1, 1, -1, 1)
    assert mirror(PLANE, 1) == (1, 1, -1, 1, 1, -1)


def test_other_equations_are_refused():
    with pytest.raises(ValueError, match=r"riemann hlld is for ideal magnetohydrodynamics: .* along x are none"):
        volume_stepper(FLAT, cells(8, 8), 0.1, riemann="hlld")
    with pytest.raises(ValueError, match="components should be 3 in 3 dimensions, got 2"):
        read_equation("magnetohydrodynamics", None, 3)


STATES = {
    "turned": (1.0, (0.3, -0.2), 0.7, (0.5, 0.8)),
    "without a field": (0.5, (0.1, 0.4), 1.0, (0.0, 0.0)),
    "along": (1.0, (0.2, 0.1), 0.3, (1.0, 0.0)),
    "across": (1.0, (0.2, 0.1), 0.3, (0.0, 1.0)),
    "as fast as sound": (1.0, (0.0, 0.0), 0.6, (1.0, 0.0)),
    "at rest": (1.0, (0.0, 0.0), 1.0, (0.4, 0.3)),
}


@pytest.mark.parametrize("double", [False, pytest.param(True, marks=pytest.mark.long)])
def test_between_equal_states_the_flux_is_that_of_the_text_and_has_derivatives(double):
    """Consistency; where speeds of waves coincide nothing is divided by zero, nor in derivatives."""
    law, (own, speeds) = conservation_law(PLANE).primitive, waves(PLANE)
    with jax.enable_x64(double):
        pick = lambda i: [STATES[name][i] for name in STATES]
        rho, p, (u, v), (bx, by) = pick(0), pick(2), zip(*pick(1), strict=True), zip(*pick(3), strict=True)
        state = [jnp.asarray(w, float) for w in (rho, u, v, p, bx, by)]
        values = {s: 5 / 3 for e in law.fluxes[0] for s in e.free_symbols if s.name == "gamma"}
        other = [jnp.roll(w, 1) for w in state]

        @jax.jit
        def look(low, high):
            found = []
            for axis in (0, 1) if double else (1,):
                met = lambda a, b, axis=axis: faces(law, speeds[axis], own[axis], axis, values, a, b)
                flux = lambda a, b, met=met: jnp.stack(build("riemann", "hlld")(PLANE, met(a, b)))
                slopes = jax.grad(lambda a, b, f=flux: jnp.sum(f(a, b) ** 2), (0, 1))(low, high)
                text = jnp.stack([jnp.broadcast_to(f, low[0].shape) for f in met(low, low).low.fluxes])
                found.append((flux(low, high), text, slopes))
            return found

        for flux, text, slopes in look(state, state):
            np.testing.assert_allclose(flux, text, atol=1e-13 if double else 2e-6)
            assert np.all(np.isfinite(jnp.stack(jax.tree.leaves(slopes))))
        for flux, _, slopes in look(state, other):
            assert np.all(np.isfinite(flux))
            assert np.all(np.isfinite(jnp.stack(jax.tree.leaves(slopes))))


def test_speeds_are_those_of_magnetosonic_waves(x64):
    random, (own, _) = np.random.default_rng(2), waves(PLANE)
    w = random.uniform(0.1, 2, (6, 200))
    w[1:3], w[4:] = w[1:3] - 1, w[4:] - 1
    u = plasma(w[0], w[1:3], w[3], w[4:], (0, 1))
    values = dict(zip(conservation_law(PLANE).conserved.symbols, jnp.asarray(u.T), strict=True))
    values |= {s: 5 / 3 for e in own[1].eigenvalues for s in e.free_symbols if s.name == "gamma"}
    square, alfven = (5 / 3 * w[3] + w[4] ** 2 + w[5] ** 2) / w[0], w[5] ** 2 / w[0]
    fast = np.sqrt((square + np.sqrt(square**2 - 4 * 5 / 3 * w[3] / w[0] * alfven)) / 2)
    for found, expected in zip(own[1].range(values), (w[2] - fast, w[2] + fast), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert own[1].convex


@pytest.mark.long
def test_contacts_and_rotations_stay_sharp_with_hlld_alone(x64):
    """A contact at rest; and a field that an Alfven wave turns, which a stream of that speed holds where it is."""
    grid = cells(32, ends="outflow")
    left = grid.axes()[0] < 0.5
    angle = np.where(left, 0.0, 1.0)
    field = (1.0, 0.6 * np.cos(angle), 0.6 * np.sin(angle))
    turn = plasma(1.0, (-1.0, -field[1], -field[2]), 0.5, field, (1, 2))
    contact = plasma(np.where(left, 1.0, 0.2), (0.0, 0.1, 0.0), 1.0, (1.0, 0.3, 0.4), (1, 2))
    start = np.stack([turn, contact])
    change = lambda riemann: np.abs(flow(LINE, grid, start, 0.3, riemann=riemann) - start).max((1, 2))
    assert np.all(change("hlld") < 1e-12)
    assert np.all(change("hll") > 0.05)


def tube(n):
    """Brio and Wu (1988), section V, in which a compound wave stands beside a shock: density, pressure, field."""
    left = np.arange(n) < n // 2
    return np.where(left, 1.0, 0.125), np.where(left, 1.0, 0.1), np.where(left, 1.0, -1.0)


def in_line(n):
    """The tube as a state in one dimension."""
    rho, p, by = tube(n)
    return plasma(rho, (0.0, 0.0, 0.0), p, (0.75, by, 0.0), (1, 2), gamma=2.0)


@pytest.mark.long
def test_brio_and_wu(x64):
    """Against a fine grid of another solver."""
    solve = lambda n, riemann: flow(LINE, cells(n, ends="outflow"), in_line(n), 0.1, riemann=riemann, parameters=TUBE)
    truth = solve(600, "llf")
    error = lambda u: np.abs(u - truth.reshape(len(u), -1, 7).mean(1)).mean(0)[[0, 1, 2, 4, 5]]
    coarse, fine = error(solve(100, "hlld")), error(solve(200, "hlld"))
    assert np.all(fine < [0.006, 0.005, 0.011, 0.012, 0.009])
    assert np.all(np.log2(coarse / fine) > 0.6)


def alfven(n):
    """A circularly polarised wave, averages, exact at every amplitude: Toth (2000), section 6.3.1."""
    x, mean = (np.arange(n) + 0.5) / n, 0.1 * np.sinc(1 / n)
    across = (mean * np.sin(2 * np.pi * x), mean * np.cos(2 * np.pi * x))
    u = plasma(1.0, (0.0, *across), 0.1, (1.0, *across), (1, 2))
    u[:, 4] = 0.1 * 1.5 + 0.5 + 0.1**2  # the square is that of the wave itself
    return u


@pytest.mark.parametrize(
    ("name", "sizes", "cfl", "least"),
    [
        ("van_leer", (32, 64), 0.45, 1.7),
        pytest.param("weno5", (16, 32), 0.15, 4.5, marks=pytest.mark.long),
    ],
)
def test_alfven_waves_have_the_order_of_the_reconstruction(name, sizes, cfl, least, x64):
    errors = []
    for n in sizes:
        found = flow(LINE, cells(n), alfven(n), 1.0, riemann="hlld", reconstruction=name, cfl=cfl)
        errors.append(np.abs(found - alfven(n)).mean())
    assert np.log2(errors[0] / errors[1]) > least


@pytest.mark.parametrize("n", [32, pytest.param(64, marks=pytest.mark.long)])
def test_orszag_and_tang(n, x64):
    start = vortex(n)
    found = flow(PLANE, cells(n, n), start, 0.5, riemann="hlld")
    assert divergence(start) < 1e-14
    assert divergence(found) < 1e-13
    sizes = np.abs(start).reshape(-1, 6).sum(0)
    assert np.all(np.abs(total(found) - total(start)) < 1e-12 * sizes)
    # turned by half a circle about the middle
    signs = np.array([1, -1, -1, 1, -1, -1])
    np.testing.assert_allclose(found[::-1, ::-1] * signs, found, atol=1e-11)
    assert 2 < found[..., 0].max() / found[..., 0].min() < 6


@pytest.mark.long
def test_orszag_and_tang_converges(x64):
    """With the order of shocks, in the mean of each field against what it varies by."""
    solve = lambda n: flow(PLANE, cells(n, n), vortex(n), 0.5, riemann="hlld")
    truth = solve(128)
    errors = []
    for n in (16, 32):
        mean = truth.reshape(n, 128 // n, n, 128 // n, 6).mean((1, 3))
        errors.append(np.abs(solve(n) - mean).mean((0, 1)) / np.abs(mean - mean.mean((0, 1))).mean((0, 1)))
    assert np.all(errors[1] < 0.35)
    assert np.all(np.log2(errors[0] / errors[1]) > 0.6)


@pytest.mark.long
def test_flow_along_an_axis_is_that_of_one_dimension(x64):
    """What means of four faces alone would not give: Gardiner and Stone (2005), section 3.2."""
    n, options = 32, {"riemann": "hlld", "substeps": 12}
    rho, p, by = tube(n)
    start = plasma(rho, (0.0, 0.0), p, (0.75, by), (0, 1), gamma=2.0)
    flat = cells(n, 4, lengths=(1.0, 4 / n), ends=["outflow", "periodic"])
    wide = np.repeat(start[:, None], 4, 1)
    found = flow(PLANE.with_parameters({"gamma": 2.0}), flat, wide, 0.1, **options)
    expected = flow(LINE, cells(n, ends="outflow"), in_line(n), 0.1, parameters=TUBE, **options)
    np.testing.assert_allclose(found[:, 2][:, [0, 1, 2, 3, 5]], expected[:, [0, 1, 2, 4, 5]], atol=1e-12)
    np.testing.assert_allclose(found[..., 4], 0.75, atol=1e-13)


@pytest.mark.long
def test_walls_conduct(x64):
    """A quarter of a box with four mirrors is the box between walls; of a field along them nothing leaks."""
    n = 8
    walls, whole = cells(n, n, ends="wall"), cells(2 * n, 2 * n, lengths=(2.0, 2.0))
    x, y = np.moveaxis(whole.coordinates(), -1, 0)
    field = (np.sin(np.pi * x) * np.cos(np.pi * y) / 2, -np.cos(np.pi * x) * np.sin(np.pi * y) / 2)
    velocity = (np.sin(np.pi * x) / 2, -np.sin(np.pi * y) * np.cos(np.pi * x))
    rho = 1 + 0.3 * np.cos(np.pi * x) * np.cos(np.pi * y)
    start = plasma(rho, velocity, 1.0, field, (0, 1))
    assert divergence(start) < 1e-14
    options = {"riemann": "hlld", "substeps": 12}
    found = flow(PLANE, walls, start[:n, :n], 0.4, **options)
    np.testing.assert_allclose(found, flow(PLANE, whole, start, 0.4, **options)[:n, :n], atol=1e-12)
    np.testing.assert_allclose(total(found)[[0, 3]], total(start[:n, :n])[[0, 3]], rtol=1e-13)
    assert np.abs(found - start[:n, :n])[..., 4:].max() > 0.05
