"""What a data set is to those who train on it and measure with it, wherever it comes from."""

import abc
import functools
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

SPLITS = ("train", "valid", "test")
SHARES: Mapping[str, float] = {"train": 0.8, "valid": 0.1, "test": 0.1}  # of what others did not divide


class Window(NamedTuple):
    """Some consecutive frames of one trajectory, and the fields given beside them."""

    states: Float[np.ndarray, "time *space channel"]
    inputs: Float[np.ndarray, "*space input"]


class Split(abc.ABC):
    """The trajectories of one split; `len` is their number.

    - `source`: the data set this is a part of; `name`: of the split; `frames`: stored states of a trajectory.
    - `inputs`: fields given beside the states; `parameters`: what varies from trajectory to trajectory, by name;
        both float32, in memory from the first use on.
    """

    source: "Trajectories"
    name: str
    frames: int
    inputs: Float[np.ndarray, "trajectory *space input"]
    parameters: Mapping[str, Float[np.ndarray, " trajectory"]]

    @abc.abstractmethod
    def __len__(self) -> int: ...

    @abc.abstractmethod
    def read(self, trajectories: int, frames: int) -> Float[np.ndarray, "trajectory time *space channel"]:
        """The first states of the first trajectories, float32.

        Reads no more than that; gives a view if `states` are in memory already.

        **Raises:** `ValueError` if the split holds less.
        """

    @abc.abstractmethod
    def window(self, trajectory: int, start: int, frames: int) -> Window:
        """The frames `start` to `start + frames` of a trajectory, float32; reads no more than that."""

    @functools.cached_property
    def states(self) -> Float[np.ndarray, "trajectory time *space channel"]:
        """All states, float32, in memory from the first use on."""
        return self.read(len(self), self.frames)

    @property
    def shape(self) -> tuple[int, ...]:
        """`(trajectory, time, *space, channel)`."""
        return (len(self), self.frames, *self.source.domain.shape, len(self.source.field_names))

    @property
    def nbytes(self) -> int:
        """Size of `states` and `inputs` in memory."""
        points = int(np.prod(self.source.domain.shape, dtype=np.int64))
        return 4 * len(self) * points * (self.frames * len(self.source.field_names) + len(self.source.input_names))

    @functools.cached_property
    def parameter_array(self) -> Float[np.ndarray, "trajectory parameter"]:
        """`parameters` as one array, float32, in the order of the data set's `parameter_names`."""
        columns = [self.parameters[name] for name in self.source.parameter_names]
        return np.stack(columns, axis=-1) if columns else np.zeros((len(self), 0), np.float32)

    def check_corner(self, trajectories: int, frames: int) -> None:
        """**Raises:** `ValueError` unless the split has so many trajectories of so many frames."""
        if not (1 <= trajectories <= len(self) and 1 <= frames <= self.frames):
            raise ValueError(
                f"split {self.name!r} has {len(self)} trajectories of {self.frames} frames, "
                f"{trajectories} of {frames} were asked for"
            )


class Trajectories(abc.ABC):
    """Trajectories of states on one domain, divided into splits: what a reader gives.

    - `name`: of the problem; `fingerprint`: changes when the content does.
    - `step`: time between two frames (before the factor `step` of a trajectory, where that varies); 0 if steady.
    - `domain`: where the states live.
    - `field_names`: of the channels; `input_names`: of the fields given beside the states; `parameter_names`: of
        what varies from trajectory to trajectory.
    - `split_names`: usually `train`, `valid` and `test`.
    - `statistics`: of the train split: `mean`, `std`, `rms`, `mean_delta`, `std_delta`, `rms_delta` `(channel,)`,
        `input_mean`, `input_std` `(input,)`, `parameter_mean`, `parameter_std` `(parameter,)`, float32.
    - `constants`: physical parameters that are the same for all trajectories, where they are known.
    - `family`, `simulator`: whose solutions these are and how they were solved for, where that is known; none for
        data of unknown origin, which a solver cannot be compared with.
    """

    name: str
    fingerprint: str
    step: float
    domain: Any
    field_names: tuple[str, ...]
    input_names: tuple[str, ...]
    parameter_names: tuple[str, ...]
    split_names: tuple[str, ...]
    statistics: Mapping[str, np.ndarray]
    constants: Mapping[str, float] = MappingProxyType({})
    family: Any
    simulator: Any

    @property
    def steady(self) -> bool:
        """Whether there is no time, but one frame."""
        return not self.step

    @abc.abstractmethod
    def split(self, name: str) -> Split:
        """One of the splits, the same object each time, so that what it has read is read once.

        **Raises:** `ValueError` if there is none of this name.
        """
