"""The `defaults` of files, followed before Hydra does, which tells neither file nor line."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pdejax._suggest import suggestion
from pdejax.config._folders import GROUPS, options, shorter
from pdejax.config._overrides import ConfigError
from pdejax.config._yaml import read_yaml_file

SELF = "_self_"
_PAIRS = ([str, str], [str, type(None)])  # types of group and name


def find(folders: Sequence[Path], name: str) -> Path | None:
    """The file of a name such as `problem/ks`; the first found wins."""
    return next((f / f"{name}.yaml" for f in folders if (f / f"{name}.yaml").is_file()), None)


def check_defaults(name: str, folders: Sequence[Path], above: tuple[str, ...] = ()) -> None:
    """Whether the defaults of a file, and of those that it names, are lists of files that are there.

    **Arguments:** `name`: of a file that was chosen, such as `problem/ks`; `folders`: see `search_folders`; `above`:
    the files that led here.

    **Raises:** `ConfigError` with file and line, also for files that lead back to themselves.
    """
    path = find(folders, name)
    if path is None:
        return
    values, lines = read_yaml_file(path, shorter(path))
    for group in GROUPS if name.startswith("experiment/") else ():
        if group in values and not isinstance(values[group], Mapping):
            raise ConfigError(f"{shorter(path)}:{lines[(group,)]}: {group} is a section with keys below it, got "
                              f"{values[group]!r}; a file is chosen by an entry of defaults, `- override /{group}: "
                              f"{values[group]}`")  # fmt: skip
    given = values.get("defaults")
    if given is not None and not isinstance(given, list):
        raise ConfigError(f"{shorter(path)}:{lines[('defaults',)]}: defaults should be a list of names, such as "
                          f"[{given if isinstance(given, str) else 'NAME'}, _self_], got {given!r}")  # fmt: skip
    for i, entry in enumerate(given or ()):
        place = f"{shorter(path)}:{lines['defaults', i]}"
        _check_override(place, name, entry)
        for group, one in _named(place, name.rpartition("/")[0], entry):
            if one not in options(group, folders):
                raise ConfigError(f"{place}: unknown {group} {one!r}.{suggestion(one, options(group, folders))}")
            below = f"{group}/{one}"
            if below in (*above, name):
                circle = " and ".join(dict.fromkeys([*above, name, below]))
                raise ConfigError(f"{place}: the defaults of {circle} lead back to {below}: leave one out")
            check_defaults(below, folders, (*above, name))


def _check_override(place: str, name: str, entry: Any) -> None:
    """Whether an experiment replaces a choice as Hydra wants it to be written."""
    for key, one in entry.items() if name.startswith("experiment/") and isinstance(entry, Mapping) else ():
        words = str(key).split()
        if words and (group := words[-1].strip("/")) in GROUPS and words != ["override", f"/{group}"]:
            raise ConfigError(f"{place}: {key}: {one} should be `override /{group}: {one}` in an experiment")


def _named(place: str, home: str, entry: Any) -> Iterator[tuple[str, str]]:
    """Group and name of the file that an entry adds; none for `_self_` and for what replaces another choice."""
    if isinstance(entry, str):
        group, _, one = entry.partition("@")[0].rpartition("/")
        if one != SELF:
            yield group.strip("/") or home, one
    elif not isinstance(entry, Mapping) or [type(x) for pair in entry.items() for x in pair] not in _PAIRS:
        raise ConfigError(f"{place}: a default is NAME or GROUP: NAME, got {entry!r}")
