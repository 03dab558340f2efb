"""What is known of the trajectories in a file of others before any state is read, and how states are."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pdejax.core import known
from pdejax.data.store.trajectories import SPLITS


@dataclasses.dataclass(frozen=True)
class Channel:
    """Where a channel is in a file.

    **Arguments:** `array`: the name of an array with axes `([trajectory,] [time,] *space, *component)`; `rows`,
    `frames`: whether it has the first two; `along`: whether it has each axis of space; `component`: which one is meant.
    """

    array: str
    along: tuple[bool, ...]
    rows: bool = True
    frames: bool = True
    component: tuple[int, ...] = ()


@dataclasses.dataclass(frozen=True, eq=False)
class Piece:
    """Trajectories that lie together in one file.

    **Arguments:**

    - `path`: of the file; `opener`: gives of a path what has arrays by name and `close`, in any process.
    - `trajectories`: their number; `frames`: of each; `shape`: of space.
    - `fields`, `inputs`: the channels by name, those that vary in time and those that do not.
    - `times`: `(time,)` or `(trajectory, time)`, none where the file does not tell; `axes`: by name, likewise.
    - `scalars`: by name a number, or `(trajectory,)`.
    - `ends`: what holds at the ends of the axes, as of a `Grid`; none where the file does not tell.
    - `split`: which one it belongs to; nothing where they are not divided.
    """

    path: Path
    opener: Callable[[Path], Any]
    trajectories: int
    frames: int
    shape: tuple[int, ...]
    fields: Mapping[str, Channel]
    inputs: Mapping[str, Channel]
    times: np.ndarray | None
    axes: Mapping[str, np.ndarray | None]
    scalars: Mapping[str, np.ndarray]
    ends: Any = None
    split: str = ""

    def open(self) -> Any:
        """The file for reading."""
        return self.opener(self.path)

    def states(self, file: Any, rows: slice, frames: slice) -> np.ndarray:
        """`(trajectory, time, *space, channel)`, float32."""
        return _stacked(file, self.fields.values(), rows, frames, self.shape)

    def given(self, file: Any, rows: slice) -> np.ndarray:
        """The inputs, `(trajectory, *space, input)`, float32."""
        if not self.inputs:
            return np.zeros((rows.stop - rows.start, *self.shape, 0), np.float32)
        return _stacked(file, self.inputs.values(), rows, None, self.shape)


def _stacked(file: Any, channels: Any, rows: slice, frames: slice | None, shape: tuple[int, ...]) -> np.ndarray:
    count = () if frames is None else (frames.stop - frames.start,)
    out = np.empty((rows.stop - rows.start, *count, *shape, len(channels)), np.float32)
    held: dict[str, np.ndarray] = {}  # components of a vector lie beside each other, and are read once
    for number, one in enumerate(channels):
        if one.array not in held:
            index = (rows,) * one.rows + (frames,) * (frames is not None and one.frames)
            held = {one.array: np.asarray(file[one.array][index])}
        values = held[one.array][(..., *one.component)]
        leading = one.rows + (frames is not None and one.frames)
        missing = [leading + axis for axis, there in enumerate(one.along) if not there]
        values = np.expand_dims(values, missing) if missing else values
        values = values if one.rows else values[None]
        out[..., number] = values if frames is None or one.frames else values[:, None]
    return out


def check_real(what: str, kind: np.dtype) -> None:
    """**Raises:** `ValueError` for an array that holds complex numbers, or none at all."""
    if np.issubdtype(kind, np.complexfloating) or kind.names is not None:
        raise ValueError(f"{what} is complex or a record: fields are real numbers, give two of them")
    if kind.kind not in "fiub":
        raise ValueError(f"{what} should hold numbers, found the type {kind}")


def split_files(path: Path, suffixes: Sequence[str]) -> list[tuple[str, Path]]:
    """The files of a data set, each with its split, that of its folder or its own name; nothing where there are none.

    **Raises:** `ValueError` for a folder of which some files are of a split and others are not.
    """
    if path.is_file():
        return [("", path)]
    files = sorted(one for one in path.rglob("*") if one.suffix.lower() in suffixes and one.is_file())
    if not files:
        raise ValueError(f"there is no data set in {path}: it holds no file {' or '.join('*' + s for s in suffixes)}")
    of = lambda one: next((name for name in (one.parent.name, one.stem) if name in SPLITS), "")
    found = [(of(one), one) for one in files]
    if any(split for split, _ in found):
        for split, one in found:
            if not split:
                where = one.parent.name if one.parent != path else one.stem
                raise ValueError(f"{one} is of no split, as other files of {path} are: {known('split', where, SPLITS)}")
    return sorted(found, key=lambda one: (SPLITS.index(one[0]) if one[0] else 0, one[1]))
