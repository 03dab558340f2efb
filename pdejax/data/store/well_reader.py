"""Data sets in The Well's layout, whoever wrote them: folders of files or one file."""

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pdejax._read import FileError
from pdejax.core import register
from pdejax.data.store.collected import Collected
from pdejax.data.store.hdf5 import SUFFIXES, is_group
from pdejax.data.store.pieces import Channel, Piece, check_real, split_files
from pdejax.data.store.well import names, open_shard, reading_well, text

ENDS = {"WALL": "wall", "OPEN": "outflow", "PERIODIC": "periodic"}
ATTRIBUTES = ("dataset_name", "n_trajectories")
GROUPS = ("dimensions", "boundary_conditions", "scalars", "t0_fields", "t1_fields", "t2_fields")


def lacking(file: Any) -> tuple[list[str], int]:
    """What a file of HDF5 needs and does not have to be in this layout, and how many things it needs."""
    missing = [name for name in ATTRIBUTES if name not in file.attrs]
    return missing + [name for name in GROUPS if not is_group(file, name)], len(ATTRIBUTES) + len(GROUPS)


def read_well(path: str | Path) -> Collected:
    """A folder of files `*.hdf5` or `*.h5` in The Well's layout, or one of them.

    A vector `velocity` becomes the channels `velocity_x`, `velocity_y`, a tensor `D` the channels `D_xx`, `D_xy`, ...;
    fields that do not vary in time are channels that stay. Scalars that differ are parameters, also between files;
    those that vary in time are not read. Files in folders `train`, `valid` and `test` are these splits.

    **Raises:** `ValueError` that names file and entry for what is missing or does not fit.
    """
    path = Path(path)
    pieces = [_piece(file, split) for split, file in split_files(path, SUFFIXES)]
    with reading_well(pieces[0].path) as file:
        name = text(file.attrs["dataset_name"])
    return Collected(path, pieces, name)


register("reader", "well", read_well)


def _piece(path: Path, split: str) -> Piece:
    with reading_well(path) as file:
        dimensions, axes = file["dimensions"], names(file["dimensions"], "spatial_dims")
        if text(file.attrs.get("grid_type", "")) == "unstructured":
            raise FileError(f"{path} holds values at scattered points: open the folder of its data set")
        if not 1 <= len(axes) <= 3:
            raise FileError(f"{path}: spatial_dims should name one to three axes, found {axes}")
        places = {axis: dimensions[axis][()] for axis in axes}
        times, count = dimensions["time"][()], int(file.attrs["n_trajectories"])
        sizes = (count, times.shape[-1], *(x.shape[-1] for x in places.values()))
        fields: dict[str, Channel] = {}
        inputs: dict[str, Channel] = {}
        for order in range(3):
            for name in names(file[f"t{order}_fields"]):
                data = file[f"t{order}_fields"][name]
                kind = fields if data.attrs["time_varying"] else inputs
                kind |= _channels(f"{path}: the field {name!r}", data, name, order, axes, sizes)
        if not fields:
            raise FileError(f"{path} has no field that varies in time")
        ends = _ends(path, file["boundary_conditions"], axes, (*fields, *(inputs if sizes[1] > 1 else ())))
        scalars = {
            name: x for name in names(file["scalars"]) if (x := _scalar(file["scalars"][name], count)) is not None
        }
    return Piece(path, open_shard, count, sizes[1], sizes[2:], fields, inputs, times, places, scalars, ends, split)


def _channels(
    what: str, data: Any, name: str, order: int, axes: list[str], sizes: tuple[int, ...]
) -> dict[str, Channel]:
    """A field's components, `name_x` or `name_xy`, if its shape is what its attributes say."""
    check_real(what, data.dtype)
    rows, frames = bool(data.attrs["sample_varying"]), bool(data.attrs["time_varying"])
    along = tuple(map(bool, data.attrs["dim_varying"]))
    if len(along) != len(axes):
        raise FileError(f"{what} says of {len(along)} axes whether it varies along them, there are {len(axes)}")
    wanted = [n for n, there in zip(sizes, (rows, frames, *along), strict=True) if there] + [len(axes)] * order
    if [*data.shape] != wanted and [*data.shape] != [*wanted, 1]:  # scalars may have an axis of one component
        raise FileError(f"{what} should have the shape {tuple(wanted)} by its attributes, found {data.shape}")
    extra = (0,) * (data.ndim - len(wanted))
    made = {}
    for index in itertools.product(range(len(axes)), repeat=order):
        label = name + ("_" + "".join(axes[i] for i in index) if index else "")
        made[label] = Channel(data.name, along, rows, frames, (*index, *extra))
    return made


def _scalar(data: Any, count: int) -> np.ndarray | None:
    """A number, or one for each trajectory; nothing for what varies in time."""
    if data.attrs["time_varying"]:
        return None
    values = np.asarray(data[()], np.float64)
    return values.reshape(count) if data.attrs["sample_varying"] else values.reshape(-1)[:1].reshape(())


def _ends(path: Path, group: Any, axes: list[str], fields: tuple[str, ...]) -> Any:
    """What holds at both sides of every axis for every field; where nothing is said the axis is open."""
    sides: dict[tuple[int, int], Mapping[str, str]] = {}
    for condition in group.values():
        kind = text(condition.attrs["bc_type"]).upper()
        if kind not in ENDS:
            raise FileError(f"{path}: {condition.name!r} should have a bc_type of {', '.join(ENDS)}, found {kind!r}")
        along, whose = names(condition, "associated_dims"), names(condition, "associated_fields")
        mask = np.asarray(condition["mask"][()], bool) if "mask" in condition else np.ones((1,) * len(along), bool)
        mask = mask[(0,) * (mask.ndim - len(along))]  # of a mask for each trajectory or time the first
        of = [name for name in fields if not whose or any(name == w or name.startswith(f"{w}_") for w in whose)]
        for number, axis in enumerate(along):
            for side in (0, -1):
                if kind == "PERIODIC" or mask.take(side, axis=number).any():
                    key = (axes.index(axis), side)
                    sides[key] = {**sides.get(key, {}), **dict.fromkeys(of, ENDS[kind])}
    each = lambda axis, side: {name: sides.get((axis, side), {}).get(name, "outflow") for name in fields}
    one = lambda held: held if len({*held.values()}) > 1 else next(iter(held.values()))
    return tuple((one(each(axis, 0)), one(each(axis, -1))) for axis in range(len(axes)))
