"""Classes of Flax as factories of networks, so that a description names them as it names ours."""

import functools
import inspect
from collections.abc import Callable
from typing import Any

from pdejax.core import flax_class
from pdejax.networks.flax.nnx import constructed

# what Flax gives to the constructor of a module inside of another one, and what is made of our key
_NO_OPTIONS = ("parent", "name", "rngs", "key")


@functools.lru_cache(maxsize=256)
def factory(cls: type) -> Callable[..., Any]:
    """What makes a network, or a Linen module that is yet without parameters, of a class of Flax.

    **Returns:** a function whose signature has the constructor's options and `key`.
    """
    nnx = flax_class(cls) == "nnx"

    def make(*, key: Any, **options: Any) -> Any:
        return constructed(cls, options, key) if nnx else cls(**options)

    given: Any = make
    given.__name__, given.__qualname__, given.__module__ = cls.__name__, cls.__qualname__, cls.__module__
    given.__wrapped__, given.__signature__ = cls, _signature(cls)
    return make


def _is_plain(default: Any) -> bool:
    """Whether a description can say such a value: a function or a type stays what it is by default."""
    if isinstance(default, tuple | list):
        return all(map(_is_plain, default))
    return default in (None, inspect.Parameter.empty) or isinstance(default, bool | int | float | str)


def _signature(cls: type) -> inspect.Signature:
    """The constructor's own: that of the class is of a metaclass in NNX."""
    constructor: Any = cls.__init__
    try:
        found = inspect.signature(constructor, eval_str=True)
    except NameError:  # an annotation of what is only imported for type checkers
        found = inspect.signature(constructor)
        found = found.replace(parameters=[p.replace(annotation=p.empty) for p in found.parameters.values()])
    _, *given = found.parameters.values()
    options = [p for p in given if p.name not in _NO_OPTIONS and p.kind is not p.VAR_KEYWORD and _is_plain(p.default)]
    return inspect.Signature([*options, inspect.Parameter("key", inspect.Parameter.KEYWORD_ONLY)])
