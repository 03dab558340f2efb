"""YAML as people expect it: version 1.2 scalars, text keys, and the line of every key.

YAML 1.1 reads the key `on` as true, `12:30` as 750 and (in PyYAML) `1e-4` as text; YAML 1.2 does not.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from pdejax._read import FileError, read_text

Key = tuple[str | int, ...]

_SCALARS = (
    ("null", r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", list("tTfF")),
    ("int", r"^[-+]?[0-9]+$", list("-+0123456789")),
    ("float", r"^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$", list("-+.0123456789")),
    ("float", r"^(?:[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$", list("-+.")),
)


MOST_BYTES, MOST_VALUES = 2**20, 100_000  # of a configuration, and in it with all its aliases written out


class YamlError(FileError):
    """A file that is not YAML, or whose keys are not usable; the message begins with its path and line."""


class _Loader(yaml.SafeLoader):
    """Reads YAML 1.2 scalars."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012


class _Dumper(yaml.SafeDumper):
    """Quotes text that YAML 1.1 or 1.2 would read as something else."""

    yaml_implicit_resolvers = {k: list(v) for k, v in yaml.SafeDumper.yaml_implicit_resolvers.items()}  # noqa: RUF012


for _tag, _pattern, _first in _SCALARS:
    for _class in (_Loader, _Dumper):
        _class.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), _first)
# of YAML 1.1, 0x1f and 1_000 are text here, and 012 is twelve
_Loader.add_constructor("tag:yaml.org,2002:int", lambda loader, node: int(node.value))


MERGE = "tag:yaml.org,2002:merge"
_Loader.add_implicit_resolver(MERGE, re.compile(r"^<<$"), ["<"])  # of YAML 1.1 too, and in use


def _count(node: yaml.Node | None, known: dict[int, int]) -> int:
    """Values below a node, those of an alias as often as it stands there."""
    if node is None or id(node) not in known:
        below = [part for pair in node.value for part in pair] if isinstance(node, yaml.MappingNode) else ()
        below = node.value if isinstance(node, yaml.SequenceNode) else below
        known[id(node)] = 1 + sum(_count(part, known) for part in below)
    return known[id(node)]


def _lines(node: yaml.Node | None, prefix: Key, path: Path, lines: dict[Key, int]) -> None:
    if isinstance(node, yaml.MappingNode):
        merged: dict[Key, int] = {}
        for key, value in node.value:
            if key.tag == MERGE:
                for part in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                    own: dict[Key, int] = {}
                    _lines(part, prefix, path, own)
                    merged = own | merged  # the first that has a key gives it
                continue
            where = (*prefix, key.value)
            line = key.start_mark.line + 1
            if key.tag != "tag:yaml.org,2002:str":
                raise YamlError(f"{path}:{line}: the key {key.value} is not text: put it in quotes")
            if where in lines:
                raise YamlError(f"{path}:{line}: the key {key.value!r} is already in line {lines[where]}")
            lines[where] = line
            _lines(value, where, path, lines)
        lines |= merged | lines
    elif isinstance(node, yaml.SequenceNode):
        for i, item in enumerate(node.value):
            lines[*prefix, i] = item.start_mark.line + 1
            _lines(item, (*prefix, i), path, lines)


def read_yaml(text: str, path: Path | str = "text") -> tuple[dict[str, Any], Mapping[Key, int]]:
    """The mapping in a YAML text and the line of each of its keys.

    **Arguments:** `text`; `path`: where it comes from, for messages.

    **Raises:** `YamlError` with path and line.
    """
    lines: dict[Key, int] = {}
    try:
        loader = _Loader(text)
    except yaml.YAMLError as error:  # characters that no text has
        raise YamlError(f"{path}: not valid YAML: {str(error).splitlines()[0]}") from error
    try:
        node = loader.get_single_node()
        if (size := _count(node, {})) > MOST_VALUES:
            raise YamlError(f"{path}: its aliases stand for {size} values, a configuration has at most {MOST_VALUES}")
        _lines(node, (), Path(path), lines)
        values = {} if node is None else loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = "" if mark is None else f":{mark.line + 1}"
        raise YamlError(f"{path}{line}: not valid YAML: {error.problem}") from error
    except YamlError:
        raise
    except RecursionError as error:
        raise YamlError(f"{path}: not valid YAML: an alias that holds itself, or thousands of levels") from error
    except (yaml.YAMLError, ValueError) as error:  # characters that are none, tags that do not fit
        raise YamlError(f"{path}: not valid YAML: {str(error).splitlines()[0]}") from error
    finally:
        loader.dispose()
    if not isinstance(values, dict):
        raise YamlError(f"{path}:1: expected `key: value` lines, found {type(values).__name__}")
    return values, lines


def read_yaml_file(path: Path, shown: Path | str | None = None) -> tuple[dict[str, Any], Mapping[Key, int]]:
    """`read_yaml` of a file, called `shown` in messages.

    **Raises:** `YamlError`; `FileNotFoundError`.
    """
    try:
        text = read_text(path, MOST_BYTES)
    except FileError as error:
        raise YamlError(str(error)) from None
    return read_yaml(text, path if shown is None else shown)


def write_yaml(values: Mapping[str, Any]) -> str:
    """The text that `read_yaml` turns back into `values`."""
    return yaml.dump(dict(values), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
