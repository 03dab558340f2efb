"""What has no solution forwards in time, or is no size, is refused before anything is computed."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pdejax.core import Grid, Scaling
from pdejax.core._grid import _points
from pdejax.data import read_problem
from pdejax.equations import EQUATIONS, Equation
from pdejax.solvers import grid_residual, spectral_stepper

GRID = Grid((16,), (2 * np.pi,))
PLANE = Grid((8, 16), (2 * np.pi, 2 * np.pi))

ILL = {
    "backward heat": (Equation("u_t = -u_xx"), GRID, r"mode \[-?8\] of this grid like exp\(64 t\)"),
    "one direction": (Equation("u_t = u_xx - 0.5*u_yy", ndim=2), PLANE, r"mode \[0, 8\] of this grid like exp\(32 t\)"),
    "fourth order": (Equation("u_t = u_xx + 0.1*u_xxxx - u*u_x"), GRID, r"exp\(346 t\)"),
    "parameter": (Equation("u_t = nu*u_xx", {"nu": -0.5}), GRID, r"with nu=-0.5 has no solution .* exp\(32 t\)"),
    "two fields": (Equation(["a_t = b_xx", "b_t = a_xx"]), GRID, r"exp\(64 t\)"),
    "elliptic": (Equation(["a_t = b", "b_t = -a_xx"]), GRID, r"exp\(8 t\)"),
}
WELL = {
    "heat": Equation("u_t = u_xx + 3*u"),
    "transport": Equation("u_t = -u_x + 2*u"),
    "dispersion": Equation("u_t = -u_xxx - 6*u*u_x"),
    "wave": Equation(["a_t = b", "b_t = a_xx"]),
    "Schroedinger": Equation(["a_t = -b_xx", "b_t = a_xx"]),
    "Kuramoto-Sivashinsky": EQUATIONS["kuramoto_sivashinsky"],
    "Swift-Hohenberg": Equation("u_t = 0.5*u - u - 2*u_xx - u_xxxx - u**3"),
    "Cahn-Hilliard": Equation("u_t = lap(u**3 - u) - 0.01*u_xxxx"),
    "nothing linear": Equation("u_t = lap(u**3)"),
    "thin film": Equation("u_t = -dx(u**3*u_xxx) - u_xx"),
    "diffusion by the state": Equation("u_t = dx((u**2 - 0.2)*u_x)"),
    "diffusion by the place": Equation("u_t = (exp(sin(x)) - 0.2)*u_xx"),
}


@pytest.mark.parametrize("name", ILL)
def test_growth_without_bound_is_refused(name):
    equation, grid, sentence = ILL[name]
    with pytest.raises(ValueError, match=sentence) as refused:
        spectral_stepper(equation, grid, 0.1)
    assert "grow the faster the higher they are" in str(refused.value)


@pytest.mark.parametrize("name", WELL)
def test_growth_that_ends_is_not(name):
    spectral_stepper(WELL[name], GRID, 1e-3)


def test_every_catalogued_equation_is_well_posed():
    for name, equation in EQUATIONS.items():
        if isinstance(equation, Equation):
            size = 2 * np.pi if name == "kolmogorov_flow" else 1.0  # what a forcing is periodic in
            grid = Grid((8,) * equation.ndim, (size,) * equation.ndim)
            assert spectral_stepper(equation, grid, 1e-3).grid == grid, name


def test_the_worst_of_a_batch_is_named_and_traced_ones_are_not_looked_at():
    equation = Equation("u_t = nu*u_xx", {"nu": 1.0})
    with pytest.raises(ValueError, match=r"with nu=-0.25 .* exp\(16 t\)"):
        spectral_stepper(equation, GRID, 0.1, parameters={"nu": jnp.array([0.1, -0.25, 0.3])})
    make = lambda nu: spectral_stepper(equation, GRID, 0.1, parameters={"nu": nu})(jnp.ones((16, 1)))
    assert jax.eval_shape(make, jnp.array(-1.0)).shape == (16, 1)
    with pytest.raises(ValueError, match=r"exp\(256 t\)"):
        spectral_stepper(Equation("u_t = -u_xx"), GRID, 0.1, scaling=Scaling(length=0.5))


def test_a_problem_whose_range_reaches_negative_diffusion():
    words = {
        "name": "backward", "equation": {"terms": "u_t = nu*u_xx", "parameters": {"nu": 0.1}},
        "domain": {"shape": [16], "lengths": [1.0]}, "time": {"step": 0.1}, "vary": {"nu": [-0.1, 0.2]},
        "initial": {"kind": "truncated_fourier", "cutoff": 3},
    }  # fmt: skip
    family, simulator = read_problem(words)
    with pytest.raises(ValueError, match=r"problem 'backward': the equation .* with nu=-0.1 has no solution"):
        simulator.validate(family)


def test_corners_of_many_ranges_are_looked_at_too():
    """Of eleven parameters there are 2048: as many as are looked at are drawn among them, the sum's sign among it."""
    names = [f"p{i}" for i in range(11)]
    words = {
        "name": "many",
        "equation": {"terms": f"u_t = ({'+'.join(names)})*u_xx", "parameters": dict.fromkeys(names, 1.0)},
        "domain": {"shape": [16], "lengths": [1.0]}, "time": {"step": 0.1},
        "vary": {**{name: [0.1, 0.2] for name in names}, "p10": [-3.0, 0.1]},
        "initial": {"kind": "truncated_fourier", "cutoff": 3},
    }  # fmt: skip
    family, simulator = read_problem(words)
    with pytest.raises(ValueError, match=r"p10=-3 has no solution"):
        simulator.validate(family)


@pytest.mark.parametrize("dt", [0.0, -1.0, float("nan"), float("inf")])
def test_steps_that_are_none(dt):
    with pytest.raises(ValueError, match="dt should be positive and finite"):
        spectral_stepper(EQUATIONS["diffusion"], GRID, dt)
    with pytest.raises(ValueError, match="dt should be positive and finite"):
        grid_residual(EQUATIONS["diffusion"], jnp.ones((3, 16, 1)), dt, GRID)


@pytest.mark.parametrize("length", [0.0, -1.0, float("nan"), float("inf")])
def test_lengths_that_are_none(length):
    with pytest.raises(ValueError, match="positive and finite"):
        Grid((4,), (length,))


def test_counts_that_are_none():
    for count in (4.5, "4", None):
        with pytest.raises(ValueError, match="whole numbers of points"):
            _points(count)
    assert _points(np.int64(4)) == 4
    with pytest.raises(ValueError, match="origin of a Grid should be finite"):
        Grid((4,), (1.0,), origin=(float("nan"),))


@pytest.mark.parametrize(
    ("terms", "parameters", "place"),
    [
        ("u_t = -x*u_x", {}, "x begins again: of the same state -.* at x=1, 0 at 0"),
        ("u_t = u_xx + sin(k*x)", {"k": 3.0}, "x begins again: of the same state 0.141 at x=1, 0 at 0"),
        ("u_t = dx((1 + x)*u_x)", {}, "x begins again"),
        ("u_t = u_xx + sin(2*pi*k*x)", {"k": np.array([1.0, 1.25])}, "x begins again: .* 1 at x=1, 0 at 0"),
    ],
)
def test_coefficients_that_jump_where_the_axis_begins_again_are_refused(terms, parameters, place):
    equation, grid = Equation(terms, dict.fromkeys(parameters, 1.0)), Grid((16,), (1.0,))
    with pytest.raises(ValueError, match=f"the equation of u in .* jumps where the periodic axis {place}"):
        spectral_stepper(equation, grid, 0.1, parameters=parameters)


@pytest.mark.parametrize(
    "terms",
    [
        "u_t = -(1 + cos(2*pi*x)/2)*u_x",
        "u_t = u_xx + abs(x - 1/2)",
        "u_t = u_xx + t*sin(4*pi*x)",
        "u_t = u_xx + exp(-300*(x - 0.15)**2)",
        "u_t = u_xx + exp(-20000*(x - 0.06)**2)",
        "u_t = u_xx + x - x",
    ],
)
def test_coefficients_that_are_periodic_kinked_or_small_at_the_end_are_taken(terms):
    spectral_stepper(Equation(terms), Grid((128,), (1.0,)), 1e-3)


def test_coefficients_are_periodic_on_the_box_that_is_scaled():
    grid = Grid((16,), (1.0,))
    spectral_stepper(Equation("u_t = u_xx + sin(pi*x)"), grid, 0.1, scaling=Scaling(length=2.0))
    with pytest.raises(ValueError, match="jumps"):
        spectral_stepper(Equation("u_t = u_xx + cos(pi*x)"), grid, 0.1)
