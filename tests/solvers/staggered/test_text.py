"""What is read of the text of an equation, and what does not fit together."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pdejax.core import Grid
from pdejax.equations import Equation
from pdejax.solvers import staggered_stepper
from pdejax.solvers.staggered.flow import flow_terms
from tests.solvers.staggered.flows import FLOW, cells, lid, value


def test_inertia_is_found_however_it_is_written():
    ways = (
        ["u_t = -u*u_x - v*u_y + nu*lap(u)", "v_t = -u*v_x - v*v_y + nu*lap(v)"],
        ["u_t = -dx(u*u) - dy(u*v) + nu*(u_xx + u_yy)", "v_t = -dx(u*v) - dy(v*v) + nu*div(grad(v))"],
        ["u_t = -dx(u**2) - v*u_y + u*v_y*(-1) + nu*lap(u)", "v_t = u*(u_y - v_x) - dy(v**2)/2 - u*u_y + nu*lap(v)"],
    )
    read = [flow_terms(Equation(way, {"nu": 0.1}, 2, solenoidal=("u", "v"))) for way in ways]
    assert read[0] == read[1] == read[2]
    assert [str(e) for e in (read[0][0].inertia, *read[0][0].diffusion)] == ["1", "nu", "nu"]
    slow = Equation(["u_t = -R*(u*u_x + v*u_y) - W*u_x + f*v", "v_t = -f*u"], {"R": 2, "W": 1, "f": 3}, 2,
                    solenoidal=("u", "v"))  # fmt: skip
    first = flow_terms(slow)[0]
    assert [str(e) for e in (first.inertia, first.drift[0], first.source)] == ["R", "-W", "f*v"]
    assert flow_terms(slow)[1].inertia == 0


def refused(u="nu*lap(u)", v="nu*lap(v)", solenoidal=("u", "v")):
    return Equation([f"u_t = {u}", f"v_t = {v}"], {"nu": 0.1}, 2, solenoidal=solenoidal)


@pytest.mark.parametrize(
    ("equation", "grid", "options", "words"),
    [
        (refused(solenoidal=()), cells(8, 8), {}, r"name its velocity, such as solenoidal=\['u', 'v'\]"),
        (refused("-u*u_x + nu*lap(u)"), cells(8, 8), {}, r"-u\*u_x is not the inertia -u\*u_x - u_y\*v of the flow"),
        (refused("nu*bilap(u)"), cells(8, 8), {}, r"nu\*u_xxxx is none of these"),
        (refused("nu*v_xx"), cells(8, 8), {}, r"inertia, sources, and of 'u' first .* nu\*v_xx is none of these"),
        (refused("nu*lap(u) - mean(u)"), cells(8, 8), {}, r"mean\(\.\.\.\) asks for the whole box"),
        (FLOW, Grid((8, 8), (1.0, 1.0), ends="wall"), {}, r"set domain\.cells=true"),
        (FLOW, cells(8, 2), {}, r"at least 4 cells along each axis, got \[8, 2\]"),
        (FLOW, cells(8, 8, ends="outflow"), {}, r"'u' has Outflow\(\) at the low side of x"),
        (FLOW, cells(8, 8, ends=value(1)), {}, "'u' at the low side of x is the velocity through it: .* got Value"),
        (FLOW, lid(8, "speed"), {}, r"value of 'u' at the high side of y: unknown name 'speed'"),
        (FLOW, lid(8), {"parameters": {"nu": -1.0}}, "factor nu of second derivatives should not be negative, got -1"),
        (FLOW, lid(8), {"substeps": 2, "parameters": {"nu": 0.1}}, r"stable with steps up to 0\.0488: set substeps to "
                                                                   "at least 21, or leave it out"),
        (FLOW, lid(8), {"cfl": 2.0}, "cfl"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_told(equation, grid, options, words):
    with pytest.raises(ValueError, match=words):
        staggered_stepper(equation, grid, 1.0, **options)


def test_equal_steps_that_the_flow_outruns_are_no_numbers(x64):
    u = jnp.asarray(np.random.default_rng(0).normal(size=(8, 8, 2)))
    stepper = lambda n: staggered_stepper(FLOW, cells(8, 8), 1.0, substeps=n)
    assert jnp.all(jnp.isnan(jax.jit(stepper(3))(u)))
    assert jnp.all(jnp.isfinite(jax.jit(stepper(60))(u)))
