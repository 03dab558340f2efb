"""Files that people write or that may be damaged: their text within limits, or one sentence that says what is wrong.

Beside the packages, so that reading a configuration needs no JAX.
"""

import dis
import errno
import itertools
import json
import os
import stat
from pathlib import Path
from typing import Any

from pdejax._suggest import nearest

MOST = 2**26  # bytes of a text that is read whole
MOST_BESIDE = 1000  # names among which that of a missing file is looked for


class FileError(ValueError):
    """A file that is there and cannot be used; the message begins with its path."""


class TooManyOpen(FileError):
    """A process, or the machine, has as many files open as it may; nothing is wrong with this one."""


def as_path(given: Any) -> Path:
    """A path of a text or of another path.

    **Raises:** `ValueError` for anything else, and for a text that no path can be.
    """
    if not isinstance(given, str | os.PathLike):
        shown = f" {given!r}" if isinstance(given, int | float | bool | None) else ""
        raise ValueError(f"a path is a text, got {type(given).__name__}{shown}")
    if "\0" in str(given) or not str(given):
        raise ValueError("a path is a text of at least one character, none of them the character zero")
    return Path(given)


def absent(path: Path) -> FileNotFoundError:
    """The sentence for a path where nothing is, with the nearest name beside it."""
    try:
        beside = [one.name for one in itertools.islice(path.parent.iterdir(), MOST_BESIDE)]
    except OSError:
        beside = []
    near = nearest(path.name, beside)
    asked = f". Did you mean {' or '.join(repr(str(path.parent / one)) for one in near)}?" if near else ""
    return FileNotFoundError(f"{path} does not exist{asked}")


def check_there(path: Path) -> os.stat_result:
    """What the operating system knows of a file or folder.

    **Raises:** `FileNotFoundError`; `FileError` for what cannot be reached, such as a link that leads to itself.
    """
    try:
        return path.stat()
    except FileNotFoundError:
        raise absent(path) from None
    except OSError as error:
        raise unreadable(path, error) from None


def check_file(path: Path, most: int | None = None) -> None:
    """Whether a path is an ordinary file of bearable size: others, such as a pipe, may be without end.

    **Raises:** `FileNotFoundError`; `FileError` for a folder, a device, a pipe, and more than `most` bytes.
    """
    status = check_there(path)
    if not stat.S_ISREG(status.st_mode):
        what = "a folder" if stat.S_ISDIR(status.st_mode) else "a device, a pipe or a socket"
        raise FileError(f"{path} is {what}, expected a file")
    if most is not None and status.st_size > most:
        raise FileError(f"{path} has {status.st_size} bytes, a file of its kind has at most {most}")


def unreadable(path: Path, error: OSError) -> FileError:
    """The error for a file that the operating system does not let us read: nothing is wrong with the file itself."""
    if isinstance(error, PermissionError):
        return FileError(f"{path} cannot be read: its permissions do not allow it")
    if isinstance(error, BlockingIOError):
        return FileError(f"{path} cannot be read: it is locked by another process that writes it")
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return TooManyOpen(f"{path} cannot be read: too many open files, more than are allowed (see ulimit -n)")
    return FileError(f"{path} cannot be read: {(error.strerror or str(error)).lower()}")


def read_text(path: str | Path, most: int | None = MOST) -> str:
    """The text of a file, without the mark that some editors put before it.

    **Raises:** `FileNotFoundError`; `FileError` where there is another thing than a readable text in UTF-8.
    """
    path = Path(path)
    check_file(path, most)
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise FileError(f"{path} is no text in UTF-8: byte {error.start} is {error.object[error.start]:#04x}") from None
    except OSError as error:
        raise unreadable(path, error) from None


def parse_json(text: str, path: str | Path, kind: type = dict) -> Any:
    """What a JSON text holds.

    **Arguments:** `text`; `path`: where it comes from, for messages; `kind`: of the whole, a mapping or a list.

    **Raises:** `FileError` for what is no JSON or of another kind.
    """
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        raise FileError(f"{path}:{error.lineno}: not valid JSON: {error.msg.lower()}") from None
    except (RecursionError, ValueError):  # thousands of brackets, thousands of digits
        raise FileError(f"{path}: not valid JSON: thousands of levels or of digits") from None
    if not isinstance(found, kind):
        expected = {dict: "a mapping", list: "a list"}[kind]
        raise FileError(f"{path} should hold {expected}, found {type(found).__name__}")
    return found


def read_json(path: str | Path, kind: type = dict) -> Any:
    """What a JSON file holds.

    **Raises:** `FileNotFoundError`; `FileError` for what is no readable JSON or of another kind.
    """
    return parse_json(read_text(path), path, kind)


def entries(found: Any, path: str | Path, /, **kinds: type | tuple[type, ...]) -> Any:
    """A mapping that must have entries of certain types.

    **Raises:** `FileError` that names the first that is missing or of another type.
    """
    if not isinstance(found, dict):
        raise FileError(f"{path} has {type(found).__name__} {str(found)[:40]!r} where a mapping is expected")
    for name, kind in kinds.items():
        if name not in found:
            raise FileError(f"{path} lacks the entry {name!r}")
        if not isinstance(found[name], kind):
            raise FileError(f"{path}: the entry {name!r} is of the type {type(found[name]).__name__}")
    return found


def read_lines(path: str | Path) -> list[dict[str, Any]]:
    """The mappings of a file of JSON lines, without a last one that is none: a kill may have cut it short.

    **Returns:** nothing where there is no file.

    **Raises:** `FileError` for what is no readable text, and for another line that is no mapping.
    """
    path, found = Path(path), []
    lines = [line for line in read_text(path, 2**32).splitlines() if line.strip()] if path.exists() else []
    for number, line in enumerate(lines, 1):
        try:
            found.append(parse_json(line, path))
        except FileError:
            if number < len(lines):
                raise FileError(f"{path}:{number} is damaged: a line should hold a mapping in JSON, got {line[:40]!r}; "
                                "take it out of the file to go on without it") from None  # fmt: skip
    return found


def printable(text: object) -> str:
    """A text for a terminal: what data and file names say moves no cursor and changes no colour."""
    return "".join(c if c.isprintable() or c in "\n\t" else repr(c)[1:-1] for c in str(text))


def read_plain_yaml(path: str | Path) -> dict[str, Any]:
    """The mapping in a YAML file that a program wrote; an empty one where nothing is in it.

    **Raises:** `FileNotFoundError`; `FileError` for what is no readable YAML, or no mapping.
    """
    import yaml

    class Loader(yaml.SafeLoader):
        """Refuses a key that is there twice."""

        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            keys = [key.value for key, _ in node.value]
            if double := next((key for key in keys if keys.count(key) > 1), None):
                raise FileError(f"{path}:{node.start_mark.line + 1}: the key {double!r} is there twice")
            return super().construct_mapping(node, deep)

    text = read_text(path)
    try:
        found = yaml.load(text, Loader)
    except FileError:
        raise
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        raise FileError(f"{path}{f':{mark.line + 1}' if mark else ''}: not valid YAML") from None
    if not isinstance(found or {}, dict):
        raise FileError(f"{path} should hold a mapping, found {type(found).__name__}")
    return found or {}


def is_ours(error: BaseException) -> bool:
    """Whether the package itself raised an error, on purpose and with a sentence for its user."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None or not str(trace.tb_frame.f_globals.get("__name__", "")).startswith("pdejax."):
        return False
    # JAX takes its own frames out of what it raises: it is ours only if we raise at this very place
    return trace.tb_frame.f_code.co_code[trace.tb_lasti] == dis.opmap["RAISE_VARARGS"]
