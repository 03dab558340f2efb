"""Files that are either whole or absent, and folders with one writer at a time."""

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import re
import secrets
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pdejax._write import check_folder, writing

LOCK = ".lock"
_TEMPORARY = re.compile(r".+\.[0-9a-f]{16}\.pdejax-partial")


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` that takes its place, flushed to the disk, when the block ends well.

    Nobody else's file can have its name, and it is there from the beginning, empty: what is written goes nowhere else.

    **Raises:** `FileError` where no folder can be written to, `WriteError` where there is no room.
    """
    check_folder(path.parent)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{secrets.token_hex(8)}.pdejax-partial")
    os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    try:
        with writing(path):
            yield temporary
            _flush(temporary)
        os.replace(temporary, path)
        _flush(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Writes a text file atomically."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest(plain: Mapping[str, Any]) -> str:
    """Hexadecimal SHA-256 of a mapping as JSON, whatever the spacing and order of its file."""
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


def remove_partial(root: Path) -> None:
    """Removes what interrupted writes of `replacing` left below a folder, and nothing else."""
    for path in root.rglob("*.pdejax-partial"):
        if _TEMPORARY.fullmatch(path.name) and path.is_file() and not path.is_symlink():
            path.unlink()


@contextlib.contextmanager
def exclusive(root: Path) -> Iterator[None]:
    """Holds a folder for one writer; the operating system lets go of it when the process ends, however it ends.

    **Raises:** `ValueError` if another process holds it, or its lock is a link to something else.
    """
    check_folder(root)
    root.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(root / LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        raise ValueError(f"{root / LOCK} is a link, and a lock is a file: remove the link") from None
    with os.fdopen(descriptor, "r+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = file.read().strip() or "unknown"
            raise ValueError(
                f"{root} is being written by process {owner}: wait until it has ended, or choose another folder"
            ) from None
        except OSError as error:
            if error.errno not in (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP):
                raise
            warnings.warn(f"{root} is on a file system without locks: nothing keeps a second process from writing "
                          "there at the same time", stacklevel=3)  # fmt: skip
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
