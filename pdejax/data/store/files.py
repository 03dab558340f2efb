"""Checksums, the spelling of JSON, and the lock against two writers."""

import contextlib
import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pdejax.core import TEMPORARY as TEMPORARY
from pdejax.core import replacing as replacing
from pdejax.core import write_text as write_text


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def to_json(value: Mapping[str, Any]) -> str:
    """The one spelling of a mapping that files and checksums use: sorted keys, two spaces, no NaN."""
    return json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n"


def sweep(root: Path) -> None:
    """Removes what an interrupted write left behind."""
    for path in root.rglob(f"*{TEMPORARY}"):
        path.unlink()


@contextlib.contextmanager
def exclusive(root: Path) -> Iterator[None]:
    """Holds `root` for one writer; the operating system lets go of it when the process ends, however it ends.

    **Raises:** `ValueError` if another process holds it.
    """
    root.mkdir(parents=True, exist_ok=True)
    with (root / ".lock").open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            owner = file.read().strip() or "unknown"
            raise ValueError(
                f"{root} is being written by process {owner}: wait until it has ended, or choose another folder"
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
