"""Numbers in a row, of whatever kind of sequence."""

from collections.abc import Iterable
from typing import Any


def row(name: str, given: Any, what: str = "numbers") -> tuple[Any, ...]:
    """A sequence as a tuple.

    **Raises:** `ValueError` for what is none, by its name.
    """
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise ValueError(f"{name} should be a list of {what}, got {given!r}")
    return tuple(given)
