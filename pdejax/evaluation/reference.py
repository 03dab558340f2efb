"""The part of a data set that a predictor is measured against."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

EXAMPLE_FRAMES = {1: 256, 2: 6, 3: 6}


@dataclasses.dataclass(frozen=True)
class Truth:
    """The selected part of a split.

    **Arguments:** `states`: `(trajectory, time, *space, channel)`; `inputs`: `(trajectory, *space, input)`;
    `parameters`: name to `(trajectory,)`; `start`: number of the newest known frame, -1 where none is known; `times`:
    of the frames after it; `periodic`: whether spectra make sense.
    """

    states: np.ndarray
    inputs: np.ndarray
    parameters: Mapping[str, np.ndarray]
    start: int
    times: np.ndarray
    periodic: bool

    @property
    def frames(self) -> np.ndarray:
        """What is to be predicted, `(time, trajectory, *space, channel)`."""
        return np.moveaxis(self.states[:, self.start + 1 :], 1, 0)

    @property
    def ndim(self) -> int:
        """Number of space axes."""
        return self.states.ndim - 3

    @property
    def steady(self) -> bool:
        """Whether there is no known frame: the solution follows from the inputs alone."""
        return self.start < 0

    def reference(self) -> np.ndarray:
        """A true frame that tells how large fields are, `(trajectory, *space, channel)`."""
        return self.states[:, max(self.start, 0)]

    def initial(self, history: int) -> np.ndarray:
        """What a predictor starts from: the newest known frame with its history in the channels, oldest first, or
        the inputs of a steady problem."""
        if self.steady:
            return self.inputs
        known = self.states[:, self.start - history + 1 : self.start + 1]
        return np.concatenate(list(np.moveaxis(known, 1, 0)), axis=-1)

    def example_frames(self) -> np.ndarray:
        """Numbers of the predicted frames that are kept for pictures."""
        count = min(EXAMPLE_FRAMES[self.ndim], len(self.times))
        return np.unique(np.rint(np.linspace(0, len(self.times) - 1, count)).astype(int))


def select(dataset: Any, split: str, trajectories: int | None, steps: int | None, history: int) -> Truth:
    """The first `trajectories` and `steps` after the first `history` frames; all of them when they are `None`.

    **Raises:** `ValueError` if the split is smaller.
    """
    part, steady = dataset.split(split), dataset.problem.steady
    history = 0 if steady else history
    available, frames = len(part), part.frames - history
    count = available if trajectories is None else trajectories
    length = frames if steps is None else steps
    if not 1 <= count <= available:
        raise ValueError(f"split {split!r} has {available} trajectories, {count} were asked for")
    if not 1 <= length <= frames:
        raise ValueError(
            f"split {split!r} has {part.frames} frames, so {history} known frame(s) leave {frames} to predict, "
            f"not {length}"
        )
    return Truth(
        states=part.read(count, history + length),
        inputs=part.inputs[:count],
        parameters={name: values[:count] for name, values in part.parameters.items()},
        start=history - 1,
        times=np.array([float(f"{dataset.step * i:.12g}") for i in range(1, length + 1)])
        if not steady
        else np.zeros(1),
        periodic=dataset.domain.periodic,
    )
