import numpy as np

from pdejax.core import Grid
from pdejax.equations import Equation, read_equation

FLOW = read_equation("navier_stokes_velocity", {"nu": 0.01}, 2)
HEATED = read_equation("boussinesq", None, 2)
STOKES = Equation(
    ["u_t = nu*lap(u)", "v_t = nu*lap(v)", "T_t = -u*T_x - v*T_y + nu*lap(T)"],
    {"nu": 0.1},
    2,
    solenoidal=("u", "v"),
)


def value(expression):
    return {"kind": "value", "expression": expression}


def slope(expression=0):
    return {"kind": "slope", "expression": expression}


SLIP = [{"u": "wall", "v": slope()}, {"u": slope(), "v": "wall"}]


def cells(*shape, ends="wall", lengths=None):
    return Grid(shape, lengths or (1.0,) * len(shape), ends=ends, cells=True)


def lid(n, speed=1):
    return cells(n, n, ends=["wall", ["wall", {"u": value(speed), "v": "wall"}]])


def plates(n, k, low, high, velocity="wall"):
    """One wave k between plates a unit apart."""
    along = {"u": velocity, "v": "wall"}
    ends = ["periodic", [{**along, "T": low}, {**along, "T": high}]]
    return cells(2 * n, n, ends=ends, lengths=(2 * np.pi / k, 1.0))


def places(grid):
    return np.moveaxis(grid.coordinates(), -1, 0)
