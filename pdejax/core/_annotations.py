"""What the annotation of an option says."""

import dataclasses
import types
import typing
from typing import Annotated, Any

from pdejax.core._options import Of


def members_of(annotation: Any) -> tuple[Any, ...]:
    """The alternatives of an annotation, each with its marks."""
    inner = typing.get_args(annotation)[0] if typing.get_origin(annotation) is Annotated else annotation
    if isinstance(inner, types.UnionType) or typing.get_origin(inner) is typing.Union:
        return tuple(member for part in typing.get_args(inner) for member in members_of(part))
    return (annotation,)


def mark_of(annotation: Any) -> Of | None:
    """The mark of an option that is an object of a group, alone or as an alternative to none."""
    for part in (annotation, *members_of(annotation)):
        for mark in getattr(part, "__metadata__", ()):
            if isinstance(mark, Of):
                return mark
    return None


def record_of(annotation: Any) -> type | None:
    """The class of an option that is a plain record of further options, alone or as an alternative to none."""
    for part in members_of(annotation):
        inner = typing.get_args(part)[0] if typing.get_origin(part) is Annotated else part
        if isinstance(inner, type) and dataclasses.is_dataclass(inner):
            return inner
    return None
