"""Mappings that can be fields of modules."""

from collections.abc import Mapping
from typing import Any


class Frozen(dict[str, Any]):
    """A mapping that has a hash, as static fields of modules need one, and is not to be changed."""

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(frozenset((name, _hashed(value)) for name, value in self.items()))


def frozen(value: Any) -> Any:
    """A mapping with a hash, what it holds included; other values as they are."""
    if isinstance(value, Mapping):
        return Frozen({name: frozen(one) for name, one in value.items()})
    return value


def _hashed(value: Any) -> Any:
    if isinstance(value, Mapping):
        return Frozen(value)
    return tuple(map(_hashed, value)) if isinstance(value, list) else value
