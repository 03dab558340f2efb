"""Files of PDEArena: a group for each split, with an array for each field."""

import re
from pathlib import Path
from typing import Any

import numpy as np

from pdejax._read import FileError
from pdejax.core import reading_hdf5, register
from pdejax.data.store.collected import Collected
from pdejax.data.store.hdf5 import SUFFIXES, is_array, is_group, open_foreign
from pdejax.data.store.pieces import Channel, Piece, check_real, split_files
from pdejax.data.store.trajectories import SPLITS

SMOKE = ("u", "vx", "vy", "vz")
SPACED = ("dt", "dx", "dy", "dz", "t", "x", "y", "z")  # coordinates and their distances


def lacking(file: Any) -> tuple[list[str], int]:
    """What a file needs and does not have to be in this layout, and how many things it needs."""
    groups = [name for name in SPLITS if is_group(file, name)]
    if not groups:
        return ["a group train, valid or test", "u or pde_* in it"], 2
    return ([] if _fields(file[groups[0]]) else [f"{groups[0]}/u or {groups[0]}/pde_*"]), 2


def read_pdearena(path: str | Path) -> Collected:
    """A file of PDEArena, or a folder of such files.

    Its groups are the splits; each holds `u`, `vx`, `vy` (trajectory, time, *space), or one array `pde_*`, and beside
    them `t`, `x`, `y`, or `dt`, `dx`, `dy`. Every further number of each trajectory, such as `buo_y`, is a parameter.

    **Raises:** `ValueError` that names file and array for what is missing or does not fit.
    """
    path = Path(path)
    pieces = [piece for _, file in split_files(path, SUFFIXES) for piece in _pieces(file)]
    return Collected(path, sorted(pieces, key=lambda one: SPLITS.index(one.split)), path.stem)


register("reader", "pdearena", read_pdearena)


def _fields(group: Any) -> dict[str, str]:
    """Arrays that are fields, by the names of their channels."""
    whole = [name for name in group if re.fullmatch(r"pde_[\w-]*", name) and is_array(group, name)]
    if whole:
        return {"u": whole[0]} if len(whole) == 1 else {name: name for name in whole}
    return {name: name for name in SMOKE if is_array(group, name) and group[name].ndim > 2}


def _pieces(path: Path) -> list[Piece]:
    with open_foreign(path) as file, reading_hdf5(path):
        if missing := lacking(file)[0]:
            raise FileError(f"{path} is not in the layout of PDEArena: it lacks {', '.join(missing)}")
        return [_piece(path, file[split], split) for split in SPLITS if is_group(file, split)]


def _piece(path: Path, group: Any, split: str) -> Piece:
    named = _fields(group)
    shape = group[next(iter(named.values()))].shape
    for name in named.values():
        check_real(f"{path}: {group.name}/{name}", group[name].dtype)
        if group[name].shape != shape or not 3 <= len(shape) <= 5:
            raise FileError(f"{path}: {group.name}/{name} should have the axes (trajectory, time, *space) as the other "
                            f"fields do, found {group[name].shape} and {shape}")  # fmt: skip
    along = (True,) * (len(shape) - 2)
    fields = {label: Channel(f"{group.name}/{name}", along) for label, name in named.items()}
    axes = {axis: _coordinate(path, group, axis, n, shape[0]) for axis, n in zip("xyz", shape[2:], strict=False)}
    times = _coordinate(path, group, "t", shape[1], shape[0]) if shape[1] > 1 else None
    further = [name for name in group if is_array(group, name) and name not in (*SPACED, *named.values())]
    scalars = {
        name: np.asarray(group[name][()], np.float64) for name in further if group[name].shape in ((), shape[:1])
    }
    ends = "wall" if "vx" in named else None  # smoke is in a closed box
    return Piece(path, open_foreign, shape[0], shape[1], shape[2:], fields, {}, times, axes, scalars, ends, split)


def _coordinate(path: Path, group: Any, axis: str, count: int, rows: int) -> np.ndarray | None:
    """`x`, one for all trajectories or for each, or of the distances `dx`."""
    if is_array(group, axis):
        values = np.asarray(group[axis][()])
        if values.shape not in ((count,), (rows, count)):
            raise FileError(f"{path}: {group.name}/{axis} should have {count} entries, found the shape {values.shape}")
        return values
    if not is_array(group, f"d{axis}"):
        return None
    steps = np.asarray(group[f"d{axis}"][()], np.float64)
    return (steps[:, None] if steps.ndim else steps) * np.arange(count)
