"""Arrays of a file that `torch.save` wrote, read without torch and without running anything the file names.

The format is a zip archive: a pickle that describes the objects, and the bytes of every tensor beside it. The pickle
may name any function; here all but those that put tensors and dictionaries together stand for themselves.
"""

import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

_DTYPES = {
    "DoubleStorage": "f8",
    "FloatStorage": "f4",
    "HalfStorage": "f2",
    "LongStorage": "i8",
    "IntStorage": "i4",
    "ShortStorage": "i2",
    "CharStorage": "i1",
    "ByteStorage": "u1",
    "BoolStorage": "?",
    "ComplexFloatStorage": "c8",
    "ComplexDoubleStorage": "c16",
}


class Named:
    """Something a file refers to by name only, as a class or a function; nothing is behind it."""

    def __init__(self, name: str):
        """**Arguments:** `name`: module and name."""
        self.name = name

    def __call__(self, *args: Any, **kwargs: Any) -> "Named":
        """What it would make is no less unknown."""
        return Named(f"{self.name}(..)")

    def __setstate__(self, state: Any) -> None:
        """Contents of the unknown are left out."""

    def __repr__(self) -> str:
        return self.name


class _Function:
    """Stands for a function of torch; a file cannot change what it does."""

    def __init__(self, function: Callable):
        self.function = function

    def __call__(self, *args: Any) -> Any:
        return self.function(*args)

    def __setstate__(self, state: Any) -> None:
        """Nothing to set."""


def _tensor(storage: Any, offset: int, size: Sequence[int], stride: Sequence[int], *_: Any) -> Any:
    """The part of a storage that a tensor sees."""
    if isinstance(storage, Named):
        return storage
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    if min((offset, *size, *stride)) < 0 or (0 not in size and last >= storage.size):
        raise ValueError("a tensor reaches beyond its storage")
    return np.lib.stride_tricks.as_strided(storage[offset:], size, [step * storage.itemsize for step in stride]).copy()


_FUNCTIONS: Mapping[str, _Function] = {
    "_rebuild_tensor_v2": _Function(_tensor),
    "_rebuild_parameter": _Function(lambda tensor, *_: tensor),
}


class _Reader(pickle.Unpickler):
    """An unpickler that knows tensors and dictionaries."""

    def __init__(self, archive: zipfile.ZipFile, root: str):
        super().__init__(archive.open(f"{root}data.pkl"))
        self.archive, self.root = archive, root

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if module == "torch" and name in _DTYPES:
            return name
        return _FUNCTIONS.get(name if module == "torch._utils" else "", Named(f"{module}.{name}"))

    def persistent_load(self, pid: Any) -> Any:
        _, storage, key, *_ = pid
        if not isinstance(storage, str):
            return storage
        return np.frombuffer(self.archive.read(f"{self.root}data/{key}"), np.dtype(_DTYPES[storage]).newbyteorder("<"))


def read_torch(path: Path | str) -> Any:
    """What `torch.save` wrote, tensors as NumPy arrays.

    **Arguments:** `path`: of the file.

    **Returns:** the object; classes and functions in it, and what these would make, are `Named`, and so are tensors of
    types that NumPy lacks, such as bfloat16.

    **Raises:** `ValueError` if the file is none of torch's zip format, or is damaged.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            described = [name for name in archive.namelist() if name.endswith("/data.pkl")]
            if len(described) != 1:
                raise ValueError("it holds no data.pkl")
            return _Reader(archive, described[0].removesuffix("data.pkl")).load()
    except OSError:
        raise
    except Exception as error:  # of a damaged pickle any may come
        raise ValueError(f"{path} cannot be read as a file of torch's zip format: {error}") from error
