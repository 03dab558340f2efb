"""Data sets of ours, read lazily."""

import dataclasses
import functools
import hashlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pdejax._read import entries, parse_json, read_plain_yaml, read_text
from pdejax.core import build, foreign, known, register, sha256, spelt
from pdejax.data.generation.former import FORMER, current
from pdejax.data.generation.seconds import read_seconds
from pdejax.data.store.manifest import (
    CONVERTED,
    FORMAT,
    MANIFEST,
    RECIPE,
    STATISTICS,
    changed,
    check_manifest,
    command,
    verify,
)
from pdejax.data.store.shards import ShardFile, StoredSplit
from pdejax.data.store.statistics import from_yaml_dict
from pdejax.data.store.trajectories import Split, Trajectories
from pdejax.equations import Family
from pdejax.solvers import Simulator, as_simulator


@spelt
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
            again = f"{command(root)} again with the same settings to go on"
            raise ValueError(f"the data set in {root} is not complete: {again}")
        if not written.exists():
            raise ValueError(f"there is no data set in {root}: expected the file {written}")
        content = read_text(written)
        manifest = parse_json(content, written)
        if manifest.get("format") not in (FORMAT, FORMER):
            found = manifest.get("format")
            raise ValueError(f"{written} has the format {found!r}, expected {FORMAT!r}: delete it and generate again")
        manifest = {**check_manifest(manifest, written), "recipe": current(manifest["recipe"])}
        entries(entries(manifest["recipe"], written, family=dict)["family"], written, domain=dict)
        return Dataset(root, manifest, hashlib.sha256(content.encode()).hexdigest())

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

    @property
    def _family(self) -> Mapping[str, Any]:
        return self.manifest["recipe"]["family"]

    @property
    def _converted(self) -> Mapping[str, Any] | None:
        return self.manifest["recipe"].get(CONVERTED)

    @functools.cached_property
    def constants(self) -> Mapping[str, float]:  # type: ignore[override]
        """Physical parameters that are the same for all trajectories."""
        return self._converted["constants"] if self._converted else self.family.constants if self.family else {}

    @functools.cached_property
    def family(self) -> Family | None:
        """What was solved; none if it needs code that is not there or that a data set may not import, and of data of
        others, which were converted."""
        return None if self._converted else _made(lambda: build("problem", self._family))

    @functools.cached_property
    def simulator(self) -> Simulator | None:
        """What solved it; none where `family` is none."""
        return None if self._converted else _made(lambda: as_simulator(self.manifest["recipe"]["simulator"]))

    @functools.cached_property
    def domain(self) -> Any:
        """Where the stored states live."""
        return build("domain", self._family["domain"])

    @property
    def step(self) -> float:
        """Time between two frames (before the factor `step` of a trajectory, where that varies); 0 if steady."""
        return float(self._family["times"]["step"]) if self._family["times"] else 0.0

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
        path = self.root / STATISTICS
        stored = read_plain_yaml(path)
        if sha256(path) != self.manifest["statistics"]:
            raise changed(path)
        return from_yaml_dict(stored, self.field_names, self.input_names, self.parameter_names)

    @property
    def solve_seconds(self) -> Mapping[str, Any]:
        """What solving it took, by split, see `read_seconds`; nothing where that was not noted."""
        return read_seconds(self.root)

    def _shards(self, split: str) -> Iterator[ShardFile]:
        names = (*self.field_names, *self.input_names, *self.parameter_names)
        for entry in self.manifest["shards"]:
            if entry["split"] == split:
                size = entry["first"], entry["trajectories"]
                yield ShardFile(self.root / entry["path"], *size, entry["sha256"], names)

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


def _made(make: Callable[[], Any]) -> Any:
    """An object of a data set, which names no code but what is registered or was allowed."""
    try:
        with foreign():
            return make()
    except ValueError:
        return None


register("reader", "pdejax", Dataset.open)
