"""A folder that is either whole or absent."""

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from pdejax._read import FileError, read_json
from pdejax._write import check_folder
from pdejax.core import sha256

CARD, README = "card.json", "README.md"
PARTIAL = "pdejax-partial"


def check_free(folder: Path) -> None:
    """Whether an export may be written to a path: nothing is there, or an export and nothing else.

    **Raises:** `ValueError` for a file, and for a folder with anything that no export wrote.
    """
    check_folder(folder.parent)
    if not folder.exists() and not folder.is_symlink():
        return
    if not folder.is_dir() or folder.is_symlink():
        raise ValueError(f"{folder} is {'a link' if folder.is_symlink() else 'a file'}: an export is a folder")
    found = sorted(path.name for path in folder.iterdir())
    foreign = [name for name in found if name not in _written(folder)]
    if foreign:
        raise ValueError(f"{folder} holds {foreign[0]}, which no export wrote: choose another folder")


def _written(folder: Path) -> set[str]:
    """Names of the files of the export in a folder."""
    try:
        listed = read_json(folder / CARD)["files"]
    except (FileNotFoundError, FileError, KeyError):
        return set()
    return {CARD, README, *(listed if isinstance(listed, dict) else ())}


@contextlib.contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """A folder beside `folder` that takes its place when the block ends well; an export in it goes then.

    **Raises:** `ValueError` for a path that is not free, see `check_free`, before anything is written.
    """
    check_free(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    beside = lambda: folder.with_name(f"{folder.name}.{secrets.token_hex(8)}.{PARTIAL}")
    temporary, former = beside(), beside()
    temporary.mkdir()  # others may read it as far as the user's mask lets them, unlike one of `tempfile`
    try:
        yield temporary
        check_free(folder)  # still
        _exchange(folder, temporary, former)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _exchange(folder: Path, newer: Path, former: Path) -> None:
    """Puts a folder where another one may be; if that fails, the other one is there again."""
    if not folder.exists():
        os.replace(newer, folder)
        return
    os.replace(folder, former)
    try:
        os.replace(newer, folder)
    except OSError:
        os.replace(former, folder)
        raise
    shutil.rmtree(former, ignore_errors=True)


def sums(folder: Path) -> dict[str, str]:
    """SHA-256 of every file of a folder, by name."""
    return {path.name: sha256(path) for path in sorted(folder.iterdir())}
