"""What all distributions of numbers have in common, and how they are said."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Array, Float

from pdejax.core import Key, Of, Real, build
from pdejax.equations.laws.uniform import Uniform

Drawn = tuple[Real, Real] | Annotated[Any, Of("law")]
"""An option that is a range `(low, high)` of a uniform distribution, or a `Law` (or what `describe` makes of one)."""


@runtime_checkable
class Law(Protocol):
    """A distribution of a number, or of several that are drawn together.

    Numbers are drawn in float32 whatever the precision, so that float64 runs see the same.
    """

    @property
    def support(self) -> tuple[tuple[float, float], ...]:
        """Smallest and largest value `(low, high)` of each number."""
        ...

    def __call__(self, key: Key) -> Float[Array, " number"]: ...


def read_law(where: str, given: Any, count: int = 1, positive: bool = False) -> Any:
    """What an option says of how its numbers are drawn, in the one form of it: a range if that is all.

    **Arguments:** `where`: the option's name; `given`: see `Drawn`; `count`: of the numbers; `positive`: whether all
    of them should be.

    **Raises:** `ValueError` for anything else.
    """
    try:
        found = build("law", given)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None
    if isinstance(found, Uniform):
        found = (found.low, found.high)
    if not isinstance(found, Law):
        found = _range(where, found, positive)
    support = law_of(found).support
    if len(support) != count:
        names = "one number" if count == 1 else f"{count} numbers"
        raise ValueError(f"{where} should be a law of {names}, its {type(found).__name__} has {len(support)}")
    if positive and (least := min(low for low, _ in support)) <= 0:
        raise ValueError(f"{where} should be a law of positive numbers, the smallest of it is {least:g}")
    return found


def _range(where: str, given: Any, positive: bool) -> tuple[float, float]:
    pair: Any = list(given) if isinstance(given, Sequence | np.ndarray) and not isinstance(given, str) else given
    numbers = isinstance(pair, list) and len(pair) == 2 and all(map(_is_number, pair))
    if not numbers or not pair[0] <= pair[1] or (positive and pair[0] <= 0):
        raise ValueError(f"{where} should be a range [low, high]{' of positive numbers' * positive}, got {pair!r}")
    return pair[0], pair[1]


def _is_number(value: Any) -> bool:
    try:
        return not isinstance(value, str | bool) and abs(float(value)) < float("inf")
    except (TypeError, ValueError):
        return False


def law_of(drawn: Any) -> Law:
    """The law of what `read_law` gives."""
    return Uniform(*drawn) if isinstance(drawn, tuple) else drawn


def read_laws(where: str, given: Mapping[str, Any], positive: Sequence[str] = ()) -> dict[str, Any]:
    """Laws by the name of what is drawn; several names with commas between them are drawn together.

    **Arguments:** `where`: the option's name; `given`: names to what `read_law` takes; `positive`: names of numbers
    that should be.

    **Raises:** `ValueError` for what is no law, one of another count of numbers, and a name with several laws.
    """
    found, seen = {}, set()
    for key, value in given.items():
        names = split_names(key)
        for name in names:
            if name in seen:
                raise ValueError(f"{where} has several laws of {name!r}, expected one")
            seen.add(name)
        place = f"{where}.{key}" if len(names) == 1 else f"{where} of {key!r}"
        found[join_names(names)] = read_law(place, value, len(names), any(name in positive for name in names))
    return found


def support_of(laws: Mapping[str, Any]) -> dict[str, tuple[float, float]]:
    """Smallest and largest value `(low, high)` of each name."""
    pairs = ((split_names(key), law_of(drawn).support) for key, drawn in laws.items())
    return {name: ends for names, support in pairs for name, ends in zip(names, support, strict=True)}


def draw_laws(laws: Mapping[str, Any], keys: Mapping[str, Key]) -> dict[str, Float[Array, ""]]:
    """A value of each name.

    **Arguments:** `laws`: of `read_laws`; `keys`: random ones, by the same names.
    """
    drawn = ((split_names(key), law_of(laws[key])(keys[key])) for key in sorted(laws))
    return {name: values[i] for names, values in drawn for i, name in enumerate(names)}


def split_names(names: str) -> tuple[str, ...]:
    """The names in a key of what is drawn."""
    return tuple(name.strip() for name in str(names).split(","))


def join_names(names: Sequence[str]) -> str:
    """The key of what is drawn together."""
    return ", ".join(names)
