"""Data sets on disk, read lazily."""

import dataclasses
import functools
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from pdejax.core import Grid, build, foreign, known
from pdejax.data.generation.former import FORMER, current
from pdejax.data.store.manifest import FORMAT, MANIFEST, RECIPE, STATISTICS, verify
from pdejax.data.store.statistics import from_yaml_dict
from pdejax.data.store.well import open_shard
from pdejax.equations import Family
from pdejax.solvers import Simulator, as_simulator


@dataclasses.dataclass(frozen=True)
class ShardFile:
    """One file of a split, holding the trajectories `first` to `first + trajectories`."""

    path: Path
    first: int
    trajectories: int


@dataclasses.dataclass(frozen=True, eq=False)
class Split:
    """The trajectories of one split; `len` is their number."""

    name: str
    shards: tuple[ShardFile, ...]
    frames: int
    grid: Grid
    field_names: tuple[str, ...]
    input_names: tuple[str, ...]
    parameter_names: tuple[str, ...]

    def __len__(self) -> int:
        return sum(shard.trajectories for shard in self.shards)

    @property
    def shape(self) -> tuple[int, ...]:
        """`(trajectory, time, *space, channel)`."""
        return (len(self), self.frames, *self.grid.shape, len(self.field_names))

    @property
    def nbytes(self) -> int:
        """Size of `states` and `inputs` in memory."""
        inputs = len(self) * self.grid.size * len(self.input_names)
        return 4 * (int(np.prod(self.shape, dtype=np.int64)) + inputs)

    @functools.cached_property
    def states(self) -> np.ndarray:
        """All states, `(trajectory, time, *space, channel)`, float32, in memory from the first use on."""
        return self._from_files(len(self), self.frames)

    def read(self, trajectories: int, frames: int) -> np.ndarray:
        """The first states of the first trajectories, `(trajectory, time, *space, channel)`, float32.

        Reads no more than that from the files; gives a view if `states` are in memory already.

        **Raises:** `ValueError` if the split holds less.
        """
        if not (1 <= trajectories <= len(self) and 1 <= frames <= self.frames):
            raise ValueError(
                f"split {self.name!r} has {len(self)} trajectories of {self.frames} frames, "
                f"{trajectories} of {frames} were asked for"
            )
        if "states" in self.__dict__:
            return self.states[:trajectories, :frames]
        return self._from_files(trajectories, frames)

    def _from_files(self, trajectories: int, frames: int) -> np.ndarray:
        out = np.empty((trajectories, frames, *self.shape[2:]), np.float32)
        for shard in self.shards:
            count = min(shard.trajectories, trajectories - shard.first)
            if count < 1:
                continue
            with open_shard(shard.path) as file:
                for channel, name in enumerate(self.field_names):
                    stored = file["t0_fields"][name][:count, :frames]
                    out[shard.first : shard.first + count, ..., channel] = stored
        return out

    @functools.cached_property
    def inputs(self) -> np.ndarray:
        """Fields given beside the initial state, `(trajectory, *space, input)`, float32, in memory from then on."""
        out = np.empty((len(self), *self.grid.shape, len(self.input_names)), np.float32)
        for shard in self.shards if self.input_names else ():
            with open_shard(shard.path) as file:
                for channel, name in enumerate(self.input_names):
                    out[shard.first : shard.first + shard.trajectories, ..., channel] = file["t0_fields"][name][()]
        return out

    @functools.cached_property
    def parameters(self) -> dict[str, np.ndarray]:
        """What varies from trajectory to trajectory, name to `(trajectory,)`, float32."""
        columns: dict[str, list[np.ndarray]] = {name: [] for name in self.parameter_names}
        for shard in self.shards if columns else ():
            with open_shard(shard.path) as file:
                for name in columns:
                    columns[name].append(file["scalars"][name][:].astype(np.float32))
        return {name: np.concatenate(parts) for name, parts in columns.items()}

    @property
    def parameter_array(self) -> np.ndarray:
        """`parameters` as `(trajectory, parameter)`, float32, in the order of `parameter_names`."""
        columns = [self.parameters[name] for name in self.parameter_names]
        return np.stack(columns, axis=-1) if columns else np.zeros((len(self), 0), np.float32)


@dataclasses.dataclass(frozen=True, eq=False)
class Dataset:
    """A complete data set written by `generate`."""

    root: Path
    manifest: Mapping[str, Any]
    fingerprint: str

    @staticmethod
    def open(root: str | Path) -> "Dataset":
        """Opens the data set in the folder `root`; reads the manifest only.

        **Raises:** `ValueError` if there is none, or one that is not complete.
        """
        root = Path(root)
        path = root / MANIFEST
        if (root / RECIPE).exists() and not path.exists():
            raise ValueError(f"the data set in {root} is not complete: generate again with the same settings to go on")
        if not path.exists():
            raise ValueError(f"there is no data set in {root}: expected the file {path}")
        content = path.read_bytes()
        manifest = json.loads(content)
        if manifest.get("format") not in (FORMAT, FORMER):
            raise ValueError(f"{path} has the format {manifest.get('format')!r}, expected {FORMAT!r}: generate it anew")
        manifest = {**manifest, "recipe": current(manifest["recipe"])}
        return Dataset(root, manifest, hashlib.sha256(content).hexdigest())

    def verify(self) -> None:
        """Reads all files and compares their checksums.

        **Raises:** `ValueError` that names a file that is missing or damaged.
        """
        verify(self.root, self.manifest)

    @property
    def name(self) -> str:
        """Name of the problem."""
        return self.manifest["name"]

    @functools.cached_property
    def domain(self) -> Grid:
        """Grid of the stored states."""
        return build("domain", self.manifest["recipe"]["family"]["domain"])

    @property
    def grid(self) -> Grid:
        """Grid of the stored states."""
        return self.domain

    @functools.cached_property
    def family(self) -> Family | None:
        """What was solved; none if it needs code that is not there or that a data set may not import."""
        return _made(lambda recipe: build("problem", recipe["family"]), self.manifest["recipe"])

    @functools.cached_property
    def simulator(self) -> Simulator | None:
        """What solved it; none if it needs code that is not there or that a data set may not import."""
        return _made(lambda recipe: as_simulator(recipe["simulator"]), self.manifest["recipe"])

    @property
    def steady(self) -> bool:
        """Whether there is no time."""
        return self.manifest["recipe"]["family"]["times"] is None

    @property
    def step(self) -> float:
        """Time between two frames (before the factor `step` of a trajectory, where that varies); 0 if steady."""
        return 0.0 if self.steady else float(self.manifest["recipe"]["family"]["times"]["step"])

    @property
    def field_names(self) -> tuple[str, ...]:
        """Names of the channels."""
        return tuple(self.manifest["fields"])

    @property
    def input_names(self) -> tuple[str, ...]:
        """Names of the fields given beside the initial state."""
        return tuple(self.manifest["inputs"])

    @property
    def parameter_names(self) -> tuple[str, ...]:
        """Names of what varies from trajectory to trajectory, sorted."""
        return tuple(self.manifest["parameters"])

    @property
    def split_names(self) -> tuple[str, ...]:
        """Names of the splits."""
        return tuple(dict.fromkeys(entry["split"] for entry in self.manifest["shards"]))

    @functools.cached_property
    def statistics(self) -> dict[str, np.ndarray]:
        """Of the train split: `mean`, `std`, `rms`, `mean_delta`, `std_delta`, `rms_delta` `(channel,)` and
        `input_mean`, `input_std` `(input,)`, `parameter_mean`, `parameter_std` `(parameter,)`, float32."""
        stored = yaml.safe_load((self.root / STATISTICS).read_text(encoding="utf-8"))
        return from_yaml_dict(stored, self.field_names, self.input_names, self.parameter_names)

    def _shards(self, split: str) -> Iterator[ShardFile]:
        for entry in self.manifest["shards"]:
            if entry["split"] == split:
                yield ShardFile(self.root / entry["path"], entry["first"], entry["trajectories"])

    @functools.cached_property
    def _splits(self) -> dict[str, Split]:
        sizes = self.manifest["recipe"]["splits"]
        common = (self.grid, self.field_names, self.input_names, self.parameter_names)
        return {n: Split(n, tuple(self._shards(n)), sizes[n]["frames"], *common) for n in self.split_names}

    def split(self, name: str) -> Split:
        """One of the splits, the same object each time, so that what it has read is read once.

        **Raises:** `ValueError` if there is none of this name.
        """
        if name not in self.split_names:
            raise ValueError(known("split", name, self.split_names))
        return self._splits[name]


def _made(make: Callable[[Mapping[str, Any]], Any], recipe: Mapping[str, Any]) -> Any:
    """An object of a data set, which names no code but what is registered or was allowed."""
    try:
        with foreign():
            return make(recipe)
    except ValueError:
        return None
