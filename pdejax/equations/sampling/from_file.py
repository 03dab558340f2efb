"""Fields that somebody else has made."""

import dataclasses
import functools
from pathlib import Path
from typing import Annotated

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from pdejax._read import FileError, check_file, unreadable
from pdejax.core import (
    Count,
    Domain,
    Grid,
    Key,
    Noted,
    as_real,
    check_memory,
    check_options,
    known,
    open_hdf5,
    read_arrays,
    register,
    sha256,
)

_NUMPY, _HDF5 = (".npy", ".npz"), (".h5", ".hdf5")


@register("sampler", "from_file")
@dataclasses.dataclass(frozen=True)
class FromFile:
    """One of the fields of a file, each as likely; it may come again, in another split too.

    Fields of another number of points on the same box are taken to the grid by `Grid.transfer`.

    **Arguments:** `path`: of an array `(sample, *space)` or `(sample, *space, channel)` in a file `.npy`, `.npz`,
    `.h5` or `.hdf5`; `array`: its name there, if it has one and is not alone; `digest`: SHA-256 of the file, which is
    noted when omitted; where it is given the file is opened when fields are drawn, and not before.

    **Raises:** `ValueError` for a file that is missing, is no such array or is another one than it was.
    """

    path: str
    array: str | None = None
    digest: Annotated[str | None, Noted()] = None
    channels: Count = 1

    def __post_init__(self) -> None:
        check_options(self)
        suffix = Path(self.path).suffix.lower()
        if suffix not in (*_NUMPY, *_HDF5):
            raise ValueError(f"path should be a file {', '.join((*_NUMPY, *_HDF5))}, got {self.path!r}")
        if suffix == ".npy" and self.array is not None:
            raise ValueError(f"array={self.array!r} has no effect: a file .npy has one array, which has no name")
        if self.digest is None:
            object.__setattr__(self, "digest", _digest(self.path))
            self._states()

    def _states(self) -> np.ndarray:
        return _read(self.path, self.array, self.digest or "")

    def __call__(self, key: Key, grid: Domain) -> Float[Array, "*space channel"]:
        states, ndim = self._states(), len(grid.shape)
        has_channels = states.ndim == ndim + 2
        if states.ndim - ndim not in (1, 2) or (states.shape[-1] if has_channels else 1) != self.channels:
            last = f", {self.channels}" if self.channels > 1 else "[, 1]"
            raise ValueError(f"path: {self.path} holds an array {list(states.shape)}, expected (sample, "
                             f"{', '.join('xyz'[:ndim])}{last}) for domain.shape {list(grid.shape)}")  # fmt: skip
        number = jax.random.randint(key, (), 0, len(states), jnp.int32)
        field = jnp.asarray(states)[number].astype(jnp.result_type(float))
        field = field if has_channels else field[..., None]
        if field.shape[:-1] == grid.shape:
            return field
        if not isinstance(grid, Grid):
            raise ValueError(f"path: {self.path} holds fields of the shape {list(field.shape[:-1])}, expected "
                             f"{list(grid.shape)} of the domain, which is no grid")  # fmt: skip
        return grid.with_shape(field.shape[:-1]).transfer(field, grid)


def _digest(path: str) -> str:
    try:
        check_file(Path(path))
        return sha256(Path(path))
    except (FileNotFoundError, FileError) as error:
        raise ValueError(f"path: {error}") from None
    except OSError as error:
        raise ValueError(f"path: {unreadable(Path(path), error)}") from None


@functools.lru_cache(maxsize=4)
def _read(path: str, array: str | None, digest: str) -> np.ndarray:
    """The array, if the file is the one of this digest."""
    if (found := _digest(path)) != digest:
        raise ValueError(f"path: {path} has changed: its digest is {found[:12]}..., expected {digest[:12]}...")
    check_memory(3.0 * Path(path).stat().st_size, path, "keep fewer states in it")
    try:
        values = as_real(_array(Path(path), array), path)
    except (OSError, TypeError, ValueError) as error:
        raise ValueError(f"path: {error}" if not str(error).startswith("array") else str(error)) from None
    if values.ndim < 2 or not values.size:
        raise ValueError(f"path: {path} holds an array {list(values.shape)}, expected (sample, *space[, channel])")
    if not np.isfinite(values).all():
        raise ValueError(f"path: {path} holds numbers that are not finite")
    return values


def _array(path: Path, name: str | None) -> np.ndarray:
    if path.suffix.lower() in _NUMPY:
        found = read_arrays(path)
        return np.asarray(found[_chosen(path, name, [*found])])
    with open_hdf5(path, "copy or download it again") as file:
        names: list[str] = []
        file.visititems(lambda key, item: names.append(key) if hasattr(item, "shape") else None)
        return file[_chosen(path, name, names)][()]


def _chosen(path: Path, name: str | None, names: list[str]) -> str:
    if name is None and len(names) == 1:
        return names[0]
    if name is None:
        raise ValueError(f"array should name one of the {len(names)} arrays of {path}: {', '.join(names)}")
    if name not in names:
        raise ValueError(f"array is none of {path}: {known('array', name, names)}")
    return name
