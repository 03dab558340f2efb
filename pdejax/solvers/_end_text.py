"""The text of what is given at an end, read."""

import sympy

from pdejax.core import Mixed, Slope, Value
from pdejax.equations import AXES, COORDINATES, TIME, Equation
from pdejax.equations.language.parse import Parser


def end_expression(equation: Equation, axis: int, side: int, field: str, end: Value | Slope | Mixed) -> sympy.Expr:
    """The text of a value or slope, in the coordinates across, time and parameters.

    **Raises:** `ValueError` for a word that means nothing there.
    """
    where = f"{type(end).__name__.lower()} of {field!r} at the {('low', 'high')[side]} side of {AXES[axis]}"
    try:
        found = Parser((), equation.parameters, equation.ndim)(where, str(end.expression)).flat()
    except ValueError as error:
        raise ValueError(f"{where}: {str(error).partition(': ')[2]}") from None
    if found.has(COORDINATES[axis]):
        raise ValueError(f"{where}: {AXES[axis]} is the same all along that side, write its number")
    for symbol in found.free_symbols:
        assert isinstance(symbol, sympy.Symbol)
        assert symbol == TIME or symbol in COORDINATES or symbol.name in equation.parameters
    return found
