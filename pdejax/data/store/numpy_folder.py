"""Folders of NumPy's files: an array a file."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from pdejax.core import read_arrays, register
from pdejax.data.store.memory import STATES, Arrays
from pdejax.data.store.npz import from_named
from pdejax.data.store.trajectories import SPLITS

SUFFIX = ".npy"


def read_numpy_folder(path: str | Path) -> Arrays:
    """A folder of files `.npy`.

    Files that are named as the arrays of an `.npz` file are read as these: `states.npy`, or `train.npy`, `valid.npy`,
    `test.npy`, and beside them parameters and inputs. Files of other names are trajectories `(time, *space, channel)`
    of one size, in the order of their names; those in folders `train`, `valid` and `test` are these splits. The card
    has the name of the folder and stands beside it.

    **Raises:** `ValueError` that names the file for what does not fit.
    """
    path = Path(path)
    here = _arrays(path)
    folders = {name: found for name in SPLITS if (path / name).is_dir() and (found := _arrays(path / name))}
    if here and folders:
        raise ValueError(f"{path} holds files {SUFFIX} and folders {', '.join(folders)} of such: keep one of them")
    if folders:
        return from_named(path, {name: _together(path / name, found) for name, found in folders.items()})
    if STATES in here or any(name in here for name in SPLITS):
        return from_named(path, here)
    return from_named(path, {STATES: _together(path, here)})


register("reader", "numpy_folder", read_numpy_folder)


def _arrays(folder: Path) -> dict[str, np.ndarray]:
    files = sorted(one for one in folder.iterdir() if one.suffix.lower() == SUFFIX)
    return {file.stem: array for file in files for array in read_arrays(file).values()}


def _together(folder: Path, found: Mapping[str, np.ndarray]) -> np.ndarray:
    """One trajectory a file."""
    if not found:
        raise ValueError(f"there is no data set in {folder}: it holds no file *{SUFFIX}")
    (first, one), *others = found.items()
    for name, array in others:
        if array.shape != one.shape:
            raise ValueError(f"{folder / name}{SUFFIX} has the shape {array.shape}, {first}{SUFFIX} has {one.shape}: "
                             f"files of a folder are trajectories (time, *space, channel) of one size, or named "
                             f"'{STATES}' or {', '.join(SPLITS)}")  # fmt: skip
    if not 3 <= one.ndim <= 5:
        raise ValueError(f"{folder / first}{SUFFIX} should be a trajectory (time, *space, channel), or be named "
                         f"'{STATES}' or by a split, got the shape {one.shape}")  # fmt: skip
    return np.stack([*found.values()])
