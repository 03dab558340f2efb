"""Stores of Zarr: arrays with named axes, or by the names that the arrays of an `.npz` file have."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pdejax._read import FileError
from pdejax.core import optional, register
from pdejax.data.store.card import KEYS, checked
from pdejax.data.store.collected import Collected
from pdejax.data.store.memory import STATES
from pdejax.data.store.npz import sorted_arrays
from pdejax.data.store.pieces import Channel, Piece, check_real
from pdejax.data.store.trajectories import SPLITS
from pdejax.data.store.xarray_reader import open_labelled_zarr, piece_of


def read_zarr(path: str | Path) -> Collected:
    """A store of Zarr, version 2 or 3.

    Arrays whose axes have names are read as those of netCDF, see `read_xarray`, groups `train`, `valid` and `test` as
    splits. Others are named as in an `.npz` file, see `read_npz`, and attributes of the store say what a card says.

    **Raises:** `ValueError` that names store and array for what does not fit, or where zarr is not installed.
    """
    path = Path(path)
    root = _opened(path)
    groups = [name for name in SPLITS if name in root and hasattr(root[name], "array_keys")]
    for name in groups:
        if bare := [key for key in root[name].array_keys() if not _labelled(root[name][key])]:
            raise FileError(f"{path}: array {bare[0]!r} of group {name!r} has no named axes, which groups need: say "
                            "dimension_names, or put arrays train, valid and test at the top")  # fmt: skip
    if groups or any(_labelled(root[name]) for name in root.array_keys()):
        parts = [(name, path / name) for name in groups] or [("", path)]
        return Collected(path, [piece_of(one, open_labelled_zarr, split) for split, one in parts], path.stem)
    arrays = {name: root[name] for name in root.array_keys()}
    said = {key: checked(path, key, value) for key, value in dict(root.attrs).items() if key in KEYS}
    return Collected(path, _pieces(path, arrays), path.stem, said)


register("reader", "zarr", read_zarr)


def _opened(path: Path) -> Any:
    zarr = optional("zarr", "data", f"{path} is read by zarr")
    try:
        return zarr.open_group(str(path), mode="r")
    except Exception as error:  # there is no end to what damaged metadata raise
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise FileError(f"{path} cannot be read as a group of Zarr: {reason}") from None


class _Store:
    """Arrays by name."""

    def __init__(self, group: Any) -> None:
        self.group = group

    def __getitem__(self, name: str) -> Any:
        return self.group[name]

    def close(self) -> None:
        """Nothing is held open."""


def open_zarr(path: Path) -> _Store:
    """A store of Zarr for reading."""
    return _Store(_opened(path))


def _labelled(array: Any) -> bool:
    """Whether the axes of an array have names, as version 3 keeps them, or xarray in version 2."""
    names = getattr(array.metadata, "dimension_names", None) or array.attrs.get("_ARRAY_DIMENSIONS")
    return bool(names) and all(names)


def _pieces(path: Path, arrays: Mapping[str, Any]) -> list[Piece]:
    states, inputs, parameters = sorted_arrays(path, arrays)
    if not isinstance(states, Mapping):
        return [_piece(path, "", STATES, states, inputs, parameters, "")]
    return [
        _piece(path, name, name, array, inputs[name], parameters[name], f"{name}_") for name, array in states.items()
    ]


def _piece(path: Path, split: str, name: str, states: Any, inputs: Any, parameters: Any, prefix: str) -> Piece:
    shape = states.shape
    check_real(f"{path}: {name!r}", np.dtype(states.dtype))
    if not 4 <= len(shape) <= 6:
        raise FileError(f"{path}: {name!r} should be (trajectory, time, *space, channel) with one to three axes of "
                        f"space, got the shape {shape}")  # fmt: skip
    space, channels = shape[2:-1], shape[-1]
    along = (True,) * len(space)
    labels = ["u"] if channels == 1 else [f"u{i}" for i in range(channels)]
    fields = {label: Channel(name, along, component=(i,)) for i, label in enumerate(labels)}
    for kind, found, wanted in (("input", inputs, (shape[0], *space)), ("parameter", parameters, shape[:1])):
        for key, array in found.items():
            if array.shape != wanted:
                raise FileError(f"{path}: {kind} {prefix + key!r} should have the shape {wanted}, got {array.shape}")
    given = {key: Channel(prefix + key, along, frames=False) for key in inputs}
    scalars = {key: np.asarray(array[...], np.float64) for key, array in parameters.items()}
    axes = dict.fromkeys("xyz"[: len(space)])
    return Piece(path, open_zarr, shape[0], shape[1], space, fields, given, None, axes, scalars, None, split)
