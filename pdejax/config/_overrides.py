"""Words of the command line: `group=name`, `key.below=value`, and comma lists for sweeps."""

import dataclasses
import itertools
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pdejax._suggest import suggestion
from pdejax.config._folders import GROUPS, options
from pdejax.config._yaml import Key

LONGEST = 120  # characters of a word in a message


class ConfigError(ValueError):
    """A mistake in the configuration; every line of the message is `where: what`, over-long words cut short."""

    def __init__(self, message: str) -> None:
        super().__init__(re.sub(rf"\S{{{LONGEST},}}", _cut, message))


def _cut(word: re.Match) -> str:
    """A word of bearable length; where something was said is told in full."""
    is_file = os.path.exists(re.sub(r"(:\d+)?:?$", "", word[0]))  # of whatever length, unlike Path.exists
    return word[0] if is_file else f"{word[0][: LONGEST // 2]}..."


@dataclasses.dataclass(frozen=True)
class Override:
    """One word, read.

    **Arguments:** `text`: as the user wrote it; `key`: before the equal sign, without Hydra's `+` and `~`;
    `value`: after it; `choices`: the values of a sweep, empty otherwise; `hydra`: the choice of a file as Hydra is
    given it; `deletes`: whether it takes the key away, `~key`.
    """

    text: str
    key: str
    value: Any
    choices: tuple[str, ...]
    hydra: str
    deletes: bool = False

    @property
    def chooses(self) -> bool:
        """Whether it names a file of a group; a section in braces is a value in place of one."""
        return self.key in GROUPS and not isinstance(self.value, Mapping)

    @property
    def path(self) -> Key:
        """The key's parts; list positions are numbers."""
        return tuple(int(part) if part.isdigit() else part for part in self.key.split("."))


def _not_an_override(text: str, folders: Sequence[Path]) -> ConfigError:
    groups = [group for group in GROUPS if text in options(group, folders)]
    meant = f" Did you mean {groups[0]}={text}?" if groups else ""
    return ConfigError(f"{text}: an override is written key=value or group=name.{meant}")


def _quoted(text: str) -> str:
    """A word as a shell takes it whose value, or each entry of it, is a text."""
    key, _, value = text.partition("=")
    entries = ", ".join(f'"{one.strip()}"' for one in value.strip("[]").split(","))
    return f"'{key}=[{entries}]'" if value.startswith("[") else f"'{key}=\"{value}\"'"


def _check_option(text: str, group: str, value: Any, folders: Sequence[Path]) -> None:
    known = options(group, folders)
    if value is None and group == "experiment":
        return
    if not isinstance(value, str) or value not in known:
        shown = "null" if value is None else value
        raise ConfigError(f"{text}: unknown {group} {str(shown)!r}.{suggestion(shown, known)}")


def read_override(text: str, folders: Sequence[Path]) -> Override:
    """Reads one word.

    **Raises:** `ConfigError` if it has no equal sign, is not in Hydra's grammar or names an unknown option.
    """
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    name = text.split("=", 1)[0].strip("+~")
    if not name or "@" in name or not ("=" in text or text.startswith("~")):
        raise _not_an_override(text, folders)
    plain = re.fullmatch(r"name=([\w.+-]+=[\w.+=-]*)", text)  # of a run of a sweep, which Hydra wants to have quoted
    try:
        read = OverridesParser.create().parse_override(f"name='{plain[1]}'" if plain else text)
        choices = tuple(read.sweep_string_iterator()) if read.is_sweep_override() else ()
    except HydraException as error:
        reason = str(error).splitlines()[0].split(" See ")[0]
        if odd := re.search(r"token recognition error at: '(.*?)'?$", reason):
            reason = f"{odd[1]!r} needs quotes around the value, KEY='VALUE', and there are no spaces around ="
        if word := re.search(r"Unknown function '(\w+)'", reason):
            reason = f'a text with {word[1]}(...) needs quotes of its own, such as {{value: "{word[1]}(x)"}}'
        if re.match(r"(mismatched|no viable alternative|extraneous).* input .*=", reason):
            reason = f"a text with = in it needs quotes of its own, {_quoted(text)}"
        raise ConfigError(f"{text}: not a valid override: {reason}") from error
    key = read.get_key_element().lstrip("+~")
    if key.split(".")[0] == "hydra":
        raise ConfigError(f"{text}: Hydra's own settings have no effect here")
    value = None if choices or read.is_delete() else read.value()
    if key in GROUPS and not isinstance(value, Mapping):
        for option in choices or (value,):
            _check_option(text, key, option, folders)
        return Override(text, key, value, choices, text.lstrip("+"))
    # a key is set whether a file mentions it or not; which keys exist is the types' business, not the files'
    return Override(text, key, value, choices, "", read.is_delete())


def read_overrides(texts: Sequence[str], folders: Sequence[Path]) -> tuple[Override, ...]:
    """Reads words that describe one run.

    **Raises:** `ConfigError` as `read_override`, and for a comma list.
    """
    read = tuple(read_override(text, folders) for text in texts)
    for one in read:
        if one.choices:
            raise ConfigError(
                f"{one.text}: several values are a sweep, which needs --multirun; "
                f"a list is written {one.key}=[{','.join(one.choices)}]"
            )
    return read


def expand(texts: Sequence[str], folders: Sequence[Path]) -> list[Mapping[str, str]]:
    """The runs of a sweep: all combinations of the comma lists, each as `{key: text of the value}`.

    **Returns:** one mapping per run with the swept keys only; `[{}]` if nothing is swept.
    """
    swept = [one for one in (read_override(text, folders) for text in texts) if one.choices]
    return [
        dict(zip((one.key for one in swept), values, strict=True))
        for values in itertools.product(*(one.choices for one in swept))
    ]
