"""Files of PDEBench: arrays of all samples in one file, or a group for each seed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from pdejax._read import FileError
from pdejax.core import reading_hdf5, register
from pdejax.data.store.collected import Collected
from pdejax.data.store.hdf5 import SUFFIXES, is_array, is_group, open_foreign
from pdejax.data.store.pieces import Channel, Piece, check_real, split_files

TENSOR, COEFFICIENT, TIME = "tensor", "nu", "t-coordinate"
GAS = ("density", "pressure", "Vx", "Vy", "Vz")
AXES = ("x", "y", "z")


def lacking(file: Any) -> tuple[list[str], int]:
    """What a file needs and does not have to be in one of these layouts, and how many things it needs."""
    if any(name.isdecimal() and is_group(file, name) for name in file):
        first = next(name for name in file if name.isdecimal())
        return [f"{first}/{name}" for name in ("data", "grid") if name not in file[first]], 2
    arrays = (*(GAS[:3] if any(name in file for name in GAS) else (TENSOR,)), "x-coordinate")
    return [name for name in arrays if not is_array(file, name)], len(arrays)


def read_pdebench(path: str | Path) -> Collected:
    """A file of PDEBench, or a folder of such files.

    One file with `tensor` (trajectory, time, *space), or `density`, `pressure`, `Vx`, ... for a gas, and with `nu`
    beside `tensor` for Darcy flow, where `nu` is the input of a steady problem; or a group for each seed with `data`
    (time, *space, channel). Numbers among the attributes of files are constants, or parameters where files differ.

    **Raises:** `ValueError` that names file and array for what is missing or does not fit.
    """
    path = Path(path)
    pieces = [piece for split, file in split_files(path, SUFFIXES) for piece in _pieces(file, split)]
    return Collected(path, pieces, path.stem)


register("reader", "pdebench", read_pdebench)


def _pieces(path: Path, split: str) -> list[Piece]:
    with open_foreign(path) as file, reading_hdf5(path):
        if missing := lacking(file)[0]:
            raise FileError(f"{path} is in no layout of PDEBench: it lacks {', '.join(map(repr, missing))}")
        seeds = sorted((name for name in file if name.isdecimal() and is_group(file, name)), key=int)
        if seeds:
            return [_of_seed(path, split, file, name) for name in seeds]
        return [_of_arrays(path, split, file)]


def _of_arrays(path: Path, split: str, file: Any) -> Piece:
    named = [TENSOR] if is_array(file, TENSOR) else [name for name in GAS if is_array(file, name)]
    shape = file[named[0]].shape
    space = shape[2:]
    if not 1 <= len(space) <= 3:
        raise FileError(
            f"{path}: {named[0]!r} should have the axes (trajectory, time, *space), found the shape {shape}"
        )
    for name in named:
        check_real(f"{path}: {name!r}", file[name].dtype)
        if file[name].shape != shape:
            raise FileError(f"{path}: {name!r} has the shape {file[name].shape}, {named[0]!r} has {shape}")
    along, inputs = (True,) * len(space), {}
    if named == [TENSOR] and is_array(file, COEFFICIENT):
        if file[COEFFICIENT].shape != (shape[0], *space):
            raise FileError(f"{path}: {COEFFICIENT!r} should have the shape {(shape[0], *space)}, "
                            f"found {file[COEFFICIENT].shape}")  # fmt: skip
        inputs = {COEFFICIENT: Channel(COEFFICIENT, along, frames=False)}
    fields = {"u" if name == TENSOR else name: Channel(name, along) for name in named}
    axes = {axis: _axis(path, file, axis, n) for axis, n in zip(AXES, space, strict=False)}
    times = file[TIME][()][..., : shape[1]] if is_array(file, TIME) and shape[1] > 1 else None
    ends = "value" if inputs else "outflow" if "trans" in path.stem.lower() else None  # what the names of files say
    scalars = _numbers(file.attrs)
    return Piece(path, open_foreign, shape[0], shape[1], space, fields, inputs, times, axes, scalars, ends, split)


def _axis(path: Path, file: Any, axis: str, count: int) -> np.ndarray | None:
    name = f"{axis}-coordinate"
    if not is_array(file, name):
        return None
    values = file[name][()]
    if values.shape != (count,):
        raise FileError(f"{path}: {name!r} should have {count} entries, one for each point, found {values.shape}")
    return values


def _numbers(attributes: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """The attributes that are one number."""
    plain = {name: np.asarray(value) for name, value in attributes.items()}
    return {
        name: x.astype(np.float64).reshape(()) for name, x in plain.items() if x.size == 1 and x.dtype.kind in "fiu"
    }


def _of_seed(path: Path, split: str, file: Any, name: str) -> Piece:
    group = file[name]
    if missing := [one for one in ("data", "grid") if one not in group]:
        raise FileError(f"{path}: the group {name!r} has no {missing[0]!r}")
    data, grid = group["data"], group["grid"]
    space, channels = data.shape[1:-1], data.shape[-1] if data.ndim else 0
    check_real(f"{path}: {data.name!r}", data.dtype)
    if not 1 <= len(space) <= 3:
        raise FileError(f"{path}: {data.name!r} should have the axes (time, *space, channel), found {data.shape}")
    axes = {axis: grid[axis][()] if axis in grid else None for axis in AXES[: len(space)]}
    for axis, n in zip(AXES, space, strict=False):
        if axis in grid and grid[axis].shape != (n,):
            raise FileError(f"{path}: {name}/grid/{axis} should have {n} entries, found {grid[axis].shape}")
    times = grid["t"][()][: data.shape[0]] if "t" in grid and data.shape[0] > 1 else None
    labels = ["u"] if channels == 1 else [f"u{i}" for i in range(channels)]
    along = (True,) * len(space)
    fields = {one: Channel(data.name, along, rows=False, component=(i,)) for i, one in enumerate(labels)}
    # diffusion with reaction or sorption and the broken dam: none of them is periodic
    return Piece(
        path, open_foreign, 1, data.shape[0], space, fields, {}, times, axes, _configured(path, group), "slope", split
    )


def _configured(path: Path, group: Any) -> dict[str, np.ndarray]:
    """The numbers of the configuration that a group was made with, but for the seed."""
    written = group.attrs.get("config", "")
    try:
        found = yaml.safe_load(written.decode() if isinstance(written, bytes) else str(written)) or {}
    except yaml.YAMLError:
        raise FileError(f"{path}: the attribute 'config' of {group.name!r} is not valid YAML") from None
    plain = found.get("sim", found) if isinstance(found, dict) else {}
    number = lambda value: isinstance(value, int | float) and not isinstance(value, bool)
    return {str(key): np.asarray(float(value)) for key, value in plain.items() if number(value) and key != "seed"}
