"""Options against their declarations: what a constructor's annotations say holds in Python as in a configuration."""

import math
import typing
from collections.abc import Iterable
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Interval, IsFinite, Le, Lt, MinLen

from pdejax._suggest import suggestion
from pdejax.core._build import members_of
from pdejax.core._registry import options_of

_WORDS = {int: "an integer", float: "a number", bool: "true or false", str: "a word", type(None): "none"}


def check_options(made: Any) -> None:
    """Compares an object's options with the marks and words in its constructor's annotations.

    **Arguments:** `made`: keeps its constructor's arguments as attributes of the same name.

    **Raises:** `ValueError` for the first that does not fit, whose sentence begins with the option's name.
    """
    for name, argument in options_of(type(made)).items():
        value = getattr(made, name, argument.default)
        faults = [_fault(part, value) for part in members_of(argument.annotation)]
        if faults and None not in faults:
            said = [fault for fault in faults if fault]
            kinds = " or ".join(_WORDS[part] for part in map(_inner, members_of(argument.annotation)) if part in _WORDS)
            raise ValueError(f"{name} {said[0] if said else f'should be {kinds}, got {value!r}'}")


def _inner(annotation: Any) -> Any:
    return typing.get_args(annotation)[0] if typing.get_origin(annotation) is Annotated else annotation


def _fault(annotation: Any, value: Any) -> str | None:
    """Why one alternative does not take a value: a sentence, or an empty one if its type is another; none if it does.

    Numbers that are arrays, such as traced ones, are not looked into.
    """
    inner, marks = _inner(annotation), getattr(annotation, "__metadata__", ())
    if typing.get_origin(inner) is Literal:
        words = typing.get_args(inner)
        same = type(value) in map(type, words)
        return None if value in words else f"is unknown: {value!r}.{suggestion(value, words)}" if same else ""
    if typing.get_origin(inner) is tuple and isinstance(value, tuple):
        return _length_fault(marks, value) or _first(_fault(typing.get_args(inner)[0], one) for one in value)
    if inner not in _WORDS or hasattr(value, "dtype"):
        return None
    if not isinstance(value, int | float if inner is float else inner) or (isinstance(value, bool) and inner in (
        int, float)):  # fmt: skip
        return ""
    return _first(_number_fault(mark, value) for mark in marks)


def _first(faults: Iterable[str | None]) -> str | None:
    return next((fault for fault in faults if fault is not None), None)


def _length_fault(marks: Iterable[Any], value: tuple) -> str | None:
    least = max((mark.min_length for mark in marks if isinstance(mark, MinLen)), default=0)
    return None if len(value) >= least else f"should have at least {least} entries, got {list(value)}"


def _number_fault(mark: Any, value: Any) -> str | None:
    if mark is IsFinite:
        return None if math.isfinite(value) else f"should be finite, got {value}"
    if isinstance(mark, Interval):
        return _first(_number_fault(one, value) for one in mark)
    for kind, holds, words in (
        (Ge, lambda a, b: a >= b, "at least"),
        (Gt, lambda a, b: a > b, "above"),
        (Le, lambda a, b: a <= b, "at most"),
        (Lt, lambda a, b: a < b, "less than"),
    ):
        if isinstance(mark, kind):
            bound = getattr(mark, kind.__name__.lower())
            return None if holds(value, bound) else f"should be {words} {bound:g}, got {value:g}"
    return None
