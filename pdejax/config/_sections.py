"""Sections made of signatures: an option is declared where it is used, by the constructor that takes it.

The types of a configuration are made for its values: the `kind` of a section names a factory, whose arguments with
their annotations, defaults and marks are the section's keys. Nothing about any kind is known here.
"""

import dataclasses
import functools
import inspect
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal

from annotated_types import IsFinite
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    Strict,
    TypeAdapter,
    ValidationError,
    WrapValidator,
    create_model,
)
from pydantic_core import PydanticCustomError

from pdejax.config._types import Section, Text, fault, whole
from pdejax.core import (
    Given,
    NameOf,
    Noted,
    Of,
    PerAxis,
    describe,
    factory_of,
    mark_of,
    members_of,
    options_of,
    record_of,
    registered,
)


def section_of(group: str, value: Any, *, ndim: int | None = None) -> Any:
    """The type of a section whose `kind` is one of a group, made for a value of it.

    **Arguments:** `group`: see `pdejax.register`; `value`: what the section holds; `ndim`: axes of space, if known.

    **Returns:** a type for pydantic; one that refuses the value in a sentence where no factory takes it.
    """
    if isinstance(value, Section):
        return type(value)
    if not isinstance(value, Mapping):
        return _refusing("dict_type")
    if "kind" not in value:
        return _refusing("no_kind", known=sorted(registered(group)))
    try:
        factory = factory_of(group, value["kind"])
    except ValueError as error:
        whole = str(error)
        meant = whole if ":" in str(value["kind"]) else whole.partition(".")[2].strip()
        return _refusing("unknown_kind", sentence=meant, kind=value["kind"])
    return section(factory, value, group, ndim=ndim, kind=value["kind"])


def several_of(group: str, values: Sequence[Any]) -> Any:
    """The type of a list of names and sections of a group, made for these values."""
    named = Annotated[Any, AfterValidator(functools.partial(_name_of, group))]
    kinds = tuple(section_of(group, one) if isinstance(one, Mapping | Section) else named for one in values)
    return tuple[kinds] if kinds else tuple[()]  # type: ignore[valid-type]


def _refusing(mistake: str, **about: Any) -> Any:
    def refuse(_: Any) -> Any:
        raise PydanticCustomError(mistake, "refused", about)  # type: ignore[arg-type]

    return Annotated[Any, BeforeValidator(refuse)]


def section(
    factory: Callable[..., Any],
    value: Any,
    group: str | None = None,
    *,
    ndim: int | None = None,
    kind: str | None = None,
) -> type[Section]:
    """The type of a section that holds a factory's options.

    **Arguments:** `factory`: a class or function; `value`: what the section holds, which tells the kinds of sections
    below it; `group`, `ndim`: see `section_of`; `kind`: the name it goes by, where it has one.
    """
    fields: dict[str, Any] = {} if kind is None else {"kind": (Literal[kind], kind)}  # type: ignore[valid-type]
    fields |= fields_of(factory, value, group, ndim=ndim)
    return create_model(getattr(factory, "__name__", "Section"), __base__=Section, **fields)


def fields_of(
    factory: Callable[..., Any], value: Any, group: str | None = None, *, ndim: int | None = None
) -> dict[str, Any]:
    """Types and defaults of a factory's options, as pydantic's `create_model` takes them; see `section`."""
    held = value if isinstance(value, Mapping) else {}
    record: Any = factory
    made = {f.name: f.default_factory for f in dataclasses.fields(record)} if dataclasses.is_dataclass(record) else {}
    return {
        name: (
            _type(argument, held[name], ndim) if name in held else Any,
            _noted(factory, name) if _marked(argument.annotation, Noted) else _default(argument, made.get(name)),
        )
        for name, argument in options_of(factory, group).items()
        if not _marked(argument.annotation, Given)
    }


def _marked(annotation: Any, mark: type) -> bool:
    return any(isinstance(one, mark) for part in (annotation, *members_of(annotation))
               for one in getattr(part, "__metadata__", ()))  # fmt: skip


def _default(argument: inspect.Parameter, made: Any) -> Any:
    """An argument's default as a configuration writes it, or what makes one; `...` where it must be given."""
    if made not in (None, dataclasses.MISSING):
        return Field(default_factory=made)
    if argument.default is argument.empty:
        return ...
    plain = describe(argument.default) if mark_of(argument.annotation) else argument.default
    if record_of(argument.annotation) is not None and plain is not None and not isinstance(plain, Mapping):
        plain = {name: getattr(plain, name) for name in options_of(type(plain))}
    return Field(default_factory=lambda: plain)


def _noted(factory: Callable[..., Any], name: str) -> Any:
    """A default that is what the factory finds for an option; none where it refuses, and is asked again to say why."""

    def find(others: dict[str, Any]) -> Any:
        try:
            return getattr(factory(**{key: value for key, value in others.items() if key != "kind"}), name)
        except (TypeError, ValueError):
            return None

    return Field(default_factory=find)


def _type(argument: inspect.Parameter, value: Any, ndim: int | None) -> Any:
    """The type of an option that holds this value."""
    annotation = argument.annotation
    mark, record = mark_of(annotation), record_of(annotation)
    if mark is None and record is None:
        return converted(annotation, ndim)
    if value is None:
        optional = argument.default is None or type(None) in members_of(annotation)
        return Any if optional else _refusing("dict_type")
    if mark is not None:
        usual = _default_of_kind(argument, mark.group)
        if usual is None or not isinstance(value, Mapping) or "kind" in value:
            return _held_type(annotation, value, ndim)
        # other options of what is there when nothing is said
        filled = lambda given: {**usual, **given} if isinstance(given, Mapping) else given
        return Annotated[_held_type(annotation, filled(value), ndim), BeforeValidator(filled)]
    assert record is not None
    others = [part for part in members_of(annotation) if part is not record and part is not type(None)]
    if not isinstance(value, Mapping) and others:
        return converted(annotation, ndim)
    return section(record, value, ndim=ndim) if isinstance(value, Mapping | Section) else _refusing("dict_type")


def _default_of_kind(argument: inspect.Parameter, group: str) -> Mapping[str, Any] | None:
    """The section of an option's default, where that is an object of a group or the name of one."""
    plain = None if argument.default is argument.empty else describe(argument.default)
    if isinstance(plain, str) and plain in registered(group):
        return {"kind": plain}
    return plain if isinstance(plain, Mapping) and "kind" in plain else None


def _held_type(annotation: Any, value: Any, ndim: int | None) -> Any:
    """The type of an object of a group, or of the plain value that its annotation takes instead of one."""
    mark, others = mark_of(annotation), _beside(annotation)
    assert mark is not None
    if isinstance(value, str):
        return Annotated[str, AfterValidator(functools.partial(_name_of, mark.group))]
    if isinstance(value, Mapping | Section) or not others:
        return section_of(mark.group, value, ndim=ndim)
    lists = [one for one in others if typing.get_origin(one) is tuple]
    numbers = [one for one in others if one not in lists]
    return converted(((lists if isinstance(value, list | tuple) else numbers) or others)[0], ndim)


def _beside(annotation: Any) -> list[Any]:
    """The plain alternatives to an object of a group."""
    inner = lambda part: typing.get_args(part)[0] if typing.get_origin(part) is Annotated else part
    plain = lambda part: mark_of(part) is None and (typing.get_origin(part) is tuple or inner(part) in _PLAIN)
    return list(filter(plain, members_of(annotation)))


def _held(annotation: Any, ndim: int | None, value: Any) -> Any:
    """What stands in a list or mapping, whose type is that of its value."""
    kind: Any = _held_type(annotation, value, ndim)
    return TypeAdapter(kind).validate_python(value)


_PLAIN: Mapping[Any, Any] = {
    int: Annotated[int, Strict(), BeforeValidator(whole)],
    float: Annotated[float, Strict()],
    bool: Annotated[bool, Strict()],
    str: Text,
}


def converted(annotation: Any, ndim: int | None = None) -> Any:
    """What pydantic is told of a plain annotation: numbers are not taken for words, nor words for numbers.

    **Arguments:** `annotation`: as a constructor has it; `ndim`: axes of space, if they are known.
    """
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if annotation in _PLAIN:
        return _PLAIN[annotation]
    if mark_of(annotation) is not None:
        return Annotated[Any, BeforeValidator(functools.partial(_held, annotation, ndim))]
    if origin is Annotated:
        return _annotated(arguments[0], arguments[1:], ndim)
    if origin is types.UnionType or origin is typing.Union:
        return typing.Union[tuple(converted(one, ndim) for one in arguments)]  # noqa: UP007
    if origin is tuple:
        return tuple[tuple(one if one is ... else converted(one, ndim) for one in arguments)]  # type: ignore[misc]
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return dict[converted(arguments[0]), converted(arguments[1])]  # type: ignore[misc]
    if isinstance(origin, type) and issubclass(origin, Sequence):
        return tuple[converted(arguments[0], ndim), ...]
    if isinstance(annotation, type) and record_of(annotation) is not None:
        return section(annotation, {}, ndim=ndim)
    return annotation if origin is Literal or annotation in (None, type(None)) else Any


def _annotated(inner: Any, marks: Sequence[Any], ndim: int | None) -> Any:
    kind: Any = converted(inner, ndim)
    for mark in marks:
        if mark is IsFinite:
            kind = Annotated[kind, Field(allow_inf_nan=False)]
        elif isinstance(mark, NameOf):
            kind = Annotated[Any, AfterValidator(functools.partial(_name_of, mark.group))]
        elif not isinstance(mark, Of | PerAxis | Given | Noted | str):
            kind = Annotated[kind, mark]
    if any(isinstance(mark, PerAxis) for mark in marks):
        return Annotated[kind, WrapValidator(functools.partial(_per_axis, ndim, _word(inner)))]
    return kind


def _name_of(group: str, value: Any) -> Any:
    """A word that names something registered."""
    if not isinstance(value, str) or value not in registered(group):
        raise PydanticCustomError("literal_error", "unknown", {"expected": " ".join(map(repr, registered(group)))})
    return value


def _word(annotation: Any) -> str:
    """What one entry of an option by axis is called."""
    parts = {type_ for part in members_of(annotation) for type_ in (part, *typing.get_args(part))}
    names = {bool: "true or false", float: "a number", int: "a positive number", str: "a word"}
    return next((name for kind, name in names.items() if kind in parts), "a value")


def _per_axis(ndim: int | None, word: str, value: Any, check: Callable[[Any], Any]) -> Any:
    """One value for all axes, or one for each."""
    try:
        checked = check(value)
    except ValidationError:
        raise fault(f"should be {word} or a list of one per axis, got {value!r}") from None
    if isinstance(checked, tuple) and ndim is not None and len(checked) != ndim:
        raise fault(f"should have one entry for each of {ndim} axes, got {list(checked)}")
    return checked
