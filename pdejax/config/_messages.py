"""Validation errors as sentences: where the value was set, what is wrong, what was probably meant."""

import re
from collections.abc import Collection, Iterator, Mapping
from difflib import SequenceMatcher
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from pdejax._suggest import meant, nearest, suggestion
from pdejax.config._compose import Composition, dotted, has
from pdejax.config._yaml import Key

CLOSE = 0.85  # of all letters: a slip of the hand


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)


def all_keys(model: type[BaseModel]) -> Iterator[Key]:
    """Every key that a type knows, sections included, of all kinds."""
    for name, field in model.model_fields.items():
        yield (name,)
        if get_origin(field.annotation) is tuple:  # what stands in a list has no name of its own
            continue
        for below in _models(field.annotation):
            yield from ((name, *key) for key in all_keys(below))


def _first_below(model: type[BaseModel], section: Key) -> Key:
    """A key that a section has to have, where one is known."""
    below = [key for key in all_keys(model) if len(key) == len(section) + 1 and key[:-1] == section]
    return next(iter(below), ())


def _key(values: Any, location: tuple[str | int, ...], kind: str) -> Key:
    """The user's key of an error's location, which also holds the names of union members."""
    key: Key = ()
    for i, part in enumerate(location):
        is_absent = kind == "missing" and i == len(location) - 1
        if is_absent or has(values, (*key, part)):
            key = (*key, part)
    return key


def _present(values: Any, above: Key = ()) -> Iterator[Key]:
    """Every key of a composition."""
    for name, value in values.items() if isinstance(values, Mapping) else ():
        yield (*above, name)
        yield from _present(value, (*above, name))


def _meant(section: Key, wrong: str, known: list[str], model: type[BaseModel], values: Any) -> str:
    """The nearest key of the section, or the place where a key of this name is."""
    names, here = {wrong, *meant(wrong)}, (*section, wrong)
    there = {*all_keys(model), *(key for key in _present(values) if key[: len(here)] != here)}
    elsewhere = sorted({dotted(key) for key in there if key[-1] in names and key != here})
    # what differs by a letter or two comes first: the section was meant, and its key is misspelt
    close = [name for name in nearest(wrong, known)[:1] if SequenceMatcher(None, wrong, name).ratio() > CLOSE]
    if elsewhere and (not nearest(wrong, known) or any(key.split(".")[-1] == wrong for key in elsewhere)):
        return f" Did you mean {' or '.join(map(repr, [*close, *elsewhere][:3]))}?"
    return suggestion(wrong, known)


def _words(error: Mapping[str, Any], name: str) -> list[str]:
    """Choices that a sentence lists: words in quotation marks, and numbers."""
    return [word or number for word, number in re.findall(r"'([^']+)'|(-?\d+)", str(error["ctx"].get(name, "")))]


def _sentences(error: Any, key: Key, model: type[BaseModel], values: Any) -> Iterator[tuple[Key, str]]:
    kind, context, got = error["type"], error.get("ctx", {}), error["input"]
    name = dotted(key)
    if kind == "unknown_keys":
        for wrong in context["keys"]:
            yield (
                (*key, wrong),
                f"unknown key '{dotted((*key, wrong))}'.{_meant(key, str(wrong), context['known'], model, values)}",
            )
    elif kind == "fault":
        about = (*key, *context["key"])
        yield about, f"{dotted(about)} {context['sentence']}"
    elif kind == "missing" and isinstance(got, list | tuple):
        yield key[:-1], f"{dotted(key[:-1])} has too few entries, got {list(got)}"
    elif kind == "missing":
        yield key, f"{name} is missing"
    elif kind == "literal_error":
        yield key, f"unknown {name} {got!r}.{suggestion(got, _words(error, 'expected'))}"
    elif kind == "unknown_kind":
        named = f"{name}.kind: " if ":" in str(context["kind"]) else f"unknown {name}.kind {context['kind']!r}. "
        yield (*key, "kind"), named + context["sentence"]
    elif kind == "no_kind":
        yield (*key, "kind"), f"{name}.kind is missing: {', '.join(context['known'])} are possible"
    elif kind == "string_pattern_mismatch":
        yield key, f"{name} becomes a folder: letters, digits and . _ = + - are possible, got {got!r}"
    elif kind in ("model_type", "model_attributes_type", "dict_type"):
        such = f", such as {dotted(below)}" if (below := _first_below(model, key)) else ""
        yield key, f"{name} is a section with keys below it{such}, got {got!r}"
    elif kind in ("tuple_type", "list_type"):
        yield key, f"{name} should be a list, such as [{got}], got {got!r}"
    else:
        yield key, f"{name} {_lower(error['msg'])}, got {got!r}"


def _lower(message: str) -> str:
    message = message.removeprefix("Input ")
    return message[0].lower() + message[1:]


def explain(
    error: ValidationError, composition: Composition, model: type[BaseModel], without: Collection[Key] = ()
) -> list[str]:
    """One line per mistake, `where: what`.

    **Arguments:** `error`: of validating `composition.values` as `model`; `without`: keys of which nothing is said.
    """
    lines = []
    for one in error.errors():
        where = _key(composition.values, one["loc"], one["type"])
        for key, sentence in _sentences(one, where, model, composition.values):
            if any(key[: len(unsaid)] == unsaid for unsaid in without):
                continue
            # where a section has no kind, whoever set another word of it left the kind out
            beside = [(*key[:-1], name) for name in one["input"]] if one["type"] == "no_kind" else []
            place = composition.where(max([key, *beside], key=composition.rank))
            if one["type"] == "unknown_kind" and len(key) == 2:
                place = composition.word_for(key) or place
            lines.append(f"{place}: {sentence}")
    return lines
