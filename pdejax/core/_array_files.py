"""Arrays out of files of NumPy and HDF5, or one sentence that says what is wrong with them."""

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from pdejax._read import FileError, check_file, unreadable

ONE = ""  # name of the one array of a file .npy


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a file `.npz` by name, or that of a file `.npy`.

    **Raises:** `FileNotFoundError`; `FileError` for what is damaged, another thing than its suffix says, or holds
    Python objects.
    """
    check_file(path)
    alone = path.suffix.lower() == ".npy"
    with path.open("rb") as file:
        begins = file.read(6)
    held = "one array" if begins == b"\x93NUMPY" else "an archive" if begins[:2] == b"PK" else "neither"
    if held != ("one array" if alone else "an archive"):
        wanted = "one array" if alone else "an archive of arrays"
        raise FileError(f"{path} should be {wanted} of NumPy's, and is {held}: is its suffix right?")
    try:
        if alone:
            return {ONE: np.load(path, mmap_mode="r", allow_pickle=False)}
        with path.open("rb") as file, np.load(file, allow_pickle=False) as found:
            return {name: found[name] for name in found.files}
    except Exception as error:  # there is no end to what NumPy, zipfile and zlib raise for bytes that were changed
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        if "pickle" in reason or "Object arrays" in reason:
            raise FileError(f"{path} holds Python objects, which are not read: store arrays of numbers") from None
        raise FileError(f"{path} cannot be read as a file of NumPy's: {reason}") from error


def open_hdf5(path: Path, mend: str | Callable[[], str]) -> Any:
    """A file of HDF5 for reading.

    **Arguments:** `path`; `mend`: what to do about one that is damaged, or what tells that.

    **Raises:** `FileNotFoundError`; `FileError` if it is not a file, not readable (permissions, locks, too many open
    files), of another kind or damaged, each in its own words.
    """
    check_file(path)
    import h5py  # a networks' user needs none

    try:
        return h5py.File(path, "r")
    except OSError as error:
        again = mend if isinstance(mend, str) else mend()
        raise _reason(path, error, f"it is no file of HDF5: {again}") from None


@contextlib.contextmanager
def reading_hdf5(path: Path, mend: str = "copy or download it again") -> Iterator[None]:
    """While numbers of a file are read, which may be damaged in the middle, or go away.

    **Raises:** `FileError` that says which.
    """
    try:
        yield
    except OSError as error:
        raise _reason(path, error, f"its numbers cannot be read: {mend}") from error


def _reason(path: Path, error: OSError, damage: str) -> FileError:
    # what HDF5 says of bytes that are not what they should be has no number of the operating system
    if isinstance(error, FileNotFoundError):
        return FileError(f"{path} is missing now")
    if error.errno is not None:
        return unreadable(path, OSError(error.errno, os.strerror(error.errno)))
    return FileError(f"{path} is damaged, {damage}")
