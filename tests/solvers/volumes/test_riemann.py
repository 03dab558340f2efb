"""Shock tubes against exact solutions, and what a flux is made of."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pdejax.core import build
from pdejax.equations import Equation, read_equation
from pdejax.solvers import volume_stepper
from pdejax.solvers.volumes.flow import flow as roles
from pdejax.solvers.volumes.law import conservation_law
from pdejax.solvers.volumes.riemann import faces
from pdejax.solvers.volumes.waves import Waves, waves
from tests.solvers.volumes.exact_riemann import averages, star
from tests.solvers.volumes.laws import EULER, FLAT, WATER, cells, flow, gas

# left, right, place of the membrane, time, and the error on 100 cells of van Leer's limiter that is allowed
TUBES = {
    "Sod": ((1, 0, 1), (0.125, 0, 0.1), 0.5, 0.2, 0.0054),
    "Lax": ((0.445, 0.698, 3.528), (0.5, 0, 0.571), 0.5, 0.13, 0.0206),
    "Toro 1": ((1, 0.75, 1), (0.125, 0, 0.1), 0.3, 0.2, 0.0066),
    "Toro 2": ((1, -2, 0.4), (1, 2, 0.4), 0.5, 0.15, 0.0080),
    "Toro 3": ((1, 0, 1000), (1, 0, 0.01), 0.5, 0.012, 0.142),
    "Toro 4": ((5.99924, 19.5975, 460.894), (5.99242, -6.19633, 46.095), 0.4, 0.035, 0.444),
    "Toro 5": ((1, -19.59745, 1000), (1, -19.59745, 0.01), 0.8, 0.012, 0.0396),
}


def error(name, n, **options):
    left, right, place, time, _ = TUBES[name]
    grid = cells(n, ends="outflow")
    start = gas(np.where(grid.axes()[0][:, None] < place, left, right))
    found = flow(EULER, grid, start, time, riemann="hllc", **options)
    return np.abs(found[:, 0] - averages(left, right, place, time, n)).mean()


@pytest.mark.parametrize("name", TUBES)
def test_shock_tubes_meet_published_accuracy(name, x64):
    assert error(name, 100) < TUBES[name][-1]


@pytest.mark.long
def test_shocks_converge_with_order_one_and_sharper_limiters_are_better(x64):
    coarse, fine = error("Sod", 100), error("Sod", 200)
    assert 0.6 < np.log2(coarse / fine) < 1.3
    assert error("Sod", 100, reconstruction="mc") < coarse < error("Sod", 100, reconstruction="minmod")
    assert error("Sod", 100, reconstruction="weno5") < coarse


def test_the_exact_solution_is_the_published_one():
    for name, expected in (("Sod", (0.30313, 0.927453)), ("Lax", (2.4661, 1.52872)), ("Toro 3", (460.894, 19.5975))):
        np.testing.assert_allclose(star(*TUBES[name][:2]), expected, rtol=2e-5)


@pytest.mark.parametrize(
    ("left", "right", "depth", "speed", "front"),
    [(2, 1, 1.45384089, 0.41692063, 1.33556996), (10, 1, 3.96174817 * 1, 7.34076904 / 9.81**0.5, None)],
)
def test_a_wet_dam_break_is_stokers(left, right, depth, speed, front, x64):
    grid = cells(400, ends="outflow", lengths=(8.0,))
    x = grid.axes()[0] - 4
    start = np.stack([np.where(x < 0, float(left), right), 0 * x], -1)
    found = flow(WATER, grid, start, 1.0, riemann="hllc")
    between = np.argmin(np.abs(x - speed))  # where the contact would be: the middle state
    np.testing.assert_allclose(found[between], [depth, depth * speed], rtol=2e-3)
    if front is not None:
        place = x[np.argmax((found[:, 0] < (depth + right) / 2) & (x > 0))]
        assert abs(place - front) < 2 * grid.spacing[0]


@pytest.mark.long
def test_a_resting_contact_stays_sharp_with_hllc_alone(x64):
    grid = cells(32, ends="outflow")
    start = gas(np.stack([np.where(grid.axes()[0] < 0.5, 1.0, 0.2), np.zeros(32), np.ones(32)], -1))
    kept = lambda riemann: np.abs(flow(EULER, grid, start, 0.5, riemann=riemann) - start).max()
    assert kept("hllc") < 1e-13
    assert kept("hll") > 0.1
    assert kept("llf") > 0.1


@pytest.mark.parametrize("riemann", ["llf", "hll", "hllc"])
def test_between_equal_states_the_flux_is_that_of_the_text(riemann, x64):
    """Consistency, Harten, Lax and van Leer (1983), equation 1.6."""
    law, (own, speeds) = conservation_law(FLAT), waves(FLAT)
    state = [jnp.asarray(v) for v in ([0.3, 2.0, 1.0], [1.0, -4.0, 0.0], [0.2, 0.5, -0.7], [1.0, 0.1, 5.0])]
    parameters = {s: 1.4 for e in law.primitive.fluxes[0] for s in e.free_symbols if s.name == "gamma"}
    for axis in range(2):
        met = faces(law.primitive, speeds[axis], own[axis], axis, parameters, state, state)
        found = build("riemann", riemann)(FLAT, met)
        for f, expected in zip(found, met.low.fluxes, strict=True):
            np.testing.assert_allclose(f, expected, rtol=1e-13, atol=1e-13)


def test_what_fields_are_is_seen_from_the_fluxes():
    assert (roles(FLAT, 0).density, roles(FLAT, 0).momentum, roles(FLAT, 0).energy) == (0, 1, (3,))
    assert (roles(FLAT, 1).density, roles(FLAT, 1).momentum, roles(FLAT, 1).energy) == (0, 2, (3,))
    assert (roles(WATER, 0).density, roles(WATER, 0).momentum, roles(WATER, 0).energy) == (0, 1, ())
    dyed = Equation(
        ["h_t = -dx(m)", "c_t = -dx(c*m/h)", "m_t = -dx(m**2/h + h**2/2)"], positive=("h",), primitive=("h", "c", "u"),
        definitions={"u": "m/h"},
    )  # fmt: skip
    assert (roles(dyed, 0).density, roles(dyed, 0).momentum, roles(dyed, 0).energy) == (0, 2, ())
    with pytest.raises(
        ValueError, match=r"riemann hllc is for flows with a density that is declared positive, .* along x are none"
    ):
        volume_stepper(read_equation("inviscid_burgers"), cells(8), 0.1, riemann="hllc")


def test_speeds_without_a_closed_form_are_bounded_from_above(x64):
    equation = FLAT
    law, (closed, _) = conservation_law(equation), waves(equation)
    bound = Waves(law.conserved.symbols, None, closed[0].matrix)
    random = np.random.default_rng(1)
    u = gas(np.concatenate([random.uniform(0.1, 3, (500, 1)), random.normal(size=(500, 2)),
                            random.uniform(0.1, 3, (500, 1))], -1))  # fmt: skip
    values = dict(zip(law.conserved.symbols, jnp.asarray(u.T), strict=True))
    values |= {s: 1.4 for e in law.conserved.fluxes[0] for s in e.free_symbols if s.name == "gamma"}
    ratio = np.asarray(bound.largest(values) / closed[0].largest(values))
    assert ratio.min() >= 1
    assert ratio.max() < 1.6


def test_a_law_without_real_speeds_is_refused():
    with pytest.raises(
        ValueError, match=r"is not hyperbolic along x: at u=.*, v=.* the speeds of its waves are complex"
    ):
        volume_stepper(Equation(["u_t = -v_x", "v_t = u_x"]), cells(8), 0.1)


def test_precision_is_that_of_the_state(x64):
    left, right, place, time, _ = TUBES["Sod"]
    grid = cells(64, ends="outflow")
    start = gas(np.where(grid.axes()[0][:, None] < place, left, right))
    exact = flow(EULER, grid, start, time, riemann="hllc")
    with jax.enable_x64(False):
        single = flow(EULER, grid, start.astype(np.float32), time, riemann="hllc")
    assert single.dtype == np.float32
    assert np.abs(single - exact).mean() < 2e-5
