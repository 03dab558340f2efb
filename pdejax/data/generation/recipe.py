"""What determines the content of a data set, and its division into shards."""

import dataclasses
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

_MISSING = object()


@dataclasses.dataclass(frozen=True)
class SplitSize:
    """How much a split holds.

    **Arguments:** `trajectories`: number of initial conditions, or of input fields; `frames`: stored states of each,
    the first included: at least two of what evolves in time, one of what is steady.

    **Raises:** `ValueError` if there is no trajectory or no frame.
    """

    trajectories: int
    frames: int = 1

    def __post_init__(self) -> None:
        if self.trajectories < 1 or self.frames < 1:
            raise ValueError(
                f"a split holds at least 1 trajectory of 1 frame, got {self.trajectories} of {self.frames}"
            )


@dataclasses.dataclass(frozen=True)
class Shard:
    """One file of a split: `trajectories` consecutive ones, beginning with the number `first` within the split."""

    split: str
    path: str
    first: int
    trajectories: int
    frames: int


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Everything that determines the bytes of a data set, given the versions of the packages."""

    problem: Mapping[str, Any]
    splits: Mapping[str, SplitSize]
    seed: int
    shard_size: int
    batch_size: int
    tolerance: float

    def __post_init__(self) -> None:
        if not self.splits:
            raise ValueError("a data set has at least one split, e.g. {'train': SplitSize(trajectories=64, frames=50)}")
        for name in ("shard_size", "batch_size", "tolerance"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")
        if self.seed < 0:
            raise ValueError(f"seed must not be negative, got {self.seed}")

    def as_dict(self) -> dict[str, Any]:
        """The recipe as plain JSON types."""
        return json.loads(json.dumps(dataclasses.asdict(self)))

    def shards(self) -> Iterator[Shard]:
        """The files of the data set, in the order in which they are written; paths are relative to its root."""
        for split, size in self.splits.items():
            for number, first in enumerate(range(0, size.trajectories, self.shard_size)):
                path = Path("data", split, f"{self.problem['name']}-{number:05d}.hdf5").as_posix()
                yield Shard(split, path, first, min(self.shard_size, size.trajectories - first), size.frames)


def first_difference(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> str | None:
    """The dotted key of the first place where two nested mappings differ, in either direction; `None` if equal."""
    place = _first_difference(found, wanted, "")
    return place[0] if place else None


def difference(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> str | None:
    """The first place where two nested mappings differ, as a sentence's middle part; `None` if they are equal."""
    place = _first_difference(found, wanted, "")
    if place is None:
        return None
    there, here = ("missing" if value is _MISSING else repr(value) for value in place[1:])
    return f"{place[0]} is {there} there and {here} here"


def _first_difference(found: Any, wanted: Any, key: str) -> tuple[str, Any, Any] | None:
    if not (isinstance(found, Mapping) and isinstance(wanted, Mapping)):
        return None if found == wanted else (key, found, wanted)
    for name in [*wanted, *(k for k in found if k not in wanted)]:
        path = f"{key}.{name}" if key else name
        if place := _first_difference(found.get(name, _MISSING), wanted.get(name, _MISSING), path):
            return place
    return None
