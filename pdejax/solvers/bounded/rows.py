"""Conditions at the ends of an axis, solved for the values there, and polynomials that meet them."""

import dataclasses

import numpy as np
import sympy

from pdejax.core import Grid, Outflow, Slope, Value, check_fields
from pdejax.equations import Equation
from pdejax.solvers._end_text import end_expression
from pdejax.solvers.chebyshev.nodes import Chebyshev


@dataclasses.dataclass(frozen=True)
class Given:
    """A condition at one side: `slope` along the outward normal or else value, and what it is."""

    side: int
    slope: bool
    expression: sympy.Expr


def conditions_of(equation: Equation, grid: Grid, field: str) -> tuple[Given, ...]:
    """What is given of a field at the ends of the only axis; nothing where it flows out.

    **Raises:** `ValueError` for other ends.
    """
    check_fields(grid.ends, equation.fields)
    found = []
    for side in (0, 1):
        end = grid.end(0, side, field)
        if not isinstance(end, Value | Slope | Outflow):
            kind = type(end).__name__.lower()
            raise ValueError(f"Chebyshev points know the ends value, slope and outflow, got {kind} of {field!r} at the "
                             f"{('low', 'high')[side]} side of x")  # fmt: skip
        if not isinstance(end, Outflow):
            found.append(Given(side, isinstance(end, Slope), end_expression(equation, 0, side, field, end)))
    return tuple(found)


class Eliminated:
    """The values of one field at all points, from those at the points where no condition is and from what is given.

    - `free`: numbers of the points without a condition.
    - `whole`: from values there to all of them, where zero is given, `(size, free)`.
    - `lifts`: for each condition a polynomial of lowest degree that has one there and zero at the other,
        `(size, condition)`; where the axis is stretched, one of a slope is as many times as large.
    """

    def __init__(self, axis: Chebyshev, conditions: tuple[Given, ...]) -> None:
        size, first = axis.size, axis.derivative(1)
        self.conditions = conditions
        ends = [axis.ends[given.side] for given in conditions]
        outward = lambda given: first[axis.ends[given.side]] * (1 if given.side else -1)
        rows = [outward(g) if g.slope else np.eye(size)[axis.ends[g.side]] for g in conditions]
        matrix = np.array(rows).reshape(-1, size)
        self.free = np.setdiff1d(np.arange(size), ends)
        self.whole = np.zeros((size, len(self.free)))
        self.whole[self.free, np.arange(len(self.free))] = 1
        if conditions:
            self.whole[ends] = -np.linalg.solve(matrix[:, ends], matrix[:, self.free])
        place = 2 * (axis.nodes - axis.low) / (axis.high - axis.low) - 1
        least = int(bool(conditions) and all(given.slope for given in conditions))  # a constant has no slope
        powers = np.stack([place**k for k in range(3)], -1)[:, least : least + len(conditions)]
        self.lifts = powers @ np.linalg.inv(matrix @ powers) if conditions else powers
