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
def exclusive(root: Path, part: str | None = None) -> Iterator[None]:
    """Holds a folder for one writer; the operating system lets go of it when the process ends, however it ends.

    **Arguments:** `root`; `part`: what this writer is one of, beside writers of other parts, but none of the whole.

    **Raises:** `ValueError` if another process holds it, or its lock is a link to something else.
    """
    if part is None:
        with _held(root, LOCK, fcntl.LOCK_EX, str(os.getpid())):
            for path in root.glob(f"{LOCK}-*"):  # of parts, which nobody writes now
                path.unlink(missing_ok=True)
            yield
        return
    # nobody's number in the common lock: whoever is refused is told of all of them
    with _held(root, LOCK, fcntl.LOCK_SH, ""), _held(root, f"{LOCK}-{part}", fcntl.LOCK_EX, str(os.getpid()), part):
        yield


@contextlib.contextmanager
def _held(root: Path, name: str, how: int, owner: str, part: str = "") -> Iterator[None]:
    """Holds one file of a folder, in which its owner is named."""
    check_folder(root)
    root.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(root / name, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        raise ValueError(f"{root / name} is a link, and a lock is a file: remove the link") from None
    with os.fdopen(descriptor, "r+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, how | fcntl.LOCK_NB)
        except BlockingIOError:
            found = file.read().strip()
            writer = f"process {found}" if found else "processes that write a part each"
            what = f"{part.replace('-', ' ')} of {root}" if part else root
            raise ValueError(
                f"{what} is being written by {writer}: wait until it has ended, or choose another folder"
            ) from None
        except OSError as error:
            if error.errno not in (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP):
                raise
            warnings.warn(f"{root} is on a file system without locks: nothing keeps a second process from writing "
                          "there at the same time", stacklevel=5)  # fmt: skip
        file.truncate(0)
        file.write(owner)
        file.flush()
        yield
