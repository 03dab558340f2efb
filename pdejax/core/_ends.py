"""What holds at the ends of an axis: one object a side, or one for each field there."""

import ast
import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from pdejax._suggest import known
from pdejax.core._build import build
from pdejax.core._registry import register


@dataclasses.dataclass(frozen=True)
class End:
    """What all ends have in common; a new kind is a subclass, registered in the group `end`."""


@register("end", "periodic")
@dataclasses.dataclass(frozen=True)
class Periodic(End):
    """The axis goes on at its other side; its end point is not one of the grid."""


def _text(kind: str, expression: Any) -> str:
    flag = isinstance(expression, bool | np.bool_)
    number = hasattr(expression, "__float__") and not flag and np.ndim(expression) == 0
    if not (number or isinstance(expression, str)):
        raise ValueError(f"the expression of a {kind} is a number or text, got {expression!r}")
    try:
        ast.parse(text := str(expression).strip(), mode="eval")
    except SyntaxError:
        raise ValueError(f"the expression of a {kind} is no arithmetic expression: {text!r}") from None
    return text


@register("end", "value")
@dataclasses.dataclass(frozen=True)
class Value(End):
    """The field has a value (Dirichlet).

    **Arguments:** `expression`: a number, or plain text in coordinates, `t` and parameters.
    """

    expression: str | float = "0"

    def __post_init__(self) -> None:
        object.__setattr__(self, "expression", _text("Value", self.expression))


@register("end", "slope")
@dataclasses.dataclass(frozen=True)
class Slope(End):
    """The field's derivative along the outward normal has a value (Neumann).

    **Arguments:** `expression`: a number, or plain text in coordinates, `t` and parameters.
    """

    expression: str | float = "0"

    def __post_init__(self) -> None:
        object.__setattr__(self, "expression", _text("Slope", self.expression))


@register("end", "mixed")
@dataclasses.dataclass(frozen=True)
class Mixed(End):
    """`value` times the field and `slope` times its derivative along the outward normal have a sum (Robin), such as
    what a body loses to its surroundings.

    **Arguments:** `expression`: the sum, a number, or plain text in coordinates, `t` and parameters; `value`, `slope`:
    numbers above zero: of other signs, what leaves makes more leave.
    """

    expression: str | float = "0"
    value: float = 1.0
    slope: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "expression", _text("Mixed", self.expression))
        for name, other in (("value", "slope"), ("slope", "value")):
            number = getattr(self, name)
            if isinstance(number, bool | np.bool_) or not hasattr(number, "__float__") or not 0 < number < math.inf:
                raise ValueError(f"{name} of a Mixed end is a number above zero, got {number!r}; where it is zero the "
                                 f"end is a {other.capitalize()}")  # fmt: skip
            object.__setattr__(self, name, float(number))


@register("end", "outflow")
@dataclasses.dataclass(frozen=True)
class Outflow(End):
    """What arrives leaves, and nothing comes in."""


@register("end", "wall")
@dataclasses.dataclass(frozen=True)
class Wall(End):
    """A solid wall: nothing passes."""


Side: TypeAlias = End | tuple[tuple[str, End], ...]
"""One end for all fields, or pairs of a field and its end, sorted by field."""


def sides(given: Any, axes: int) -> tuple[tuple[Side, Side], ...]:
    """The low and the high side of every axis.

    **Arguments:** `given`: an end for all sides, or one entry per axis, each an end for both sides or a pair of them;
    an end is an `End`, its name, a mapping with its `kind`, or a mapping from fields to these.

    **Raises:** `ValueError` for another number of axes, an unknown kind, or an axis with one periodic side.
    """
    entries = list(given) if isinstance(given, list | tuple) else [given] * axes
    if len(entries) != axes:
        raise ValueError(f"ends are one for all axes or one for each of {axes}, got {len(entries)}")
    out = tuple(_pair(entry) for entry in entries)
    for i, (low, high) in enumerate(out):
        if (low == Periodic()) != (high == Periodic()):
            raise ValueError(f"axis {i} is periodic at one side only: its ends are {low} and {high}")
    return out


def _pair(entry: Any) -> tuple[Side, Side]:
    if not isinstance(entry, list | tuple):
        return _side(entry), _side(entry)
    if len(entry) != 2:
        raise ValueError(f"the ends of an axis are one for both sides or [low, high], got {entry!r}")
    return _side(entry[0]), _side(entry[1])


def _side(given: Any) -> Side:
    pairs = dict(given) if isinstance(given, list | tuple) else given
    if isinstance(pairs, Mapping) and "kind" not in pairs:
        return tuple(sorted((str(field), _end(one)) for field, one in pairs.items()))
    return _end(given)


def _end(given: Any) -> End:
    end = build("end", given)
    if not isinstance(end, End):
        raise ValueError(f"an end is one of periodic, value, slope, mixed, outflow, wall, got {given!r}")
    return end


def check_fields(ends: Sequence[tuple[Side, Side]], fields: Sequence[str], what: str = "ends") -> None:
    """**Raises:** `ValueError` for sides that say what holds for some fields and nothing of others, or of one there is
    not."""
    for side in (side for pair in ends for side in pair if isinstance(side, tuple)):
        if missing := [field for field in fields if field not in dict(side)]:
            raise ValueError(f"{what} say nothing of field {missing[0]!r} where they say it of "
                             f"{', '.join(dict(side))}")  # fmt: skip
        for field in dict(side):
            if field not in fields:
                raise ValueError(known(f"field of {what}:", field, fields))


def end_of(side: Side, field: str) -> End:
    """What holds for a field at a side.

    **Raises:** `ValueError` if the side says something of other fields only.
    """
    if isinstance(side, End):
        return side
    named = dict(side)
    if field not in named:
        raise ValueError(known("field of an end:", field, named))
    return named[field]
