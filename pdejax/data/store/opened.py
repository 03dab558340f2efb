"""Files kept open while windows are read from them."""

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from pdejax._read import TooManyOpen
from pdejax.core import reading_hdf5

MOST_OPEN = 64  # a large data set has more files than a process may open


@runtime_checkable
class Openable(Protocol):
    """A file that is opened again and again."""

    @property
    def path(self) -> Path: ...

    def open(self) -> Any: ...


class OpenFiles:
    """The files used last, open; each process opens its own, since HDF5 survives no fork."""

    def __reduce__(self) -> Any:
        return type(self), ()  # open files do not go to another process

    def __init__(self) -> None:
        self._files: dict[tuple[int, Path], Any] = {}
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def __call__(self, file: Openable) -> Iterator[Any]:
        with self._lock:  # HDF5 lets one thread read at a time anyway
            key = (os.getpid(), file.path)
            self._files[key] = self._files.pop(key, None) or self._opened(file)
            if len(self._files) > MOST_OPEN:
                self._close_oldest()
            with reading_hdf5(file.path):
                yield self._files[key]

    def _opened(self, file: Openable) -> Any:
        """The file, in place of others where a process may open fewer than are kept."""
        while True:
            try:
                return file.open()
            except TooManyOpen:
                if not any(owner == os.getpid() for owner, _ in self._files):
                    raise
                self._close_oldest()

    def _close_oldest(self) -> None:
        owner, oldest = next(iter(self._files))
        file = self._files.pop((owner, oldest))
        if owner == os.getpid():
            file.close()
