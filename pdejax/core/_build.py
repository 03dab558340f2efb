"""Objects from descriptions and back: a mapping with a `kind` and options, or the object itself."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from pdejax._suggest import known
from pdejax.core._annotations import mark_of, record_of
from pdejax.core._check import check_arguments
from pdejax.core._foreign import flax_library
from pdejax.core._frozen import Frozen
from pdejax.core._registry import factory_of, kind_of, options_of
from pdejax.core._structure import is_structure, rebuilt


def build(group: str, given: Any, /, **context: Any) -> Any:
    """The object that a mapping such as `{"kind": "fno", "width": 32}` describes; an object is given back.

    **Arguments:**

    - `group`: see `register`.
    - `given`: a mapping, the name of a kind alone, or an object that is ready.
    - `context`: what is not an option, such as sizes and the random key; a factory gets those its signature has.

    **Raises:** `ValueError` for an unknown kind or option, with the nearest spelling, and what the factory refuses.
    """
    if isinstance(given, str):
        given = {"kind": given}
    if not isinstance(given, Mapping):
        return given
    if is_structure(given):
        return rebuilt(given)
    if "kind" not in given:
        raise ValueError(f"a {group} is an object or a mapping with a 'kind', got {dict(given)}")
    kind, options = given["kind"], {name: value for name, value in given.items() if name != "kind"}
    factory = factory_of(group, kind)
    return _make(factory, f"{group} {kind!r}", options, context, group)


def _make(
    factory: Callable[..., Any], what: str, options: Mapping[str, Any], context: Mapping[str, Any], group: str = ""
) -> Any:
    arguments = options_of(factory)
    names = [name for name in options_of(factory, group) if name not in context]
    for name in options:
        if name not in names:
            raise ValueError(known(f"option of {what}:", name, names))
    missing = [n for n in names if arguments[n].default is arguments[n].empty and n not in options]
    if missing:
        raise ValueError(f"{what} needs the option {missing[0]!r}, got {sorted(options)}")
    ready = {name: _nested(arguments[name].annotation, value) for name, value in options.items()}
    check_arguments(factory, ready)
    return factory(**ready, **{name: value for name, value in context.items() if name in arguments})


def _nested(annotation: Any, value: Any) -> Any:
    """Sections and lists of an option as its annotation wants them: objects and tuples."""
    mark, record = mark_of(annotation), record_of(annotation)
    if is_structure(value):
        return rebuilt(value)
    if mark is not None and not mark.later and isinstance(value, Mapping | str):
        return build(mark.group, value)
    if mark is None and record is not None and isinstance(value, Mapping):
        return _make(record, record.__name__, value, {})
    return _tuples(value)


def _tuples(value: Any) -> Any:
    """Containers that have a hash."""
    if isinstance(value, Mapping):
        return Frozen({name: _tuples(one) for name, one in value.items()})
    return tuple(map(_tuples, value)) if isinstance(value, list | tuple) else value


def describe(value: Any, otherwise: Callable[[Any], Any] | None = None) -> Any:
    """The plain JSON value that `build` makes an equal object of.

    **Arguments:** `value`: a number, word, sequence or mapping, or an object of a registered class that keeps each of
    its constructor's arguments as an attribute of the same name; `otherwise`: describes an object of a class that is
    not registered, `structure` for example.

    **Raises:** `ValueError` if it holds something that no file can hold, naming it.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return [describe(one, otherwise) for one in value]
    if isinstance(value, Mapping):
        return {str(name): describe(one, otherwise) for name, one in value.items()}
    if getattr(value, "shape", None) == () and hasattr(value, "item"):  # an array of one number, as short as it reads
        return type(value.item())(str(np.asarray(value)[()]))
    found = None if flax_library(value) else kind_of(value)  # whose options are not attributes alone
    name = f"{type(value).__module__}.{type(value).__qualname__}"
    if found is None and otherwise is not None:
        return otherwise(value)
    if found is None:
        raise ValueError(f"{name} cannot be saved: it is not registered; "
                         f"call pdejax.register(group, name, {type(value).__name__})")  # fmt: skip
    return {"kind": found[1], **_described(value, otherwise, found[0])}


def _described(value: Any, otherwise: Callable[[Any], Any] | None, group: str = "") -> dict[str, Any]:
    """All options of an object, those at their defaults too."""
    plain, arguments = {}, options_of(type(value), group)
    for name, argument in arguments.items():
        if not hasattr(value, name):
            what = type(value).__qualname__
            raise ValueError(f"{what} cannot be saved: it keeps no attribute of its argument {name!r}")
        one = getattr(value, name)
        record = record_of(argument.annotation)
        plain[name] = (
            _described(one, otherwise)
            if record is not None and type(one) is record and kind_of(one) is None
            else describe(one, otherwise)
        )
    return plain
