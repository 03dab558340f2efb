"""From files and overrides to one plain mapping that still knows where each value came from."""

import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pdejax._suggest import suggestion
from pdejax.config._folders import GROUPS, options, shorter
from pdejax.config._overrides import ConfigError, Override
from pdejax.config._yaml import Key, YamlError, read_yaml

MISSING = "???"


@dataclasses.dataclass(frozen=True)
class Composition:
    """A composed configuration.

    **Arguments:** `values`: plain and resolved; `files`: what was merged, last wins, each with the key of the
    section it fills; `overrides`: set after them; `complete`: whether the file has every default written out, so that
    what stands there need not have been chosen.
    """

    values: Mapping[str, Any]
    files: tuple[tuple[Path, Key], ...]
    overrides: tuple[Override, ...] = ()
    complete: bool = False

    def where(self, key: Key) -> str:
        """The override, or file and line, that set `key`, or else the section around it."""
        for length in range(len(key), -1, -1):
            for place in self._places(key[:length]):
                return place
        return "configuration"

    def rank(self, key: Key) -> int:
        """How late a key was chosen, in the files by their order or then by an override; -1 where nobody did."""
        rank = next((rank for rank, _ in self._set(key)), -1)
        return -1 if self.complete and rank < len(self.files) else rank

    def _places(self, key: Key) -> Iterator[str]:
        yield from (place for _, place in self._set(key))

    def _set(self, key: Key) -> Iterator[tuple[int, str]]:
        """Ranks and places of what sets a key, the last one first."""
        for override in reversed(self.overrides):
            size = len(override.path)
            if not override.chooses and key[:size] == override.path and has(override.value, key[size:]):
                yield len(self.files), override.text
        for rank, (path, prefix) in reversed([*enumerate(self.files)]):
            if key[: len(prefix)] == prefix:
                below = key[len(prefix) :]
                _, lines = read_yaml(path.read_text(encoding="utf-8"), path)
                if not below:
                    yield rank, shorter(path)
                elif below in lines:
                    yield rank, f"{shorter(path)}:{lines[below]}"


def has(values: Any, key: Key) -> bool:
    """Whether a nested mapping or list holds `key`."""
    for part in key:
        below: Any = dict(enumerate(values)) if isinstance(values, list | tuple) else values
        if not isinstance(below, Mapping) or part not in below:
            return False
        values = below[part]
    return True


def dotted(key: Key) -> str:
    """`("a", "b", 0)` as `a.b.0`."""
    return ".".join(map(str, key))


def _unset(values: Any, key: Key = ()) -> Iterator[Key]:
    if values == MISSING:
        yield key
    items = values.items() if isinstance(values, Mapping) else enumerate(values) if isinstance(values, list) else ()
    for part, value in items:
        yield from _unset(value, (*key, part))


def check_set(composition: Composition) -> Composition:
    """Refuses values that a file leaves open by `???`."""
    lines = [
        f"{composition.where(key)}: {dotted(key)} is left open: set it by {dotted(key)}=VALUE"
        for key in _unset(composition.values)
    ]
    if lines:
        raise ConfigError("\n".join(lines))
    return composition


def _find(folders: Sequence[Path], name: str) -> Path | None:
    return next((f / f"{name}.yaml" for f in folders if (f / f"{name}.yaml").is_file()), None)


def _line_of(paths: Sequence[Path], word: str) -> str:
    """The first line of the first file on which a word stands."""
    for path in paths:
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if re.search(rf"(?<![\w.-]){re.escape(word)}(?![\w.-])", line.split("#")[0]):
                return f"{shorter(path)}:{number}"
    return ", ".join(map(shorter, paths[:1])) or "configuration"


def _unknown_default(message: str, overrides: Sequence[Override], folders: Sequence[Path]) -> ConfigError | None:
    """A defaults list that names a file or group that is not there."""
    found = re.match(r"In '(?P<file>.+?)': Could not find '(?P<group>[^/']+)/(?P<name>[^']+)'", message) or re.match(
        r"In '(?P<file>.+?)': Could not override '(?P<group>[^'@]+)", message
    )
    if found is None:
        return None
    # Hydra names the file whose default is replaced, not always the one that replaces it
    named = [found["file"], *(f"{override.key}/{override.value}" for override in overrides if override.chooses)]
    paths = [path for path in (_find(folders, name) for name in named) if path is not None]
    group, name = found["group"], found.groupdict().get("name")
    if group not in GROUPS or name is None:
        return ConfigError(f"{_line_of(paths, group)}: unknown group {group!r}.{suggestion(group, GROUPS)}")
    return ConfigError(f"{_line_of(paths, name)}: unknown {group} {name!r}.{suggestion(name, options(group, folders))}")


def _plain_reason(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    cause = error.__cause__
    return (lines[0] if lines else type(error).__name__) + (f" ({str(cause).splitlines()[0]})" if cause else "")


def _words(overrides: Sequence[Override], folders: Sequence[Path]) -> list[str]:
    """What Hydra is given: it merges sections, so that one of another `kind` is deleted first."""
    words = [override.hydra for override in overrides if override.chooses]
    given = next((override for override in overrides if override.key == "data" and override.value), None)
    if given is not None:  # data of somebody else's: no problem of ours, and a name that is theirs
        for override in overrides:
            if override.path[0] == "problem":
                raise ConfigError(f"{override.text}: no problem is read where {given.text} gives data: leave one out")
        words = ["~problem", *words]
        if not any(override.key == "name" for override in overrides):
            words.append(f"name={Path(str(given.value)).stem}_${{network.kind}}")
    for override in (o for o in overrides if not o.chooses):
        if override.key in GROUPS:  # a section in braces, in place of a file
            words += [f"~{override.key}", override.hydra]
            continue
        kind = override.value.get("kind") if isinstance(override.value, Mapping) else None
        if kind is not None and _kind(_compose(words, overrides, folders).values, override.path) not in (None, kind):
            words.append(f"~{override.key}")
        words.append(override.hydra)
    return words


def _kind(values: Any, key: Key) -> Any:
    """The kind of the section at a key; none if there is no such section, or it has none."""
    if not has(values, (*key, "kind")):
        return None
    for part in (*key, "kind"):
        values = values[part]
    return values


def compose(overrides: Sequence[Override], folders: Sequence[Path]) -> Composition:
    """Composes `config.yaml`, the chosen group files and the overrides by Hydra's compose API.

    An override with a section of another `kind` replaces what the files say of it, one of the same `kind` changes it.

    **Arguments:** `overrides`; `folders`: see `search_folders`.

    **Raises:** `ConfigError`.
    """
    return _compose(_words(overrides, folders), overrides, folders)


def _compose(words: list[str], overrides: Sequence[Override], folders: Sequence[Path]) -> Composition:
    """The composition of Hydra's words, which are those of the overrides."""
    import hydra
    from hydra.core.global_hydra import GlobalHydra
    from hydra.errors import HydraException
    from hydra.types import RunMode
    from omegaconf import OmegaConf
    from omegaconf.errors import InterpolationResolutionError, OmegaConfBaseException

    from pdejax.config._hydra import searching

    try:
        with searching(folders):
            loader = GlobalHydra.instance().config_loader()
            order = loader.compute_defaults_list("config", words, RunMode.RUN).defaults
            composed = hydra.compose("config", overrides=words)
    except YamlError as error:
        raise ConfigError(str(error)) from error
    except (HydraException, OmegaConfBaseException, ValueError) as error:
        known = _unknown_default(str(error), overrides, folders)
        raise known or ConfigError(f"configuration: {_plain_reason(error)}") from error
    files = []
    for default in order:
        path = _find(folders, default.config_path or "")
        if path is not None:
            files.append((path, tuple(default.package.split(".")) if default.package else ()))
    composition = Composition({}, tuple(files), tuple(overrides))
    try:
        values = OmegaConf.to_container(composed, resolve=True)
    except InterpolationResolutionError as error:
        key = tuple(str(error.full_key).split("."))
        reason = str(error.msg or error).splitlines()[0]
        raise ConfigError(f"{composition.where(key)}: {dotted(key)}: {reason}") from error
    return dataclasses.replace(composition, values=_plainly_named(values))


def _plainly_named(values: Any) -> Any:
    """A name made of a network's kind has of `package.module:Name` the last part, since runs are folders."""
    name, kind = values.get("name"), _kind(values, ("network",))
    if not (isinstance(name, str) and isinstance(kind, str) and ":" in kind):
        return values
    return {**values, "name": name.replace(kind, kind.rpartition(":")[2])}
