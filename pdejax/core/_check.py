"""Values checked by what their annotations say, so that a bound or a choice is declared once, in the signature."""

import functools
import inspect
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal, TypeVar

import jax
import numpy as np
from annotated_types import Ge, Gt, Interval, IsFinite, Le, Lt, MinLen
from jax.core import Tracer

from pdejax._suggest import known
from pdejax.core._annotations import members_of
from pdejax.core._options import NameOf
from pdejax.core._registry import registered
from pdejax.core._scaling import Scaling
from pdejax.core._spelt import bind
from pdejax.core._types import STEPPER, Key, Stepper

_Function = TypeVar("_Function", bound=Callable[..., Any])


def checked(function: _Function) -> _Function:
    """A constructor or function whose arguments are held against the choices and bounds of their annotations.

    Numbers and flags of NumPy, alone or in a sequence, come in as those of Python.

    **Raises:** `ValueError` when called with a value that is none of the choices or out of bounds; `TypeError` for a
    call that does not fit the signature.
    """

    @functools.wraps(function)
    def call(*arguments: Any, **keywords: Any) -> Any:
        given, named = [*map(_plain, arguments)], {name: _plain(value) for name, value in keywords.items()}
        bound = bind(function, given, named)
        check_arguments(function, bound.arguments)
        return function(*bound.args, **bound.kwargs)

    return call  # type: ignore[return-value]


def _plain(value: Any) -> Any:
    if isinstance(value, np.integer | np.bool_ | np.floating):
        return value.item()
    if type(value) in (tuple, list) and any(isinstance(one, np.integer | np.bool_ | np.floating) for one in value):
        return type(value)(map(_plain, value))
    return value


def check_options(value: object) -> None:
    """Holds an object against the annotations of its class, whose constructor is made of its fields.

    **Raises:** `ValueError` that names the option, what it was and what it can be.
    """
    for name, annotation in _annotations(type(value)).items():
        _check(name, annotation, getattr(value, name))


def check_arguments(function: Callable[..., Any], values: Mapping[str, Any]) -> None:
    """Holds arguments against the annotations of the function that they are for.

    **Raises:** `ValueError` that names the option, what it was and what it can be.
    """
    for name, annotation in _annotations(function).items():
        if name in values:
            _check(name, annotation, values[name])


def check_key(key: Any) -> None:
    """**Raises:** `ValueError` for what is no random key, nor none."""
    _check("key", Key | None, key)


def check_stepper(name: str, given: Any) -> None:
    """**Raises:** `ValueError` for what is no Stepper, which is called `name`."""
    _check(name, Stepper, given)


@functools.lru_cache(maxsize=512)
def _annotations(function: Any) -> Mapping[str, Any]:
    signature = inspect.signature(function, eval_str=True)
    return {name: p.annotation for name, p in signature.parameters.items() if p.annotation is not p.empty}


def _check(name: str, annotation: Any, value: Any) -> None:
    members = members_of(annotation)
    kinds = [_bare(part) for part in members]
    named = [_named(kind) for kind in kinds]
    if kinds and all(named) and not any(_is(kind, value) for kind in kinds):
        made = [_MADE[kind] for kind in kinds if kind in _MADE]
        *others, last = made or dict.fromkeys(filter(None, named))
        wanted = f"{', '.join(others)} or {last}" if others else last
        raise ValueError(f"{name} should be {wanted}, got {_short(value)}")
    if int in kinds and float not in kinds and isinstance(value, Tracer):
        raise ValueError(f"{name} should be a whole number, got a traced one: mark it static")
    choices = [c for part in members if typing.get_origin(_bare(part)) is Literal for c in typing.get_args(_bare(part))]
    words = all(isinstance(choice, str) for choice in choices) and isinstance(value, str)
    if choices and not any(np.ndim(value) == 0 and value == one for one in choices) and (words or len(members) == 1):
        raise ValueError(known(name, value, choices))
    for part in (annotation, *members):
        for mark in getattr(part, "__metadata__", ()):
            _hold(name, mark, value)
    for part in members:
        items = typing.get_args(_bare(part)) if typing.get_origin(_bare(part)) in (tuple, Sequence) else ()
        if isinstance(value, tuple | list) and items:
            for one in value:
                _check(name, items[0], one)


_PLAIN = {int: "a whole number", float: "a number", bool: "true or false", str: "text", type(None): "none"}
_KEYS = typing.get_args(Key)  # of the types that JAX has for them
_CALLED: Mapping[Any, str] = {Callable: "a function", Sequence: "a sequence"}
_MADE: Mapping[Any, str] = {Scaling: "a Scaling, such as pdejax.Scaling(length=2.0)", Stepper: STEPPER}


def _named(kind: Any) -> str | None:
    """What people call a type, where values are held against it."""
    if kind in _KEYS:
        return "a random key (jax.random.key(0))"
    return _PLAIN.get(kind) or _MADE.get(kind) or _CALLED.get(typing.get_origin(kind))


def _is(kind: Any, value: Any) -> bool:
    """Whether a value is of a type; an array may stand for a number, what is traced among them."""
    if kind in _KEYS:
        of, shape = getattr(value, "dtype", None), getattr(value, "shape", None)
        return (of == np.uint32 and shape in ((2,), (4,))) or (
            of is not None and jax.dtypes.issubdtype(of, jax.dtypes.prng_key) and shape == ()
        )
    if typing.get_origin(kind) is Callable or kind is Stepper:
        return callable(value)
    if typing.get_origin(kind) is Sequence:
        if isinstance(value, str | bytes | Mapping) or getattr(value, "shape", (1,)) == ():
            return False
        return hasattr(value, "__len__") and hasattr(value, "__getitem__")
    if kind in (int, float) and hasattr(value, "dtype") and not getattr(value, "shape", ()):
        real = jax.dtypes.issubdtype(value.dtype, np.floating) and kind is float
        return real or jax.dtypes.issubdtype(value.dtype, np.integer)
    if isinstance(value, bool):
        return kind is bool
    return isinstance(value, int | float if kind is float else kind)


def _short(value: Any) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= 80 else f"{text[:80]}..."


def _bare(annotation: Any) -> Any:
    return typing.get_args(annotation)[0] if typing.get_origin(annotation) is Annotated else annotation


def _hold(name: str, mark: Any, value: Any) -> None:
    if isinstance(mark, NameOf) and isinstance(value, str) and value not in registered(mark.group):
        raise ValueError(known(name, value, registered(mark.group)))
    if isinstance(mark, MinLen) and isinstance(value, tuple | list) and len(value) < mark.min_length:
        raise ValueError(f"{name} should have at least {mark.min_length} entry, got {value!r}")
    if isinstance(value, np.ndarray | np.number | jax.Array) and not (np.ndim(value) or isinstance(value, Tracer)):
        value = value.item()  # an array of one number is held to the same bounds
    if isinstance(value, bool) or not isinstance(value, int | float):
        return
    bounds = tuple(mark) if isinstance(mark, Interval) else (mark,)
    for bound in bounds:
        if (sentence := _broken(bound, value)) is not None:
            raise ValueError(f"{name} should be {sentence}, got {value!r}")


def _broken(bound: Any, value: Any) -> str | None:
    """What a value should be to keep a bound that it breaks."""
    if bound is IsFinite and value - value != 0:
        return "a finite number"
    if isinstance(bound, Ge) and not value >= bound.ge:  # type: ignore[operator]
        return f"greater than or equal to {bound.ge}"
    if isinstance(bound, Gt) and not value > bound.gt:  # type: ignore[operator]
        return f"greater than {bound.gt}"
    if isinstance(bound, Le) and not value <= bound.le:  # type: ignore[operator]
        return f"less than or equal to {bound.le}"
    if isinstance(bound, Lt) and not value < bound.lt:  # type: ignore[operator]
        return f"less than {bound.lt}"
    return None
