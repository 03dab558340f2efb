"""Where something shall be written that cannot be: one sentence, and where it can be known, before long work begins.

Beside the packages, so that a command line can ask without JAX.
"""

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

from pdejax._read import FileError

FULL = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the quota of the disk is used up",
    errno.EFBIG: "a file would be larger than the limit for files here (see ulimit -f)",
}


class WriteError(RuntimeError):
    """There was no room for what was to be written; the message begins with its path."""


def check_folder(folder: str | Path) -> None:
    """Whether files can be written into a folder, or it can be made.

    **Raises:** `FileError` for a file where the folder or one above it should be, and for missing permissions.
    """
    folder = Path(folder)
    there = next((path for path in (folder, *folder.parents) if os.path.lexists(path)), Path())
    if not there.is_dir():
        raise FileError(f"{there} is no folder, and files shall be written into {folder}: choose another place")
    if not os.access(there, os.W_OK | os.X_OK):
        raise FileError(f"{folder} cannot be written to: the permissions of {there} do not allow it")


def check_target(path: Path) -> None:
    """Whether a file can be written, in place of one of this name where there is one.

    **Raises:** `FileError`, also for a folder of this name.
    """
    check_folder(path.parent)
    if path.is_dir():
        raise FileError(f"{path} is a folder, and a file shall be written there: choose another name")


def no_room(error: BaseException | None) -> str | None:
    """Why there was no room, where that is what an error or a cause of it says.

    Libraries below tell the number of the operating system's error, or no more than its words.
    """
    while error is not None:
        for number, reason in FULL.items():
            if getattr(error, "errno", None) == number or os.strerror(number) in str(error):
                return reason
        error = error.__cause__ or error.__context__
    return None


@contextlib.contextmanager
def writing(path: Path | None) -> Iterator[None]:
    """While something is written, by whatever library: where there is no room, the error says so, and where.

    **Raises:** `WriteError`.
    """
    try:
        yield
    except Exception as error:
        if path is None or isinstance(error, WriteError) or (reason := no_room(error)) is None:
            raise
        raise WriteError(f"{path} cannot be written: {reason}") from error
