"""Calls that do not fit a signature, told by the name of what was called and the nearest word that it has."""

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from pdejax._suggest import known

_Called = TypeVar("_Called", bound=Callable[..., Any])
_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
_MARK = "tells_its_words"  # of a function that was wrapped before


def spelt(called: _Called) -> _Called:
    """A function, or a class by its constructor, that tells which word of a call it does not know, or misses.

    A class stays the one that it is. Nothing is looked at before a call has failed.

    **Raises:** `TypeError` when called, as Python does, with a sentence.
    """
    if isinstance(called, type):
        if called.__init__ is not object.__init__ and not hasattr(called.__init__, _MARK):
            called.__init__ = _told(called.__init__)  # type: ignore[misc]
        return called  # pyright: ignore[reportReturnType]
    return _told(called)


def _told(function: Any) -> Any:
    @functools.wraps(function)
    def call(*arguments: Any, **keywords: Any) -> Any:
        try:
            return function(*arguments, **keywords)
        except TypeError:
            bind(function, arguments, keywords)  # tells what did not fit, where it is this call
            raise

    setattr(call, _MARK, True)
    return call


def bind(function: Any, arguments: Sequence[Any], keywords: Mapping[str, Any]) -> inspect.BoundArguments:
    """The arguments of a call by name.

    **Raises:** `TypeError` for a call that does not fit the signature.
    """
    signature = _signature(function)
    try:
        return signature.bind(*arguments, **keywords)
    except TypeError:
        raise TypeError(f"{_called(function)}: {_fault(signature, arguments, keywords)}") from None


_signature = functools.lru_cache(maxsize=512)(inspect.signature)


def _called(function: Any) -> str:
    """What people call it: the constructor of a class by the name of the class."""
    place = getattr(function, "__qualname__", repr(function)).removesuffix(".__init__")
    return place.rpartition("<locals>.")[2]


def _fault(signature: inspect.Signature, arguments: Sequence[Any], keywords: Mapping[str, Any]) -> str:
    """Why a call does not fit."""
    every = signature.parameters
    open_ended = any(p.kind is p.VAR_KEYWORD for p in every.values())
    own = {"self"} if next(iter(every), None) == "self" else set()
    names = [name for name, p in every.items() if p.kind in _NAMED and name not in own]
    for name in keywords:
        if name not in names and not open_ended:
            return known("argument", name, names)
    places = [name for name, p in every.items() if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    if len(arguments) > len(places):
        allowed = len(places) - len(own)
        return f"{allowed} arguments may be given without a name, got {len(arguments) - len(own)}: name the others"
    for name in places[: len(arguments)]:
        if name in keywords:
            return f"the argument {name!r} is given twice"
    given = {*places[: len(arguments)], *keywords}
    missing = [n for n, p in every.items() if p.kind in (*_NAMED, p.POSITIONAL_ONLY) and p.default is p.empty
               and n not in given]  # fmt: skip
    return f"the argument {missing[0]!r} is missing"
