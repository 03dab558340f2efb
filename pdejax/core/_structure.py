"""The structure of a pytree of modules as plain JSON, and back without running constructors but those of Flax Linen.

What a person builds in Python, `eqx.nn.Sequential([...])` for example, has no options from which it could be built
again. Its structure can be written down all the same: classes by name, static fields as values, arrays as shapes.
"""

import dataclasses
import functools
import importlib
from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from pdejax.core._foreign import flax_class, flax_library, unsaved_nnx
from pdejax.core._harmless import LIBRARIES, of_library
from pdejax.core._registry import factory_of, kind_of, named_code, registered

_MARK = "!"


def structure(value: Any) -> Any:
    """A pytree as plain JSON, with shapes in place of arrays.

    **Raises:** `ValueError` naming what no file can hold, such as a function that was made inside of another one.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list):
        return [structure(one) for one in value]
    if isinstance(value, tuple) and not hasattr(value, "_fields"):
        return {_MARK: "tuple", "items": [structure(one) for one in value]}
    if isinstance(value, Mapping):
        return {_MARK: "dict", "items": [[structure(k), structure(v)] for k, v in value.items()]}
    if eqx.is_array(value) or isinstance(value, np.ndarray | np.generic | jax.ShapeDtypeStruct):
        array: Any = value
        return {_MARK: "array", "shape": list(array.shape), "dtype": str(array.dtype)}
    if isinstance(value, functools.partial):
        items = [structure(one) for one in (value.func, value.args, dict(value.keywords))]
        return {_MARK: "partial", "items": items}
    if isinstance(reason := getattr(value, "unsaved", None), str):  # it says itself why no file can hold it
        raise ValueError(reason)
    if flax_library(value) == "nnx":
        raise ValueError(unsaved_nnx(type(value)))
    if flax_library(value) == "linen":
        return {_MARK: "linen", "class": _class_name(type(value), value), "options": _linen_options(value)}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        held = getattr(value, "__dict__", None)  # a default that the class alone has is no part of the tree
        names = [f.name for f in dataclasses.fields(value) if (f.name in held if held is not None else True)]
        fields = {name: structure(getattr(value, name)) for name in names}
        return {_MARK: "object", "class": _class_name(type(value), value), "fields": fields}
    return {_MARK: "name", "of": _name(value)}


def _linen_options(module: Any) -> dict[str, Any]:
    """Arguments of a module's constructor; of defaults that have no name, such as initializers, the class tells."""
    options = {}
    for field in dataclasses.fields(module):
        value = getattr(module, field.name)
        if field.name in ("parent", "name"):  # those of a module inside of another one
            continue
        try:
            options[field.name] = structure(value)
        except ValueError:
            if value is not field.default:
                raise
    return options


def _class_name(cls: type, value: object) -> str:
    found = kind_of(value)
    return f"{found[0]}/{found[1]}" if found else _name(cls)


def _name(value: Any) -> str:
    for name, function in registered("activation").items():
        if value is function:
            return f"activation/{name}"
    module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    if module is None and hasattr(value, "__name__"):  # ufuncs of JAX
        module, name = "jax.numpy", value.__name__
    place = f"{module}:{name}"
    if module == "__main__" or "<" in str(name) or not _is_there(place, value):
        what = name if name is not None else repr(value)
        raise ValueError(f"{what} cannot be saved: give it a name in a module, or register it")
    return place


def is_structure(plain: Any) -> bool:
    """Whether a plain value is what `structure` makes of an object."""
    return isinstance(plain, Mapping) and _MARK in plain


def _is_there(place: str, value: Any) -> bool:
    module, _, name = place.partition(":")
    try:
        if module.partition(".")[0] in LIBRARIES:
            return of_library(place) is value
        return functools.reduce(getattr, name.split("."), importlib.import_module(module)) is value
    except (ImportError, AttributeError, ValueError):
        return False


def rebuilt(plain: Any) -> Any:
    """The pytree of `structure`, with `jax.ShapeDtypeStruct` in place of arrays.

    **Raises:** `ValueError` for code that may not be imported, see `only_plugins`.
    """
    if isinstance(plain, list):
        return [rebuilt(one) for one in plain]
    if not isinstance(plain, Mapping):
        return plain
    return _REBUILD[plain[_MARK]](plain)


def _array(plain: Mapping[str, Any]) -> Any:
    return jax.ShapeDtypeStruct(tuple(plain["shape"]), jnp.dtype(plain["dtype"]))


def _partial(plain: Mapping[str, Any]) -> Any:
    function, arguments, keywords = map(rebuilt, plain["items"])
    return functools.partial(function, *arguments, **keywords)


def _object(plain: Mapping[str, Any]) -> Any:
    cls = _named(plain["class"])
    made = object.__new__(cls)
    for name, value in plain["fields"].items():
        object.__setattr__(made, name, rebuilt(value))
    return made


def _linen(plain: Mapping[str, Any]) -> Any:
    found = _named(plain["class"])
    cls = getattr(found, "__wrapped__", found)
    if flax_class(cls) != "linen":  # whatever else a file names is not called
        raise ValueError(f"{plain['class']} is no class of modules of Flax Linen")
    return cls(**{name: rebuilt(value) for name, value in plain["options"].items()})


def _named(place: str) -> Any:
    group, slash, kind = place.partition("/")
    if slash:
        return factory_of(group, kind)
    if place.partition(":")[0].partition(".")[0] in LIBRARIES:
        return of_library(place)
    return named_code(place, place)


_REBUILD: Mapping[str, Any] = {
    "tuple": lambda plain: tuple(rebuilt(one) for one in plain["items"]),
    "dict": lambda plain: {rebuilt(k): rebuilt(v) for k, v in plain["items"]},
    "array": _array,
    "partial": _partial,
    "object": _object,
    "linen": _linen,
    "name": lambda plain: _named(plain["of"]),
}
