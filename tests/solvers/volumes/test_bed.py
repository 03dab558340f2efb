"""Water over a bed: lakes at rest, dry ground, steps; what is no bed is told."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pdejax.equations import Equation, Family, Times, check_admissible, read_equation
from pdejax.solvers import volume_stepper
from pdejax.solvers.volumes.bed import bed
from pdejax.solvers.volumes.mirror import mirror
from tests.solvers.volumes.laws import cells, flow

RIVER = read_equation("shallow_water_bed", {"g": 1.0}, 1)
LAKE = read_equation("shallow_water_bed", None, 2)


SCHEMES = [
    ("van_leer", "hll"),
    *(pytest.param(*pair, marks=pytest.mark.long) for pair in (("weno5", "hllc"), ("mc", "llf"))),
]


@pytest.mark.parametrize(("reconstruction", "riemann"), SCHEMES)
def test_a_lake_rests_over_a_bump_a_step_and_around_an_island(reconstruction, riemann, x64):
    grid = cells(64, 64, ends="wall")
    x, y = np.moveaxis(grid.coordinates(), -1, 0)
    bump = lambda height: height * np.exp(-((x - 0.4) ** 2 + (y - 0.5) ** 2) / 0.02) + 0.1 * (x > 0.7)
    ground = np.stack([bump(0.4), bump(1.4)])  # the higher one is dry on top
    start = np.stack([np.maximum(1 - ground, 0), 0 * ground, 0 * ground, ground], -1)
    stepper = volume_stepper(LAKE, grid, 0.5, riemann=riemann, reconstruction=reconstruction)
    rate, found = jax.jit(lambda form, q: form.rate(q, 0.0)), stepper.form.to_fields(jnp.asarray(start))
    for _ in range(50):
        found = found + 1e-3 * rate(stepper.form, found)
    found = stepper.form.to_state(found, start)
    assert (start[1, ..., 0] == 0).sum() > 50
    assert np.abs(found[..., 1:3]).max() <= 1e-13
    np.testing.assert_allclose(found, start, atol=1e-13)


def test_water_runs_over_dry_ground_as_ritter_says(x64):
    """h = (2 - x/t)^2/9 between -1 and the front at 2, for g = h = 1; order one in the mean."""
    errors = []
    for n in (100, 200):
        grid = cells(n, ends="outflow", lengths=(10.0,))
        x = grid.axes()[0] - 5
        found = flow(RIVER, grid, np.stack([(x < 0) * 1.0, 0 * x, 0 * x], -1), 1.5)
        s = ((np.arange(50 * n) + 0.5) / (5 * n) - 5) / 1.5
        h = np.where(s < -1, 1, np.where(s < 2, (2 - s) ** 2 / 9, 0))
        exact = np.stack([h, h * np.where(s < -1, 0, 2 * (1 + s) / 3)], -1).reshape(n, 50, 2).mean(1)
        errors.append(10 * np.abs(found[:, :2] - exact).mean(0))
        assert found[:, 0].min() >= 0
        assert np.all(found[x > 3, :2] == 0)  # nothing is faster than the front
        np.testing.assert_allclose(found[:, 0].sum(), n / 2, rtol=1e-12)
    assert np.all(errors[1] < 0.018)
    assert np.all(np.log2(errors[0] / errors[1]) > 0.9)


def test_a_dam_breaks_over_a_step(x64):
    def end(n):
        grid = cells(n, ends="wall")
        x = grid.axes()[0]
        ground = 0.4 * (x > 0.6)
        start = np.stack([np.where(x < 0.4, 1.2, 0.1 + 0.4 * (x < 0.6)), 0 * x, ground], -1)
        found = flow(RIVER, grid, start, 0.4)
        np.testing.assert_allclose(found[:, 0].sum(), start[:, 0].sum(), rtol=1e-13)
        assert np.all(found[:, 0] > 0)
        np.testing.assert_array_equal(found[:, 2], ground)
        return found

    truth = end(480)
    assert np.all(np.abs(end(160) - truth.reshape(160, -1, 3).mean(1))[:, :2].mean(0) < 0.006)
    assert np.mean(truth[truth[:, 2] > 0, 0] > 0.11) > 0.3  # the wave has come onto the step


def test_over_an_even_bed_it_is_water_without_one(x64):
    grid = cells(32)
    x = grid.axes()[0]
    start = np.stack([1 + 0.2 * np.sin(2 * np.pi * x), 0.1 + 0 * x], -1)
    plain = flow(read_equation("shallow_water", {"g": 1.0}, 1), grid, start, 0.3)
    over = flow(RIVER, grid, np.concatenate([start, 0.7 + 0 * x[:, None]], -1), 0.3)
    np.testing.assert_allclose(over[:, :2], plain, atol=1e-13)


@pytest.mark.long
def test_waves_over_a_smooth_bed_have_order_two(x64):
    def end(n):
        grid = cells(n)
        edges = np.arange(n + 1) / n
        mean = lambda f: np.diff(f(edges)) * n
        ground = mean(lambda x: 0.2 * x - 0.2 * np.sin(2 * np.pi * x) / (2 * np.pi))  # of 0.2 - 0.2 cos
        return flow(RIVER, grid, np.stack([1 - ground, 0.3 + 0 * ground, ground], -1), 0.25)

    truth = end(256)
    error = [np.abs(end(n) - truth.reshape(n, -1, 3).mean(1))[:, :2].mean() for n in (32, 64)]
    assert np.log2(error[0] / error[1]) > 1.6


def test_a_bed_is_seen_from_the_text():
    assert (bed(LAKE).depth, bed(LAKE).bed, bed(LAKE).momenta) == (0, 3, (1, 2))
    assert mirror(LAKE, 1) == (1, 1, -1, 1)
    assert bed(read_equation("shallow_water")) is None
    other = Equation(
        ["b_t = 0", "q_t = -dx(q**2/d + 2*d**2) - 4*d*b_x", "d_t = -q_x", "c_t = -dx(c*q/d)"], nonnegative=("d",)
    )
    assert (bed(other).depth, bed(other).bed, bed(other).momenta) == (2, 0, (1,))
    dry = Equation(["h_t = -dx(m)", "m_t = -dx(m**2/h + h**2/2)"], nonnegative=("h",))
    assert (bed(dry).depth, bed(dry).bed) == (0, None)


@pytest.mark.parametrize(
    "momentum",
    [
        "-dx(m**2/h + h**2/2) - 2*h*b_x",  # a surface that is not level
        "-dx(m**2/h + h**2/2) + h*b_x",
        "-dx(m**2/h + h**3/3) - h*b_x",
        "-dx(m**2/h + h**2/2) - m*b_x",
    ],
)
def test_what_is_no_bed_is_told(momentum):
    equation = Equation(["h_t = -dx(m)", f"m_t = {momentum}", "b_t = 0"], positive=("h",))
    with pytest.raises(ValueError, match=r"finite volumes take the slope of 'b', which stays, .* -k\*h\*b_x beside"):
        volume_stepper(equation, cells(8), 0.1)


def test_slopes_of_what_moves_are_no_bed():
    equation = Equation(["h_t = -dx(m)", "m_t = -dx(m**2/h + h**2/2) - h*b_x", "b_t = -b"], positive=("h",))
    with pytest.raises(ValueError, match=r"-b_x\*h is neither a source nor the divergence"):
        volume_stepper(equation, cells(8), 0.1)


def test_fields_that_stay_are_not_smeared(x64):
    """Transport with a speed that is a field: that stays as it is, jumps and all."""
    equation = Equation(["u_t = -dx(c*u)", "c_t = 0"])
    x = cells(32).axes()[0]
    speed = np.where(x < 0.5, 1.0, 2.0)
    for riemann in ("llf", "hll"):
        found = flow(equation, cells(32), np.stack([1 + 0 * x, speed], -1), 0.2, riemann=riemann)
        np.testing.assert_array_equal(found[:, 1], speed)


def test_depths_that_are_drawn_may_be_zero_and_not_less():
    at = lambda h: {"h": np.array([1.0, h]), "m": np.zeros(2), "b": np.zeros(2)}
    check_admissible(RIVER, at(0.0), {}, cells(2))
    with pytest.raises(ValueError, match=r"h is -0\.5 in the state that was drawn, and is not negative in every state"):
        check_admissible(RIVER, at(-0.5), {}, cells(2))
    with pytest.raises(ValueError, match=r"unknown field or definition of nonnegative: 'q'"):
        Equation("u_t = -dx(u)", nonnegative=("q",))
    with pytest.raises(ValueError, match="draws has no samplers of the field 's'"):
        Family("r", RIVER, cells(8), {"u": "expression", "b": "expression"}, times=Times(0.1))


RAIN = {"definitions": {"u": "m/h"}, "nonnegative": ("h",)}
ISLAND = np.where((np.arange(32) > 8) & (np.arange(32) < 20), 1.0, 0.0)


def test_what_stays_is_not_carried_by_water(x64):
    """Rain that is a field which stays falls on dry ground as rain that is a number."""
    field = Equation(["h_t = -dx(m) + r", "m_t = -dx(m*u + h**2/2)", "r_t = 0"], primitive=("h", "u", "r"), **RAIN)
    number = Equation(["h_t = -dx(m) + k", "m_t = -dx(m*u + h**2/2)"], {"k": 0.3}, primitive=("h", "u"), **RAIN)
    terms = ["h_t = -dx(m) + r", "m_t = -dx(m*u + h**2/2) - h*b_x", "b_t = 0", "r_t = 0"]
    levels = {"s": "h + b", "u": "m/h"}
    over = Equation(terms, definitions=levels, primitive=("s", "u", "b", "r"), nonnegative=("h",))
    zero, rain = 0 * ISLAND, 0.3 + 0 * ISLAND
    wanted = flow(number, cells(32), np.stack([ISLAND, zero], -1), 0.05)
    found = flow(field, cells(32), np.stack([ISLAND, zero, rain], -1), 0.05)
    level = flow(over, cells(32), np.stack([ISLAND, zero, zero, rain], -1), 0.05)
    np.testing.assert_allclose(found[:, :2], wanted, atol=1e-13)
    np.testing.assert_allclose(level[:, :2], wanted, atol=1e-10)
    np.testing.assert_array_equal(found[:, 2], rain)


def test_a_trajectory_that_is_no_number_leaves_its_neighbour_alone(x64):
    equation = read_equation("shallow_water_bed", ndim=1)
    state = np.stack([1 + ISLAND, 0 * ISLAND, 0 * ISLAND], -1)
    both = flow(equation, cells(32), np.stack([state, np.nan * state]), 0.01)
    np.testing.assert_array_equal(both[0], flow(equation, cells(32), state[None], 0.01)[0])
    assert np.all(np.isnan(both[1]))


@pytest.mark.parametrize("dtype", [np.float32, pytest.param(np.float64, marks=pytest.mark.long)])
def test_derivatives_over_dry_ground_are_numbers(dtype, x64):
    stepper = volume_stepper(read_equation("shallow_water_bed", ndim=1), cells(32), 0.01, substeps=2)
    state = np.stack([ISLAND, 0 * ISLAND, 0.2 * (np.arange(32) > 14)], -1).astype(dtype)
    gradient = jax.jit(jax.grad(lambda u: jnp.sum(stepper(u) ** 2)))(jnp.asarray(state))
    assert np.all(np.isfinite(gradient))
    assert np.abs(gradient).max() > 1


def test_a_depth_that_may_be_zero_needs_no_velocity_that_is_named(x64):
    plain = Equation(["h_t = -dx(m)", "m_t = -dx(m**2/h + h**2/2)"], nonnegative=("h",))
    named = Equation(["h_t = -dx(m)", "m_t = -dx(m*u + h**2/2)"], primitive=("h", "u"), **RAIN)
    state = np.stack([ISLAND, 0 * ISLAND], -1)
    np.testing.assert_allclose(flow(plain, cells(32), state, 0.05), flow(named, cells(32), state, 0.05), atol=1e-12)
    with pytest.raises(ValueError, match=r"'h' may be zero \(nonnegative\) and something is divided by it"):
        volume_stepper(Equation(["h_t = -dx(h)", "w_t = -dx(w/h)"], nonnegative=("h",)), cells(8), 0.1)
