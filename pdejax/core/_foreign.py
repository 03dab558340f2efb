"""Modules of Flax, told by their bases: nobody who has none of them imports Flax."""

import functools
import importlib
from typing import Any, Literal

_BASES = {"flax.linen.module": "linen", "flax.nnx.module": "nnx"}
_FACTORY = "pdejax.networks.flax.factory"  # imported for a class of Flax alone


@functools.lru_cache(maxsize=1024)
def _library_of(cls: type) -> Any:
    bases = (_BASES.get(base.__module__) for base in cls.__mro__ if base.__name__ == "Module")
    return next(filter(None, bases), None)


def flax_library(value: Any) -> Literal["linen", "nnx"] | None:
    """Of which of Flax's two libraries an object is a module; none for everything else, classes included."""
    return None if isinstance(value, type) else _library_of(type(value))


def flax_class(value: Any) -> Literal["linen", "nnx"] | None:
    """Of which of Flax's two libraries a class is one of modules; none for everything else."""
    return _library_of(value) if isinstance(value, type) else None


def unsaved_nnx(cls: type) -> str:
    """Why no file can hold a module of NNX that was built already."""
    place = f"{cls.__module__}:{cls.__qualname__}"
    return (
        f"{cls.__name__} is an NNX module that was built already, and to build it again a file needs the arguments of "
        f"its constructor: give from_nnx(module, options={{...}}), or the description {{'kind': '{place}', ...}}"
    )


def as_factory(found: Any) -> Any:
    """What makes networks of a class of Flax, whose `__wrapped__` is the class; other factories as they are."""
    return importlib.import_module(_FACTORY).factory(found) if flax_class(found) else found
