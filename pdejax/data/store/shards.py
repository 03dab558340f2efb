"""A split of our layout: trajectories in numbered files, read lazily."""

import dataclasses
import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pdejax._read import FileError
from pdejax.core import sha256
from pdejax.data.store.manifest import MANIFEST, changed
from pdejax.data.store.opened import OpenFiles
from pdejax.data.store.trajectories import Split, Trajectories, Window
from pdejax.data.store.well import open_shard

_KNOWN: set[tuple[Path, int, int, str]] = set()  # files whose checksum was found right


@dataclasses.dataclass(frozen=True)
class ShardFile:
    """One file of a split, holding the trajectories `first` to `first + trajectories`; `sha256` of its bytes; `names`
    of the fields, inputs and parameters in it.
    """

    path: Path
    first: int
    trajectories: int
    sha256: str
    names: tuple[str, ...] = ()

    def open(self) -> Any:
        """The file for reading; at its first use in a process, and after a change, its checksum is compared.

        **Raises:** `FileError` if it is missing, not readable, or not as it was written.
        """
        file = open_shard(self.path)
        status = self.path.stat()
        mark = (self.path, status.st_size, status.st_mtime_ns, self.sha256)
        if mark not in _KNOWN:
            if sha256(self.path) != self.sha256:
                file.close()
                raise changed(self.path)
            _KNOWN.add(mark)
        for name in self.names:
            if name not in file["t0_fields"] and name not in file["scalars"]:
                file.close()
                raise FileError(f"{self.path} has no {name!r}, which {MANIFEST} names: one of them was changed")
        return file


@dataclasses.dataclass(frozen=True, eq=False)
class StoredSplit(Split):
    """The trajectories of one split of a data set that `generate` wrote."""

    source: Trajectories
    name: str
    frames: int
    shards: tuple[ShardFile, ...]
    _open: OpenFiles = dataclasses.field(default_factory=OpenFiles, init=False, repr=False)

    def __len__(self) -> int:
        return sum(shard.trajectories for shard in self.shards)

    def __getstate__(self) -> dict[str, Any]:
        # what was read does not go to another process
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}

    @functools.cached_property
    def _firsts(self) -> np.ndarray:
        return np.array([shard.first for shard in self.shards])

    def read(self, trajectories: int, frames: int) -> np.ndarray:
        """The first states of the first trajectories, see `Split`."""
        self.check_corner(trajectories, frames)
        if "states" in self.__dict__:
            return self.states[:trajectories, :frames]
        out = np.empty((trajectories, frames, *self.shape[2:]), np.float32)
        for shard in self.shards:
            count = min(shard.trajectories, trajectories - shard.first)
            if count < 1:
                continue
            with shard.open() as file:
                for channel, name in enumerate(self.source.field_names):
                    stored = file["t0_fields"][name][:count, :frames]
                    out[shard.first : shard.first + count, ..., channel] = stored
        return out

    def window(self, trajectory: int, start: int, frames: int) -> Window:
        """Some frames of a trajectory, see `Split`."""
        shard = self.shards[int(np.searchsorted(self._firsts, trajectory, side="right")) - 1]
        with self._open(shard) as file:
            fields, local = file["t0_fields"], trajectory - shard.first
            states = [fields[name][local, start : start + frames] for name in self.source.field_names]
            inputs = [fields[name][local] for name in self.source.input_names]
        return Window(np.stack(states, axis=-1), stacked(inputs, self.shape[2:-1]))

    @functools.cached_property
    def inputs(self) -> np.ndarray:
        """Fields given beside the states, see `Split`."""
        out = np.empty((len(self), *self.shape[2:-1], len(self.source.input_names)), np.float32)
        for shard in self.shards if self.source.input_names else ():
            with shard.open() as file:
                for channel, name in enumerate(self.source.input_names):
                    out[shard.first : shard.first + shard.trajectories, ..., channel] = file["t0_fields"][name][()]
        return out

    @functools.cached_property
    def parameters(self) -> Mapping[str, np.ndarray]:
        """What varies from trajectory to trajectory, see `Split`."""
        columns: dict[str, list[np.ndarray]] = {name: [] for name in self.source.parameter_names}
        for shard in self.shards if columns else ():
            with shard.open() as file:
                for name in columns:
                    columns[name].append(file["scalars"][name][:].astype(np.float32))
        return {name: np.concatenate(parts) for name, parts in columns.items()}


def stacked(fields: list[np.ndarray], space: tuple[int, ...]) -> np.ndarray:
    return np.stack(fields, axis=-1) if fields else np.zeros((*space, 0), np.float32)
