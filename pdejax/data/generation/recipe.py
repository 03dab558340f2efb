"""What determines the content of a data set, and its division into shards."""

import dataclasses
import functools
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import jax

from pdejax._suggest import nearest
from pdejax.core import Count, check_options, describe
from pdejax.data.generation.problem import read_problem
from pdejax.data.store.trajectories import SPLITS
from pdejax.equations import Family
from pdejax.solvers import Resolving, Simulator

SIZES = ("splits", "seed", "shard_size", "batch_size", "tolerance", "space_tolerance")
OF_ONES_OWN = rf"({'|'.join(SPLITS)})[^a-z]"  # a further split that is called after one of these, such as test_2
TOLERANCES = {False: 1e-4, True: 1e-8}  # of what evolves in time, and of what is steady
SPACE_TOLERANCE = 1e-2
_MISSING = object()


@dataclasses.dataclass(frozen=True)
class SplitSize:
    """How much a split holds.

    **Arguments:** `trajectories`: number of initial conditions, or of input fields; `frames`: stored states of each,
    the first included: at least two of what evolves in time, one of what is steady.

    **Raises:** `ValueError` if there is no trajectory or no frame.
    """

    trajectories: Count
    frames: Count = 1

    def __post_init__(self) -> None:
        check_options(self)


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
    """Everything that determines the bytes of a data set, given the versions of the packages.

    **Arguments:** as of `generate`.
    """

    family: Family
    simulator: Simulator
    splits: Mapping[str, SplitSize]
    seed: int = 0
    shard_size: int = 64
    batch_size: int = 16
    tolerance: float | None = None
    space_tolerance: float | None = None

    def __post_init__(self) -> None:
        self._check_space()
        if self.tolerance is None:
            object.__setattr__(self, "tolerance", TOLERANCES[self.family.steady])
        if not self.splits:
            raise ValueError("a data set has at least one split, e.g. {'train': SplitSize(trajectories=64, frames=50)}")
        for name, size in self.splits.items():
            if size.frames < 2 and not self.family.steady:
                raise ValueError(f"splits.{name}.frames should be at least 2, as problem {self.family.name!r} evolves "
                                 f"in time, got {size.frames}")  # fmt: skip
        for name in ("shard_size", "batch_size", "tolerance"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")
        if self.seed < 0:
            raise ValueError(f"seed must not be negative, got {self.seed}")
        self.simulator.validate(self.family)
        self._check_draws()

    def _check_draws(self) -> None:
        """**Raises:** `ValueError` for samplers that do not fit the domain, of which nothing is computed."""
        domain = self.simulator.domain(self.family)
        draw = lambda seed: self.family.draw(seed, 0, domain, parameters=self.family.draw_parameters(seed, 0))
        with jax.enable_x64(True):
            jax.eval_shape(draw, 0)

    def _check_space(self) -> None:
        resolving, given = isinstance(self.simulator, Resolving), self.space_tolerance
        if given is None and resolving:
            object.__setattr__(self, "space_tolerance", SPACE_TOLERANCE)
        elif given is not None and not resolving:
            raise ValueError(f"space_tolerance has no effect, got {given}: this solver compares with no finer grid")
        elif given is not None and not given > 0:
            raise ValueError(f"space_tolerance must be positive, got {given}")

    @staticmethod
    def of(section: Mapping[str, Any]) -> "Recipe":
        """The recipe of a plain mapping: a problem as `read_problem` takes it, with the sizes of its data set.

        **Raises:** `ValueError` for unknown or missing entries, with the nearest spelling, and what does not fit.
        """
        problem = {key: value for key, value in section.items() if key not in SIZES}
        if "splits" not in section:
            raise ValueError(f"the problem needs the entry 'splits', got {sorted(section)}")
        sizes = {key: section[key] for key in SIZES if key in section and key != "splits"}
        splits = {name: SplitSize(**size) for name, size in section["splits"].items()}
        return Recipe(*read_problem(problem), splits, **sizes)

    @functools.cached_property
    def plain(self) -> dict[str, Any]:
        """As JSON.

        **Raises:** `ValueError` if family or simulator hold something that no file can hold, naming it.
        """
        splits = {name: dataclasses.asdict(size) for name, size in self.splits.items()}
        sizes = {name: getattr(self, name) for name in SIZES if name != "splits"}
        sizes = {name: size for name, size in sizes.items() if size is not None}
        plain = {"family": describe(self.family), "simulator": describe(self.simulator), "splits": splits, **sizes}
        return json.loads(json.dumps(plain))

    def shards(self) -> Iterator[Shard]:
        """The files of the data set, in the order in which they are written; paths are relative to its root."""
        for split, size in self.splits.items():
            for number, first in enumerate(range(0, size.trajectories, self.shard_size)):
                path = Path("data", split, f"{self.family.name}-{number:05d}.hdf5").as_posix()
                yield Shard(split, path, first, min(self.shard_size, size.trajectories - first), size.frames)


def check_split_names(names: Iterable[str]) -> None:
    """**Raises:** `ValueError` for the misspelt name of a split that everybody reads."""
    for name in names:
        if name in SPLITS or re.match(OF_ONES_OWN, name) or not (near := nearest(name, SPLITS, 0.75)):
            continue
        raise ValueError(f"splits.{name} is read by no training, which has train and valid, nor by its evaluation, "
                         f"which has test: did you mean {near[0]!r}?")  # fmt: skip


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
