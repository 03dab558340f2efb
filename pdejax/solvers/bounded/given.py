"""Whether states that are drawn have at the ends what is given there."""

from typing import Any

import numpy as np
import sympy

from pdejax.core import Grid, Slope, Value
from pdejax.equations import AXES, COORDINATES, TIME, Equation, Family, evaluate
from pdejax.solvers._end_text import end_expression
from pdejax.solvers.bounded.points import blended
from pdejax.solvers.chebyshev.nodes import Chebyshev, barycentric

DRAWN = 2  # of the first states, which are looked at
POINTS = 33  # at most, from which slopes are found
CLOSE = 1e-3, 1e-2  # of a field's size, and of its largest slope
DEGREES = 8, 5  # of polynomials
SURE = 3.0  # times the difference of a slope between them: so far it may be from the field's own


def check_start(family: Family, grid: Grid) -> None:
    """Draws some initial states and compares them with values and slopes at the ends.

    **Raises:** `ValueError` that names the field, the end, what is found and what is given.
    """
    assert isinstance(family.equation, Equation)
    start = 0.0  # initial states are those of this time, whatever the number of frames to the first one
    for index in range(DRAWN):
        fields, parameters = family.draw(0, index, grid)
        length = float(parameters.get("length", 1.0))
        values: dict[Any, Any] = {sympy.Symbol(n, real=True): float(v) for n, v in family.parameters.items()}
        values |= {sympy.Symbol(n, real=True): float(v) for n, v in parameters.items() if n in family.parameters}
        values |= {x: grid.coordinates()[..., i] * length for i, x in enumerate(COORDINATES[: grid.ndim])}
        values[TIME] = start
        for axis, periodic in enumerate(grid.periodic_axes):
            for field in family.fields if not periodic else ():
                u = np.asarray(fields[field], np.float64)
                for side in (0, 1):
                    _compare(family.equation, grid, field, u, axis, side, values, length)


def _compare(
    equation: Equation, grid: Grid, field: str, u: np.ndarray, axis: int, side: int, values: Any, length: float
) -> None:
    end, face = grid.end(axis, side, field), -1 if side else 0
    if not isinstance(end, Value | Slope):
        return
    wanted = np.asarray(evaluate(end_expression(equation, axis, side, field, end), values))
    wanted = np.take(np.broadcast_to(wanted, grid.shape), face, axis)
    if isinstance(end, Value):
        found, size, unsure = np.take(u, face, axis), np.abs(u).max(), 0.0
    else:
        every = [_slopes(grid, u, axis, degree) / length for degree in DEGREES]
        found, size = every[0][face] * (1 if side else -1), np.abs(every[0]).max()
        unsure = SURE * np.abs(every[0][face] - every[1][face])
    off = np.maximum(np.abs(found - wanted) - unsure, 0)
    if not np.all(off <= CLOSE[isinstance(end, Slope)] * (size + np.abs(wanted).max(initial=0))):
        worst = np.unravel_index(np.argmax(off), off.shape)
        kind = type(end).__name__.lower()
        raise ValueError(f"the initial states contradict the ends: {field!r} has the {kind} {found[worst]:.4g} at the "
                         f"{('low', 'high')[side]} side of {AXES[axis]}, where {wanted[worst]:.4g} is given; draw "
                         "states that have it, or give another end")  # fmt: skip


def _slopes(grid: Grid, u: np.ndarray, axis: int, degree: int) -> np.ndarray:
    """Derivatives along an axis, which comes first, at Chebyshev points, of polynomials of a degree, blended."""
    n, length = grid.shape[axis], grid.lengths[axis]
    nodes = Chebyshev(min(n, POINTS), 0.0, length)
    inward = barycentric(np.linspace(0.0, length, n), blended(n, degree), nodes.nodes)
    return np.tensordot(nodes.derivative(1) @ inward, u, (1, axis))
