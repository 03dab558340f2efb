"""From files and overrides to one plain mapping that still knows where each value came from."""

import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pdejax._suggest import suggestion
from pdejax.config._defaults import check_defaults, find
from pdejax.config._folders import GROUPS, options, shorter
from pdejax.config._overrides import ConfigError, Override
from pdejax.config._yaml import Key, YamlError, read_yaml_file

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
        """The override, or file and line, that set `key` or something below it, or else the section around it."""
        if not any(self._set(key)):
            for override in reversed(self.overrides):
                if not override.chooses and key and override.path[: len(key)] == key:
                    return override.text
        for length in range(len(key), -1, -1):
            for place in self._places(key[:length]):
                return place
        return "configuration"

    def word_for(self, key: Key) -> str | None:
        """The word that chose the file which tells a section, such as `method=steady`, where a word did."""
        if self.last(key) >= len(self.files):
            return None
        return next((o.text for o in reversed(self.overrides) if o.chooses and o.key == key[0]), None)

    def last(self, key: Key) -> int:
        """Which of the files, by their order, or then an override was the last to set a key; -1 where none did."""
        return next((rank for rank, _ in self._set(key)), -1)

    def rank(self, key: Key) -> int:
        """How late a key was chosen, as `last` tells; -1 where nobody did."""
        rank = self.last(key)
        return -1 if self.complete and rank < len(self.files) else rank

    def chosen(self, key: Key) -> bool:
        """Whether a word or an experiment sets a key, and not the file of its group, whose values are for all."""
        rank = self.rank(key)
        return rank >= len(self.files) or (rank >= 0 and self.files[rank][1] != key[:1])

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
                _, lines = read_yaml_file(path)
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


def _left_open(composition: Composition) -> Iterator[Key]:
    """Keys of which the last word is `???`, also where a file before gave a value, which Hydra would keep."""
    yield from _unset(composition.values)
    for rank, (path, prefix) in enumerate(composition.files):
        values = {name: value for name, value in read_yaml_file(path)[0].items() if name != "defaults"}
        for below in _unset(values):
            if composition.last((*prefix, *below)) == rank:
                yield (*prefix, *below)


def left_open(composition: Composition) -> Mapping[Key, str]:
    """What a file leaves open by `???`, with lines that ask for it; nothing of a kind that another one replaced."""
    keys = (key for key in dict.fromkeys(_left_open(composition)) if has(composition.values, key))
    ask = "{where}: {name} is left open: set it by {name}=VALUE"
    return {key: ask.format(where=composition.where(key), name=dotted(key)) for key in keys}


def _found(folders: Sequence[Path], name: str) -> Path:
    path = find(folders, name)
    assert path is not None  # which options there are was checked
    return path


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
    paths = [path for path in (find(folders, name) for name in named) if path is not None]
    group, name = found["group"], found.groupdict().get("name")
    if group not in GROUPS or name is None:
        return ConfigError(f"{_line_of(paths, group)}: unknown group {group!r}.{suggestion(group, GROUPS)}")
    return ConfigError(f"{_line_of(paths, name)}: unknown {group} {name!r}.{suggestion(name, options(group, folders))}")


def _plain_reason(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    cause = error.__cause__
    return (lines[0] if lines else type(error).__name__) + (f" ({str(cause).splitlines()[0]})" if cause else "")


def _words(overrides: Sequence[Override]) -> list[str]:
    """What Hydra is given: the files that were chosen. Keys are set afterwards, see `applied`."""
    words = [override.hydra for override in overrides if override.chooses]
    given = next((override for override in overrides if override.key == "data" and override.value), None)
    if given is not None:  # data of somebody else's: no problem of ours, and a name that is theirs
        for override in overrides:
            if override.path[0] == "problem":
                raise ConfigError(f"{override.text}: no problem is read where {given.text} gives data: leave one out")
        words = ["~problem", *words]
        if not any(override.key == "name" for override in overrides):
            words.append(f"name={Path(str(given.value)).stem}_${{network.kind}}")
    return words


def applied(config: Any, overrides: Sequence[Override]) -> Any:
    """A configuration of OmegaConf with keys set in their order.

    Where a `kind` is said that is another one, the options of the former are not taken over.
    """
    from omegaconf import OmegaConf

    for override in overrides:
        place, _, last = override.key.rpartition(".")
        if override.deletes:
            above = OmegaConf.select(config, place) if place else config
            if OmegaConf.is_dict(above):
                above.pop(last, None)
            continue
        inside = isinstance(override.value, Mapping)
        section, kind = (override.key, override.value.get("kind")) if inside else (place, override.value)
        if (inside or last == "kind") and kind is not None and section:
            found = OmegaConf.select(config, section)
            if OmegaConf.is_dict(found) and found.get("kind") not in (None, kind):
                OmegaConf.update(config, section, {"kind": kind}, merge=False, force_add=True)
        OmegaConf.update(config, override.key, override.value, force_add=True)
    return config


def _kind(values: Any, key: Key) -> Any:
    """The kind of the section at a key; none if there is no such section, or it has none."""
    if not has(values, (*key, "kind")):
        return None
    for part in (*key, "kind"):
        values = values[part]
    return values


def compose(overrides: Sequence[Override], folders: Sequence[Path]) -> Composition:
    """Composes `config.yaml`, the chosen group files by Hydra's compose API, and the keys that are set.

    Of a network or method of another `kind` than the files ask for, nothing but what was said of it is there.

    **Arguments:** `overrides`; `folders`: see `search_folders`.

    **Raises:** `ConfigError`.
    """
    from omegaconf import OmegaConf
    from omegaconf.errors import InterpolationResolutionError, OmegaConfBaseException

    words = _words(overrides)
    config, files = _merged(words, overrides, folders)
    for chosen in (o for o in overrides if o.chooses and o.key in ("network", "method")):
        alone, _ = read_yaml_file(_found(folders, f"{chosen.key}/{chosen.value}"))
        if config[chosen.key] == alone:
            continue
        before, _ = _merged([word for word in words if word != chosen.hydra], overrides, folders)
        if _kind(before, (chosen.key,)) != alone.get("kind"):  # an experiment's options are for a network of its own
            config[chosen.key] = alone
    composition = Composition({}, files, tuple(overrides))
    try:
        config = applied(config, [override for override in overrides if not override.chooses])
        values = OmegaConf.to_container(config, resolve=True)
    except InterpolationResolutionError as error:
        raise ConfigError(_unresolved(error, composition)) from error
    except (OmegaConfBaseException, ValueError, TypeError) as error:
        raise ConfigError(f"configuration: {_plain_reason(error)}") from error
    return dataclasses.replace(composition, values=_plainly_named(values))


def _unresolved(error: Any, composition: Composition) -> str:
    """What is missing of a section that others are made of, or else what makes use of it."""
    key, reason = tuple(str(error.full_key).split(".")), str(error.msg or error).splitlines()[0]
    missing = re.match(r"Interpolation key '([^']+)' not found", reason)
    wanted = tuple(missing[1].split(".")) if missing else ()
    if wanted and wanted[0] in GROUPS and composition.last(key) < len(composition.files):
        place = composition.where(key)
        return f"{composition.where(wanted)}: {dotted(wanted)} is missing, of which {dotted(key)} is made ({place})"
    return f"{composition.where(key)}: {dotted(key)}: {reason}"


def _merged(words: Sequence[str], overrides: Sequence[Override], folders: Sequence[Path]) -> tuple[Any, Any]:
    """What Hydra makes of its words, open for further keys, and the files it read with the sections they fill."""
    import hydra
    from hydra.core.global_hydra import GlobalHydra
    from hydra.errors import HydraException
    from hydra.types import RunMode
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    from pdejax.config._hydra import searching

    try:
        for chosen in (override for override in overrides if override.chooses and override.value):
            check_defaults(f"{chosen.key}/{chosen.value}", folders)
        with searching(folders):
            loader = GlobalHydra.instance().config_loader()
            order = loader.compute_defaults_list("config", list(words), RunMode.RUN).defaults
            composed = hydra.compose("config", overrides=list(words))
    except ConfigError:
        raise
    except YamlError as error:
        raise ConfigError(str(error)) from error
    except (HydraException, OmegaConfBaseException, ValueError) as error:
        known = _unknown_default(str(error), overrides, folders)
        raise known or ConfigError(f"configuration: {_plain_reason(error)}") from error
    found = [(find(folders, default.config_path or ""), default.package) for default in order]
    OmegaConf.set_struct(composed, False)
    return composed, tuple((path, tuple(at.split(".")) if at else ()) for path, at in found if path is not None)


def _plainly_named(values: Any) -> Any:
    """A name made of a network's kind has of `package.module:Name` the last part, since runs are folders."""
    name, kind = values.get("name"), _kind(values, ("network",))
    if not (isinstance(name, str) and isinstance(kind, str) and ":" in kind):
        return values
    return {**values, "name": name.replace(kind, kind.rpartition(":")[2])}
