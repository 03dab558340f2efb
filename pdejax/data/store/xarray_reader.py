"""Arrays with named axes: netCDF by xarray, which also reads what is such in Zarr's stores."""

import functools
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pdejax._read import FileError, check_file
from pdejax.core import optional, register
from pdejax.data.store.collected import Collected
from pdejax.data.store.pieces import Channel, Piece, check_real, split_files

SUFFIXES = (".nc", ".nc4", ".cdf", ".netcdf")
TRAJECTORY = ("trajectory", "sample", "batch", "member", "ensemble", "realization", "run", "simulation", "case", "seed")
TIME = ("time", "t")
COMPONENT = ("channel", "component", "field", "variable")


def read_xarray(path: str | Path) -> Collected:
    """A file of netCDF, or a folder of such files, of which those named `train`, `valid` and `test` are these splits.

    Variables with the axes of time and space are fields, those of space alone fields that stay, those of trajectories
    alone parameters. The axis of trajectories is called `trajectory`, `sample`, `batch`, `member`, ..., that of time
    `time` or `t`, one of components `channel` or `component`; all others are axes of space.

    **Raises:** `ValueError` that names file and variable for what does not fit, or where xarray is not installed.
    """
    path = Path(path)
    pieces = [piece_of(file, open_netcdf, split) for split, file in split_files(path, SUFFIXES)]
    return Collected(path, pieces, path.stem)


for _name in ("xarray", *(suffix.removeprefix(".") for suffix in SUFFIXES)):
    register("reader", _name, read_xarray)


def open_netcdf(path: Path) -> "Labelled":
    """A file of netCDF, its arrays not read."""
    check_file(path)
    with path.open("rb") as file:
        classic = file.read(3) == b"CDF"
    xarray = optional("xarray", "data", f"{path} is read by xarray")
    if not classic:
        optional("h5netcdf", "data", f"{path} is read by h5netcdf")
    try:
        return Labelled(xarray.open_dataset(path, engine="scipy" if classic else "h5netcdf", decode_times=False))
    except (OSError, ValueError, TypeError, KeyError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise FileError(f"{path} cannot be read as netCDF: {reason}") from None


class Labelled:
    """Arrays by name, each with its axes in the order of a `Channel`, read where they are indexed."""

    def __init__(self, data: Any) -> None:
        bounds = {array.attrs.get("bounds") for array in data.coords.values()}
        self.data = data = data.drop_vars(bounds & {*data.data_vars})
        arrays = dict(sorted(data.data_vars.items()))  # a store lists them in no certain order
        named = lambda words, dims: next((str(d) for d in dims if str(d).lower() in words), None)
        self.rows, self.time, self.component = (named(words, data.sizes) for words in (TRAJECTORY, TIME, COMPONENT))
        taken = (self.rows, self.time, self.component)
        placed = lambda array: any(d not in taken for d in array.dims)  # a number of each time alone is no field
        self.fields = [name for name, array in arrays.items() if self.time in array.dims and placed(array)]
        dims = [d for name in self.fields for d in arrays[name].dims if d not in taken]
        self.space = tuple(map(str, dict.fromkeys(dims)))
        self.inputs = [name for name, array in arrays.items()
                       if self.time not in array.dims and any(d in self.space for d in array.dims)]  # fmt: skip

    def order(self, name: str) -> list[str]:
        """The axes that an array has, in the order of a `Channel`."""
        wanted = (self.rows, self.time, *self.space, self.component)
        return [axis for axis in wanted if axis is not None and axis in self.data[name].dims]

    def __getitem__(self, name: str) -> "_View":
        return _View(self.data[name], self.order(name))

    def close(self) -> None:
        """Lets go of the file."""
        self.data.close()


class _View:
    def __init__(self, array: Any, order: Sequence[str]) -> None:
        self.array, self.order = array, order

    def __getitem__(self, index: tuple[slice, ...]) -> np.ndarray:
        taken = dict(zip(self.order, index, strict=False))
        return self.array.isel(taken).transpose(*self.order).values


def piece_of(path: Path, opener: Callable[[Path], Labelled], split: str = "") -> Piece:
    """What is in a file, or store, of arrays with named axes."""
    file = opener(path)
    try:
        data, space = file.data, file.space
        if not file.fields or not 1 <= len(space) <= 3:
            there = ", ".join(f"{name}{tuple(array.dims)}" for name, array in data.data_vars.items())
            raise FileError(f"{path} has no field over {' or '.join(TIME)} and one to three axes of space, found "
                            f"{there or 'nothing'}")  # fmt: skip
        if not any({*space} <= {*data[name].dims} for name in file.fields):
            there = ", ".join(f"{name!r} on {tuple(d for d in data[name].dims if d in space)}" for name in file.fields)
            raise FileError(f"{path}: no field has all of the axes {', '.join(space)}, found {there}: bring the fields "
                            "to one grid")  # fmt: skip
        channels = functools.partial(_channels, path, file)
        fields = {k: v for name in file.fields for k, v in channels(name).items()}
        inputs = {k: v for name in file.inputs for k, v in channels(name).items()}
        count = data.sizes[file.rows] if file.rows else 1
        rest = [n for n in data.data_vars if n not in (*file.fields, *file.inputs)]
        numbers = [n for n in rest if set(data[n].dims) <= {file.rows} and data[n].dtype.kind in "fiu"]
        scalars = {str(n): np.asarray(data[n].values, np.float64) for n in numbers}
        told = {str(n): v for n, v in data.attrs.items() if isinstance(v, int | float | np.number)}
        scalars |= {name: np.asarray(float(value)) for name, value in told.items()}
        axes = {axis: _coordinate(data, axis, file.rows) for axis in space}
        frames, shape = data.sizes[file.time], tuple(data.sizes[axis] for axis in space)
        times = _coordinate(data, str(file.time), file.rows)
        ends = tuple("periodic" if _periodic(data, axis) else "slope" for axis in space)
        return Piece(path, opener, count, frames, shape, fields, inputs, times, axes, scalars, ends, split)
    finally:
        file.close()


def _channels(path: Path, file: Labelled, name: str) -> dict[str, Channel]:
    array, order = file.data[name], file.order(name)
    check_real(f"{path}: the variable {name!r}", array.dtype)
    further = [d for d in array.dims if d not in order]
    if further:
        raise FileError(f"{path}: the variable {name!r} has the axis {further[0]!r}, which no field has")
    one = functools.partial(
        Channel, name, tuple(axis in order for axis in file.space), file.rows in order, file.time in order
    )
    if file.component not in order:
        return {name: one()}
    labels = [str(x) for x in array[file.component].values] if file.component in array.coords else []
    named = labels or [str(i) for i in range(array.sizes[file.component])]
    return {f"{name}_{label}": one((i,)) for i, label in enumerate(named)}


def _coordinate(data: Any, axis: str, rows: str | None) -> np.ndarray | None:
    """Numbers along an axis, one for all trajectories or for each; none where they are not told."""
    if axis not in data.coords or data[axis].dtype.kind not in "fiu":
        return None
    return np.asarray(data[axis].values, np.float64)


def _periodic(data: Any, axis: str) -> bool:
    """What the attribute `periodic` of an axis says; without one it is."""
    said = data[axis].attrs.get("periodic", True) if axis in data.coords else True
    return str(said).lower() not in ("false", "0", "no")


def open_labelled_zarr(path: Path) -> Labelled:
    """A store of Zarr whose arrays have named axes."""
    xarray = optional("xarray", "data", f"the named axes of {path} are read by xarray")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of metadata that are not in one place
        return Labelled(xarray.open_zarr(path, chunks=None, decode_times=False))
