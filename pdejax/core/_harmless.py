"""What a file may name of the libraries that are there anyway: classes of modules, and functions of arrays.

A function of Python or of a library that reads a file or runs a text is as much code as a module of the user's: a
structure may hold it half applied, and whoever calls the network calls it. So there is a list, not a rule.
"""

import dataclasses
import functools
import importlib
import inspect
from typing import Any

import jax.numpy as jnp
import numpy as np

LIBRARIES = ("pdejax", "equinox", "flax", "jax", "diffrax", "numpy", "builtins")
"""Functions and classes of these can be named: they are installed wherever pdejax is, and are not the user's."""

_MODULES = ("pdejax", "equinox", "diffrax", "flax")  # whose classes of modules
_FUNCTIONS = ("jax.nn", "jax._src.nn", "jax.numpy", "jax._src.numpy", "jax.lax", "jax._src.lax", "pdejax.networks")
_FILES = ("save", "savez", "load", "fromfile", "array_repr", "array_str")  # of jax.numpy
_NUMBERS = (bool, int, float, complex, tuple, list, dict)


def of_library(place: str) -> Any:
    """What stands at `package.module:Name` of a library, if a file may name it.

    **Raises:** `ValueError` if it may not, or is not there.
    """
    module, _, path = place.partition(":")
    try:
        found = functools.reduce(_part, path.split("."), importlib.import_module(module))
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(f"{place} is not there ({error}): was the file made by other versions?") from None
    if not _harmless(found, module, path):
        raise ValueError(f"{place} is neither a class of modules nor a function of arrays: a file may not name it")
    return found


def _part(of: Any, name: str) -> Any:
    """An attribute of a module or a class; what a module has imported is no part of it."""
    found = getattr(of, name)
    if inspect.ismodule(found):
        raise AttributeError(f"{name} is a module")
    return found


def _harmless(found: Any, module: str, path: str) -> bool:
    home = getattr(found, "__module__", None) or module
    if isinstance(found, type):
        own = home.partition(".")[0] in _MODULES and dataclasses.is_dataclass(found)
        number = isinstance(found, type(jnp.float32)) or found in _NUMBERS or issubclass(found, np.generic)
        return own or number
    within = lambda place: any(place == one or place.startswith(f"{one}.") for one in _FUNCTIONS)
    return within(module) and within(home) and path not in _FILES and callable(found)
