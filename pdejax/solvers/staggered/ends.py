"""What holds for every field at the sides of a grid whose velocities are on faces."""

import dataclasses

import sympy

from pdejax.core import Grid, Outflow, Slope, Value, Wall, check_fields
from pdejax.equations import AXES, Equation
from pdejax.solvers._end_text import end_expression


@dataclasses.dataclass(frozen=True)
class Side:
    """A value, or a slope along the outward normal, of a field at one side."""

    slope: bool
    expression: sympy.Expr


Sides = tuple[Side, Side] | None
"""Of one field along one axis; none where it is periodic."""


def read_sides(equation: Equation, grid: Grid) -> tuple[tuple[Sides, ...], ...]:
    """The sides of every field along every axis.

    **Raises:** `ValueError` for a side that something flows through, and what `end_expression` refuses.
    """
    check_fields(grid.ends, equation.fields)
    return tuple(
        tuple(
            None if periodic else (_read(equation, grid, axis, 0, field), _read(equation, grid, axis, 1, field))
            for axis, periodic in enumerate(grid.periodic_axes)
        )
        for field in equation.fields
    )


def _read(equation: Equation, grid: Grid, axis: int, side: int, field: str) -> Side:
    end = grid.end(axis, side, field)
    velocity = field in equation.solenoidal
    if isinstance(end, Value | Slope):
        found = Side(isinstance(end, Slope), end_expression(equation, axis, side, field, end))
    elif isinstance(end, Wall):  # no slip, and nothing of a scalar passes
        found = Side(not velocity, sympy.S.Zero)
    else:
        ways = ", ".join(kind.__name__.lower() for kind in (Wall, Value, Slope))
        hint = ", through which nothing flows" if isinstance(end, Outflow) else ""
        raise ValueError(f"solver staggered knows the ends periodic, {ways}{hint}, and {field!r} has {end} at the "
                         f"{('low', 'high')[side]} side of {AXES[axis]}")  # fmt: skip
    if velocity and equation.solenoidal.index(field) == axis and found != Side(False, sympy.S.Zero):
        raise ValueError(f"{field!r} at the {('low', 'high')[side]} side of {AXES[axis]} is the velocity through it: "
                         f"solver staggered needs wall or value 0 there, got {end}")  # fmt: skip
    return found
