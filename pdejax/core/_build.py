"""Objects from descriptions and back: a mapping with a `kind` and options, or the object itself."""

import typing
from collections.abc import Mapping
from typing import Any

from pdejax._suggest import known
from pdejax.core._options import Of
from pdejax.core._registry import factory_of, kind_of, options_of


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
    if "kind" not in given:
        raise ValueError(f"a {group} is an object or a mapping with a 'kind', got {dict(given)}")
    kind, options = given["kind"], {name: value for name, value in given.items() if name != "kind"}
    factory = factory_of(group, kind)
    arguments = options_of(factory)
    names = [name for name in arguments if name not in context]
    for name in options:
        if name not in names:
            raise ValueError(known(f"option of {group} {kind!r}:", name, names))
    ready = {name: _nested(arguments[name].annotation, value) for name, value in options.items()}
    return factory(**ready, **{name: value for name, value in context.items() if name in arguments})


def _nested(annotation: Any, value: Any) -> Any:
    """Sections and lists of an option as its annotation wants them: objects and tuples."""
    group = group_of(annotation)
    if group is not None and isinstance(value, Mapping | str):
        return build(group, value)
    return _tuples(value)


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list | tuple) else value


def group_of(annotation: Any) -> str | None:
    """The group of an option's objects, where its annotation says one, alone or as an alternative to none."""
    for part in (annotation, *typing.get_args(annotation)):
        for mark in getattr(part, "__metadata__", ()):
            if isinstance(mark, Of):
                return mark.group
    return None


def describe(value: Any) -> Any:
    """The plain JSON value that `build` makes an equal object of.

    **Arguments:** `value`: a number, word, sequence or mapping, or an object of a registered class that keeps each of
    its constructor's arguments as an attribute of the same name.

    **Raises:** `ValueError` if it holds something that no file can hold, naming it.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return [describe(one) for one in value]
    if isinstance(value, Mapping):
        return {str(name): describe(one) for name, one in value.items()}
    found = kind_of(value)
    if found is None:
        raise ValueError(f"{type(value).__module__}.{type(value).__qualname__} cannot be saved: it is not registered; "
                         f"call pdejax.register(group, name, {type(value).__name__})")  # fmt: skip
    arguments = options_of(type(value))
    for name in arguments:
        if not hasattr(value, name):
            raise ValueError(f"{found[0]} {found[1]!r} cannot be saved: it keeps no attribute {name!r} of the argument")
    return {"kind": found[1], **{name: describe(getattr(value, name)) for name in arguments}}
