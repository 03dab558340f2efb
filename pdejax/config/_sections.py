"""Sections made of signatures: an option is declared where it is used, by the constructor that takes it.

The types of a configuration are made for its values: the `kind` of a section names a factory, whose arguments with
their annotations, defaults and marks are the section's keys. Nothing about a kind is known here.
"""

import functools
import inspect
import types
import typing
from collections.abc import Callable, Collection, Mapping
from typing import Annotated, Any, Literal

import annotated_types
from pydantic import BaseModel, BeforeValidator, Field, Strict, create_model
from pydantic_core import PydanticCustomError

from pdejax.config._types import Section, fault
from pdejax.core import Given, Of, PerAxis, describe, factory_of, group_of, options_of

Groups = Mapping[str, Collection[str]]


def _whole(value: Any) -> Any:
    """YAML reads 1e5 as a float; as a count it is meant as an integer."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _number(value: Any) -> Any:
    """YAML reads 2 as an integer; as a length it is meant as a float."""
    return float(value) if type(value) is int else value


_PLAIN: Mapping[Any, Any] = {
    int: Annotated[int, Strict(), BeforeValidator(_whole)],
    float: Annotated[float, Strict(), BeforeValidator(_number)],
    bool: Annotated[bool, Strict()],
    str: Annotated[str, Strict()],
}


def section_of(group: str, value: Any, context: Collection[str] = (), *, ndim: int | None = None) -> Any:
    """The type of a section whose `kind` is one of a group, made for a value of it.

    **Arguments:** `group`: see `pdejax.register`; `value`: what the section holds; `context`: arguments of its factory
    that are no options, for whoever builds the object gives them; `ndim`: axes of space, if they are known.

    **Returns:** a type for pydantic; one that refuses the value with a sentence, where there is no factory for it.
    """
    if not isinstance(value, Mapping):
        return _refusing("dict_type", value)
    if "kind" not in value:
        return _refusing("no_kind", value)
    try:
        factory = factory_of(group, value["kind"])
    except ValueError as error:
        return _refusing("unknown_kind", value, str(error))
    return section(factory, value, context, ndim=ndim, kind=value["kind"])


def _refusing(kind: str, value: Any, sentence: str = "") -> Any:
    def refuse(_: Any) -> Any:
        raise PydanticCustomError(kind, "{sentence}", {"sentence": sentence})  # type: ignore[arg-type]

    return Annotated[Any, BeforeValidator(refuse)]


def section(
    factory: Callable[..., Any],
    value: Mapping[str, Any],
    context: Collection[str] = (),
    *,
    ndim: int | None = None,
    kind: str | None = None,
    base: type[Section] = Section,
) -> type[BaseModel]:
    """The type of a section that holds a factory's options.

    **Arguments:** `factory`: a class or function; `value`: what the section holds, which tells the kinds of sections
    below it; `context`, `ndim`: see `section_of`; `kind`: its name, where it has one.
    """
    fields: dict[str, Any] = {} if kind is None else {"kind": (Literal[kind], kind)}
    for name, parameter in options_of(factory).items():
        if name in context or name == "self" or _is_given(parameter.annotation):
            continue
        fields[name] = _field(parameter, value.get(name), ndim)
    return create_model(getattr(factory, "__name__", "Section"), __base__=base, **fields)


def _is_given(annotation: Any) -> bool:
    return any(isinstance(mark, Given) for mark in getattr(annotation, "__metadata__", ()))


def _field(parameter: inspect.Parameter, value: Any, ndim: int | None) -> tuple[Any, Any]:
    group, default = group_of(parameter.annotation), parameter.default
    if group is None:
        kind = converted(parameter.annotation, value, ndim)
        return kind, ... if default is inspect.Parameter.empty else _plain(default)
    kind = section_of(group, value, ndim=ndim) if value is not None else Any
    if _takes_none(parameter.annotation):
        kind = kind | None if isinstance(kind, type) else kind
    if default is inspect.Parameter.empty:
        return kind, ...
    # a default is an object already, which needs no checks
    return kind, None if default is None else Field(default_factory=functools.partial(describe, default))


def _plain(default: Any) -> Any:
    if isinstance(default, Mapping | list):
        return Field(default_factory=lambda: default)
    return default


def _takes_none(annotation: Any) -> bool:
    return any(part is type(None) for part in _members(annotation))


def _members(annotation: Any) -> tuple[Any, ...]:
    """The alternatives of a union, marks left out."""
    while typing.get_origin(annotation) is Annotated:
        annotation = typing.get_args(annotation)[0]
    if isinstance(annotation, types.UnionType) or typing.get_origin(annotation) is typing.Union:
        return tuple(member for part in typing.get_args(annotation) for member in _members(part))
    return (annotation,)


def converted(annotation: Any, value: Any = None, ndim: int | None = None) -> Any:
    """What pydantic is told of an annotation: numbers are not taken for words, nor words for numbers.

    **Arguments:** `annotation`; `value`: what is there, which tells the kinds of sections below; `ndim`: axes of space.
    """
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if annotation in _PLAIN:
        return _PLAIN[annotation]
    if origin is Annotated:
        return _annotated(arguments[0], arguments[1:], value, ndim)
    if origin is Literal or annotation is None or annotation is type(None) or annotation is Any:
        return annotation
    if origin in (types.UnionType, typing.Union):
        return typing.Union[tuple(converted(one, value, ndim) for one in arguments)]  # noqa: UP007
    if origin in (tuple, list):
        # what YAML lists is a tuple, one word or number alone is not one
        return tuple[tuple(one if one is ... else converted(one, None, ndim) for one in arguments)]
    if isinstance(origin, type) and issubclass(origin, typing.cast(type, typing.Sequence.__origin__)):  # type: ignore
        return tuple[converted(arguments[0], None, ndim), ...]
    if isinstance(origin, type) and issubclass(origin, Mapping):
        key, item = arguments
        return dict[converted(key), _items(item, value, ndim)]
    if isinstance(annotation, type) and _has_options(annotation):
        return section(annotation, value if isinstance(value, Mapping) else {}, ndim=ndim)
    return Any


def _items(item: Any, value: Any, ndim: int | None) -> Any:
    """What the values of a mapping are; of sections each is made for what it holds."""
    return converted(item, None, ndim)


def _has_options(annotation: type) -> bool:
    """Whether a class is a plain record of options, written as a section without a kind."""
    import dataclasses

    return dataclasses.is_dataclass(annotation)


def _annotated(inner: Any, marks: tuple[Any, ...], value: Any, ndim: int | None) -> Any:
    kept = [mark for mark in marks if not isinstance(mark, Of | PerAxis | Given | str)]
    kind: Any = converted(inner, value, ndim)
    kept = [Field(allow_inf_nan=False) if mark is annotated_types.IsFinite else mark for mark in kept]
    if any(isinstance(mark, PerAxis) for mark in marks):
        return Annotated[Any, BeforeValidator(functools.partial(_per_axis, kind, ndim))]
    for mark in kept:
        kind = Annotated[kind, mark]
    return kind


def _per_axis(kind: Any, ndim: int | None, value: Any) -> Any:
    """One value for all axes, or one for each."""
    from pydantic import TypeAdapter, ValidationError

    try:
        checked = TypeAdapter(kind).validate_python(value)
    except ValidationError:
        raise fault(
            f"should be {_WORDS.get(_scalar(kind), 'a value')} or a list of one per axis, got {value!r}"
        ) from None
    if isinstance(checked, tuple) and ndim is not None and len(checked) != ndim:
        raise fault(f"should have one entry for each of {ndim} axes, got {list(checked)}")
    return checked
