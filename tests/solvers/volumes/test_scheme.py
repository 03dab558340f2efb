"""Order where solutions are smooth, conservation, walls, diffusion, derivatives; what does not fit is told."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize

from pdejax.core import Grid, Mixed
from pdejax.equations import EQUATIONS, Equation, read_equation
from pdejax.solvers import volume_stepper
from pdejax.solvers.volumes.mirror import mirror
from tests.solvers.volumes.laws import BASIN, EULER, FLAT, WATER, cells, flow, gas


def orders(errors):
    return np.log2(np.array(errors[:-1]) / np.array(errors[1:]))


def wave(n):
    """Averages of a density that drifts once around the box, at constant velocity and pressure."""
    edges = np.arange(n + 1) / n
    rho = 1 - 0.2 * np.diff(np.cos(2 * np.pi * edges)) * n / (2 * np.pi)
    return gas(np.stack([rho, np.ones(n), np.ones(n)], -1))


@pytest.mark.parametrize(("name", "sizes", "least"), [("van_leer", (24, 48), 1.7), ("weno5", (16, 32), 4.7)])
def test_order_on_smooth_flow(name, sizes, least, x64):
    cfl = 0.45 if name == "van_leer" else 0.1  # the order in time is three
    errors = []
    for n in sizes:
        start = wave(n)
        found = flow(EULER, cells(n), start, 0.5, reconstruction=name, riemann="hllc", cfl=cfl)
        errors.append(np.abs(found - np.roll(start, n // 2, 0))[:, 0].mean())
    assert orders(errors)[0] > least


@pytest.mark.parametrize(
    ("n", "error"),
    [
        (32, 9.4e-3),
        pytest.param(64, 2.1e-3, marks=pytest.mark.long),
    ],
)
def test_an_isentropic_vortex_returns(n, error, x64):
    """Shu (1998), section 4: box 10, strength 5, one period; errors of the density as of a hand-written program."""
    grid = cells(n, n, lengths=(10.0, 10.0))
    x, y = np.moveaxis(grid.coordinates() - 5, -1, 0)
    r2 = x**2 + y**2
    swirl = 5 / (2 * np.pi) * np.exp((1 - r2) / 2)
    rho = (1 - 0.4 * 25 / (8 * 1.4 * np.pi**2) * np.exp(1 - r2)) ** 2.5
    start = gas(np.stack([rho, 1 - swirl * y, 1 + swirl * x, rho**1.4], -1))
    found = flow(FLAT, grid, start, 10.0, riemann="hllc")
    np.testing.assert_allclose(found.sum((0, 1)), start.sum((0, 1)), rtol=1e-12)
    assert np.abs(found - start)[..., 0].mean() < 1.2 * error


def test_walls_keep_mass_and_mirror_symmetry(x64):
    grid = cells(24, 24, lengths=(3.0, 3.0), ends="wall")
    r2 = ((grid.coordinates() - 1.5) ** 2).sum(-1)
    start = np.stack([np.where(r2 < 0.5, 2.0, 1.0), 0 * r2, 0 * r2], -1)
    found = flow(BASIN, grid, start, 3.0, riemann="hllc")
    assert abs(found[..., 0].sum() - start[..., 0].sum()) < 1e-12 * start[..., 0].sum()
    np.testing.assert_allclose(found[..., 0], found[::-1, :, 0], atol=1e-12)
    np.testing.assert_allclose(found[..., 1], found[..., 2].T, atol=1e-12)
    assert np.abs(found[..., 1]).max() > 1e-2
    rest = np.stack([np.full((24, 24), 1.3), 0 * r2, 0 * r2], -1)
    np.testing.assert_allclose(flow(BASIN, grid, rest, 3.0, riemann="hllc"), rest, atol=1e-13)


def test_a_wall_is_half_of_a_symmetric_box(x64):
    n = 32
    half, whole = cells(n, ends="wall"), cells(2 * n, lengths=(2.0,), ends="wall")
    x = whole.axes()[0]
    start = np.stack([1.2 + 0.3 * np.cos(2 * np.pi * x), 0 * x], -1)
    found = flow(WATER, whole, start, 0.7)
    np.testing.assert_allclose(flow(WATER, half, start[:n], 0.7), found[:n], atol=1e-12)


def test_mirrors_turn_the_momentum_across():
    assert mirror(FLAT, 0) == (1, -1, 1, 1)
    assert mirror(FLAT, 1) == (1, 1, -1, 1)
    assert mirror(BASIN, 1) == (1, 1, -1)
    assert mirror(read_equation("inviscid_burgers"), 0) == (-1,)
    with pytest.raises(ValueError, match=r"a wall across x needs a mirror symmetry .* change sign are none"):
        mirror(Equation("u_t = -dx(u)"), 0)


@pytest.mark.parametrize(
    ("ends", "exact"),
    [
        ("value", lambda x, t: np.exp(-0.1 * np.pi**2 * t) * np.sin(np.pi * x)),
        ("slope", lambda x, t: np.exp(-0.1 * np.pi**2 * t) * np.cos(np.pi * x)),
        (
            [["value", "slope"]],
            lambda x, t: np.exp(-0.1 * np.pi**2 / 4 * t) * np.sin(np.pi * x / 2),
        ),
        (
            [[{"kind": "value", "expression": "cos(2*t)"}, {"kind": "slope", "expression": "sin(2*t)"}]],
            lambda x, t: np.cos(2 * t) + x * np.sin(2 * t),
        ),
    ],
)
def test_diffusion_between_ends_has_order_two(ends, exact, x64):
    moving = exact(0.0, 0.0) == 1 and "cos(2*t)" in str(ends)
    source = " - 2*sin(2*t) + 2*x*cos(2*t)" if moving else ""
    equation, errors = Equation(f"u_t = k*u_xx{source}", {"k": 0.1}), []
    for n in (16, 32):
        grid = cells(n, ends=ends)
        x = grid.axes()[0]
        errors.append(np.abs(flow(equation, grid, exact(x, 0.0)[:, None], 1.0)[:, 0] - exact(x, 1.0)).max())
    if moving:  # linear in x, so that only the error in time is left
        assert errors[1] < 2e-5
    else:
        assert orders(errors)[0] > 1.8


def test_derivatives_across_meet_in_corners(x64):
    """u = cos(pi x) cos(pi y) + x y t, of which the mixed derivative is that of both, between slopes that are given."""
    sides = {
        "x": [{"kind": "slope", "expression": "-y*t"}, {"kind": "slope", "expression": "y*t"}],
        "y": [{"kind": "slope", "expression": "-x*t"}, {"kind": "slope", "expression": "x*t"}],
    }
    mixed = "pi**2*sin(pi*x)*sin(pi*y) + t"
    decay = "2*pi**2*cos(pi*x)*cos(pi*y)"
    equation = Equation(f"u_t = 0.1*lap(u) + 0.05*dx(u_y) + x*y + 0.1*{decay} - 0.05*({mixed})", ndim=2)
    errors = []
    for n in (8, 16):
        grid = cells(n, n, ends=[sides["x"], sides["y"]])
        x, y = np.moveaxis(grid.coordinates(), -1, 0)
        wave = np.cos(np.pi * x) * np.cos(np.pi * y)
        errors.append(np.abs(flow(equation, grid, wave[..., None], 0.5)[..., 0] - wave - 0.5 * x * y).max())
    assert orders(errors)[0] > 1.5


def test_derivatives_across_of_a_periodic_box(x64):
    """u_t = u_xx + u_xy + u_yy of sin(x + y) is a decay."""
    equation, errors = Equation("u_t = u_xx + dx(u_y) + u_yy", ndim=2), []
    for n in (8, 16):
        grid = cells(n, n, lengths=(2 * np.pi, 2 * np.pi))
        start = np.sin(grid.coordinates().sum(-1))[..., None]
        errors.append(np.abs(flow(equation, grid, start, 0.3) - np.exp(-0.9) * start).max())
    assert orders(errors)[0] > 1.8


@pytest.mark.long
def test_a_wave_in_one_direction_of_three(x64):
    equation = read_equation("euler", None, 3)
    grid = cells(8, 4, 4)
    along = wave(8)
    flat = np.broadcast_to(along[:, None, None], (8, 4, 4, 3))
    start = np.stack([flat[..., 0], flat[..., 1], 0 * flat[..., 0], 0 * flat[..., 0], flat[..., 2]], -1)
    found = flow(equation, grid, start, 0.2, riemann="hll", substeps=6)
    expected = flow(EULER, cells(8), along, 0.2, riemann="hll", substeps=6)
    np.testing.assert_allclose(found[:, 1, 2][:, [0, 1, 4]], expected, atol=1e-12)
    np.testing.assert_allclose(found[..., 2:4], 0, atol=1e-13)


def test_places_in_a_flux_and_parameters_of_a_batch(x64):
    """A speed that depends on the place: u_t = -(x u)_x spreads, u(x, t) = u0(x e^-t) e^-t."""
    equation = Equation("u_t = -dx(c*x*u)", {"c": 1.0})
    grid = Grid((200,), (4.0,), ends="outflow", origin=(-2.0,), cells=True)
    x, speeds = grid.axes()[0], np.array([0.5, 1.0, -0.5])
    start = lambda x: np.exp(-(((x - 0.5) / 0.2) ** 2))
    batch = np.repeat(start(x)[None, :, None], 3, 0)
    found = flow(equation, grid, batch, 0.5, parameters={"c": speeds})
    for one, c in zip(found, speeds, strict=True):
        shrink = np.exp(-0.5 * c)
        assert np.abs(one[:, 0] - shrink * start(x * shrink)).mean() < 2e-3
    alone = flow(equation, grid, batch[0], 0.5, parameters={"c": 0.5})
    np.testing.assert_allclose(found[0], alone, atol=1e-13)  # each has steps of its own


def test_derivatives_of_equal_steps(x64):
    stepper = volume_stepper(WATER, cells(16), 0.1, substeps=4, riemann="hllc")
    x = np.arange(16) / 16
    u = jnp.asarray(np.stack([1 + 0.1 * np.sin(2 * np.pi * x), 0.1 * np.cos(2 * np.pi * x)], -1))
    du, w = (jnp.asarray(np.random.default_rng(i).normal(size=u.shape)) for i in (1, 2))
    forward = jax.jit(lambda s: jax.jvp(s, (u,), (du,))[1])(stepper)
    backward = jax.jit(lambda s: jax.vjp(s, u)[1](w)[0])(stepper)
    np.testing.assert_allclose(jnp.vdot(forward, w), jnp.vdot(du, backward), rtol=1e-10)
    step = jax.jit(lambda s, u: s(u))
    difference = (step(stepper, u + 1e-6 * du) - step(stepper, u - 1e-6 * du)) / 2e-6
    np.testing.assert_allclose(jnp.vdot(difference, w), jnp.vdot(forward, w), rtol=1e-4)
    adaptive = volume_stepper(WATER, cells(16), 0.1, riemann="hllc")
    assert (
        np.abs(jax.jit(lambda s: jax.jvp(s, (u,), (du,))[1])(adaptive) - forward).max() < 0.05 * np.abs(forward).max()
    )


def test_a_tendency_is_a_source(x64):
    stepper = volume_stepper(Equation("u_t = -dx(u**2)/2"), cells(16), 0.5)
    u = jnp.full((16, 1), 0.3)
    np.testing.assert_allclose(stepper(u, tendency=jnp.full((16, 1), 2.0)), 1.3, rtol=1e-12)
    np.testing.assert_allclose(stepper.at(1.0)(u, tendency=lambda t, v: 0 * v + t), 0.3 + 0.625, rtol=1e-12)


def test_what_leaves_the_positive_is_not_a_number(x64):
    grid = cells(16, ends="outflow")
    x = grid.axes()[0]
    state = lambda depth: np.stack([depth + 0 * x, 0 * x], -1)
    both = flow(WATER, grid, np.stack([state(1.0), state(-1.0)]), 0.1)
    assert np.all(np.isfinite(both[0]))
    assert np.all(np.isnan(both[1]))


@pytest.mark.parametrize(
    ("terms", "words"),
    [
        ("u_t = -u*u_x", r"-u\*u_x is neither a source nor the divergence of a flux; .* such as -dx\(u\*\*2\)/2"),
        ("u_t = -dx(u**2) - mean(u)", r"mean\(\.\.\.\) asks for the whole box"),
        ("u_t = -u_xxx", "up to second order, and u_xx stands under another derivative"),
        ("u_t = -dx(u**2) + u_x**2", "neither a source nor the divergence"),
    ],
)
def test_what_is_no_conservation_law_is_told(terms, words):
    with pytest.raises(ValueError, match=words):
        volume_stepper(Equation(terms), cells(8), 0.1)


def test_what_does_not_fit_is_told():
    burgers = read_equation("inviscid_burgers")
    with pytest.raises(ValueError, match=r"this is a grid of points: set domain\.cells=true"):
        volume_stepper(burgers, Grid((16,), (1.0,)), 0.1)
    with pytest.raises(ValueError, match="WENO5 needs at least 3 cells"):
        volume_stepper(burgers, cells(2), 0.1, reconstruction="weno5")
    with pytest.raises(ValueError, match="has 1 space axes, the grid 2"):
        volume_stepper(burgers, cells(8, 8), 0.1)
    with pytest.raises(ValueError, match="value of 'u' at the low side of x: unknown name 'k'"):
        volume_stepper(burgers, cells(8, ends={"kind": "value", "expression": "k"}), 0.1)
    with pytest.raises(ValueError, match="x is the same all along that side, write its number"):
        volume_stepper(burgers, cells(8, ends={"kind": "value", "expression": "x"}), 0.1)
    with pytest.raises(ValueError, match=r"expected a state \(\*batch, 8, 1\), got shape \(9, 1\)"):
        volume_stepper(burgers, cells(8), 0.1)(jnp.zeros((9, 1)))
    with pytest.raises(ValueError, match="parameters of 3 trajectories meet a state of 2"):
        volume_stepper(Equation("u_t = -dx(c*u)", {"c": 1.0}), cells(8), 0.1, parameters={"c": np.ones(3)})(
            jnp.zeros((2, 8, 1))
        )


def test_sound_stands_between_walls(x64):
    """p = cos(pi x) cos(pi t), v = sin(pi x) sin(pi t): no flow through the ends, and order two."""
    equation, errors = read_equation("acoustics", None, 1), []
    for n in (16, 32):
        grid = cells(n, ends={"q": "slope", "u": "wall"})
        x, mean = grid.axes()[0], np.sinc(0.5 / n)  # of a wave over a cell
        found = flow(equation, grid, np.stack([mean * np.cos(np.pi * x), 0 * x], -1), 0.75)
        exact = [np.cos(np.pi * x) * np.cos(0.75 * np.pi), np.sin(np.pi * x) * np.sin(0.75 * np.pi)]
        errors.append(np.abs(found - mean * np.stack(exact, -1)).mean())
    assert orders(errors)[0] > 1.5
    assert errors[1] < 2e-3


@pytest.mark.parametrize("slope", [1.0, 0.5])
def test_a_body_that_loses_heat_through_its_ends_cools_as_its_mode(slope, x64):
    """`u = cos(k (x - 1/2))` with `k tan(k/2) = value/slope` decays like `exp(-k^2 t)`."""
    value = 2.0
    k = scipy.optimize.brentq(lambda k: slope * k * np.tan(k / 2) - value, 1e-6, np.pi - 1e-6)
    errors = []
    for n in (8, 16):
        grid = cells(n, ends={"kind": "mixed", "value": value, "slope": slope})
        faces = np.arange(n + 1) / n - 0.5
        averages = np.diff(np.sin(k * faces))[:, None] * n / k
        found = flow(EQUATIONS["diffusion"], grid, averages, 0.2, parameters={"nu": 1.0})
        errors.append(np.abs(found / averages - np.exp(-(k**2) * 0.2)).max())
    assert errors[1] < 2e-3
    assert 1.7 < np.log2(errors[0] / errors[1]) < 2.3


def test_mixed_ends_have_two_numbers_above_zero():
    with pytest.raises(ValueError, match="value of a Mixed end is a number above zero, got 0; where it is zero"):
        Mixed("0", value=0)
    with pytest.raises(ValueError, match=r"slope of a Mixed end is a number above zero, got -1\.0"):
        Mixed("0", slope=-1.0)
