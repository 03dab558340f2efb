"""Data sets of ours, read lazily."""

import dataclasses
import functools
import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from pdejax.core import Grid, known, register
from pdejax.data.store.manifest import FORMAT, MANIFEST, RECIPE, STATISTICS, verify
from pdejax.data.store.shards import ShardFile, StoredSplit
from pdejax.data.store.statistics import from_yaml_dict
from pdejax.data.store.trajectories import Split, Trajectories
from pdejax.equations import Problem, SteadyProblem, build_problem


@dataclasses.dataclass(frozen=True, eq=False)
class Dataset(Trajectories):
    """A complete data set written by `generate`."""

    root: Path
    manifest: Mapping[str, Any]
    fingerprint: str

    @staticmethod
    def open(path: str | Path) -> "Dataset":
        """Opens the data set in the folder `path`; reads the manifest only.

        **Raises:** `ValueError` if there is none, or one that is not complete.
        """
        root = Path(path)
        written = root / MANIFEST
        if (root / RECIPE).exists() and not written.exists():
            raise ValueError(f"the data set in {root} is not complete: generate again with the same settings to go on")
        if not written.exists():
            raise ValueError(f"there is no data set in {root}: expected the file {written}")
        content = written.read_bytes()
        manifest = json.loads(content)
        if manifest.get("format") != FORMAT:
            found = manifest.get("format")
            raise ValueError(f"{written} has the format {found!r}, expected {FORMAT!r}: delete it and generate again")
        return Dataset(root, manifest, hashlib.sha256(content).hexdigest())

    def __getstate__(self) -> dict[str, Any]:
        # what was read or made of it does not go to another process
        return {"root": self.root, "manifest": self.manifest, "fingerprint": self.fingerprint}

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
    def problem(self) -> Problem | SteadyProblem:
        """The problem whose solutions these are."""
        problem: Any = build_problem(self.manifest["recipe"]["problem"])
        return problem

    @property
    def family(self) -> Any:
        """What is solved."""
        return self.problem

    @property
    def simulator(self) -> Any:
        """By what it was solved."""
        return None

    @property
    def domain(self) -> Grid:
        """Grid of the stored states."""
        return self.problem.grid

    @property
    def step(self) -> float:
        """Time between two frames (before the factor `step` of a trajectory, where that varies); 0 if steady."""
        return self.problem.step

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
        """Of the train split, see `Trajectories`."""
        stored = yaml.safe_load((self.root / STATISTICS).read_text(encoding="utf-8"))
        return from_yaml_dict(stored, self.field_names, self.input_names, self.parameter_names)

    def _shards(self, split: str) -> Iterator[ShardFile]:
        for entry in self.manifest["shards"]:
            if entry["split"] == split:
                yield ShardFile(self.root / entry["path"], entry["first"], entry["trajectories"])

    @functools.cached_property
    def _splits(self) -> dict[str, StoredSplit]:
        sizes = self.manifest["recipe"]["splits"]
        return {n: StoredSplit(self, n, sizes[n]["frames"], tuple(self._shards(n))) for n in self.split_names}

    def split(self, name: str) -> Split:
        """One of the splits, the same object each time, so that what it has read is read once.

        **Raises:** `ValueError` if there is none of this name.
        """
        if name not in self.split_names:
            raise ValueError(known("split", name, self.split_names))
        return self._splits[name]


register("reader", "pdejax", Dataset.open)
