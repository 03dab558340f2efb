"""What is given at a side flows in with the order of the scheme, beside the side too, and stays within bounds."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pdejax.core import Grid
from pdejax.equations import EQUATIONS, Equation, read_equation
from pdejax.solvers import volume_stepper
from tests.solvers.volumes.laws import EULER, WATER, cells, flow, gas

ADVECTION = Equation("u_t = -dx(u)")
BURGERS = EQUATIONS["inviscid_burgers"]


def value(expression):
    return {"kind": "value", "expression": expression}


def averages(function, grid):
    """Over cells, by five points of Gauss."""
    points, weights = np.polynomial.legendre.leggauss(5)
    x = grid.axes()[0][:, None] + grid.spacing[0] / 2 * points
    return (function(x) * weights).sum(1) / 2


def errors(equation, ends, exact, sizes, *, time=0.5, origin=0.0, **options):
    """The largest of all cells, those at both sides among them."""
    found = []
    for n in sizes:
        grid = Grid((n,), (1.0,), ends=ends, origin=(origin,), cells=True)
        at = lambda t, grid=grid: averages(lambda x: exact(x, t), grid)[:, None]
        found.append(np.abs(flow(equation, grid, at(0.0), time, **options) - at(time)).max())
    return np.array(found)


@pytest.mark.parametrize(
    ("reconstruction", "sizes"),
    [
        ("van_leer", (16, 32, 64)),
        ("weno5", (16, 32)),
        *(pytest.param(name, (32, 64, 128), marks=pytest.mark.long) for name in ("mc", "minmod", "weno5")),
    ],
)
def test_what_flows_in_has_order_two_in_every_cell(reconstruction, sizes, x64):
    """A value that depends on time, and at the other side where it does not matter."""
    ends = [[value("sin(t)"), value("sin(t - 1)")]]
    found = errors(ADVECTION, ends, lambda x, t: np.sin(t - x), sizes, reconstruction=reconstruction)
    assert np.all(np.log2(found[:-1] / found[1:]) > 1.8)


def test_a_smooth_flow_that_steepens_comes_in_with_order_two(x64):
    """`u**2 + u*t = x` solves Burgers' equation."""
    exact = lambda x, t: (-t + np.sqrt(t**2 + 4 * x)) / 2
    ends = [[value("(-t + sqrt(t**2 + 4))/2"), value("(-t + sqrt(t**2 + 8))/2")]]
    found = errors(BURGERS, ends, exact, (16, 32), origin=1.0)
    assert np.log2(found[0] / found[1]) > 1.8


def test_a_gas_whose_density_varies_flows_in_with_order_two(x64):
    """At one velocity and pressure, of which the energy is given as well; in the variables that are reconstructed."""
    rho = lambda x, t: 1 + 0.3 * np.sin(t - x)
    text = lambda x: {
        "rho": value(f"1 + 0.3*sin(t - {x})"),
        "m": value(f"1 + 0.3*sin(t - {x})"),
        "E": value(f"2.5 + (1 + 0.3*sin(t - {x}))/2"),
    }
    found = []
    for n in (16, 32):
        grid = cells(n, ends=[[text(0), text(1)]])
        still = np.ones(n)
        at = lambda t, g=grid, one=still: gas(np.stack([averages(lambda x: rho(x, t), g), one, one], -1))
        found.append(np.abs(flow(EULER, grid, at(0.0), 0.5, riemann="hllc") - at(0.5)).max())
    assert np.log2(found[0] / found[1]) > 1.8


@pytest.mark.parametrize(("reconstruction", "beyond"), [("van_leer", 1e-12), ("mc", 1e-12), ("weno5", 1e-3)])
def test_a_jump_that_comes_in_stays_within_bounds(reconstruction, beyond, x64):
    grid = cells(32, ends=[[value("step(t - 0.2)"), value(3)]])
    start = np.zeros((32, 1))
    found = flow(ADVECTION, grid, start, 0.6, reconstruction=reconstruction)[:, 0]
    assert found.max() > 0.9
    assert found.max() < 1 + beyond
    assert found.min() > -beyond


def test_a_shock_that_comes_in_leaves_what_is_positive(x64):
    """A stream of Mach 10 into thin gas, and into none but a little water."""
    ends = [[{"rho": value(5), "m": value(50), "E": value(250 + 10)}, "outflow"]]
    thin = gas(np.stack(np.broadcast_arrays(1e-3, np.zeros(32), 1e-4), -1))
    found = flow(EULER, cells(32, ends=ends), thin, 0.05, riemann="hllc")
    rho, m, energy = found.T
    assert np.all(rho > 0)
    assert np.all(energy - m**2 / (2 * rho) > 0)
    assert rho.max() < 5 * (1 + 1e-6)
    ends = [[{"h": value(1), "m": value(3)}, "outflow"]]
    shallow = np.stack(np.broadcast_arrays(1e-6, np.zeros(32)), -1)
    found = flow(WATER, cells(32, ends=ends), shallow, 0.1)
    assert np.all(found[:, 0] > 0)


def test_what_comes_in_less_what_goes_out_is_what_is_there(x64):
    grid = cells(16, ends=[[value("2 + sin(3*t)"), "outflow"]])
    u = jnp.asarray(1.5 + 0.3 * np.cos(4 * grid.axes()[0]))[None, None]
    form = volume_stepper(BURGERS, grid, 0.1).form
    rate = jax.jit(lambda form, u: form.rate(u, 0.3))(form, u)
    through = ((2 + np.sin(0.9)) ** 2 - float(u[0, 0, -1]) ** 2) / 2
    np.testing.assert_allclose(float(rate.sum()) / 16, through, rtol=1e-13)


def test_water_beside_a_given_level_rests(x64):
    """Over a bed, whose surface is what is the same at both sides of a face."""
    equation = read_equation("shallow_water_bed", {"g": 1.0}, 1)
    ends = {"h": value(0.7), "m": value(0), "b": value(0.3)}
    grid = cells(16, ends=ends)
    bed = averages(lambda x: 0.3 + 0.2 * np.sin(np.pi * x), grid)
    start = np.stack([1 - bed, 0 * bed, bed], -1)
    np.testing.assert_allclose(flow(equation, grid, start, 1.0), start, atol=1e-13)
