"""The part of the data that a predictor is measured against."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from pdejax.core import Grid

EXAMPLE_FRAMES = {1: 256, 2: 6, 3: 6}


@dataclasses.dataclass(frozen=True)
class Reference:
    """The selected part of a split.

    **Arguments:** `states`: `(trajectory, time, *space, channel)`; `inputs`: `(trajectory, *space, input)`;
    `parameters`: name to `(trajectory,)`; `start`: number of the newest known frame, -1 where none is known, as of a
    steady problem; `times`: of the frames after it; `periodic`: whether spectra make sense; `weights`: of the points
    in means over space, `(*space,)` of mean one, none where all are alike.
    """

    states: np.ndarray
    inputs: np.ndarray
    parameters: Mapping[str, np.ndarray]
    start: int
    times: np.ndarray
    periodic: bool
    weights: np.ndarray | None = None

    @property
    def frames(self) -> np.ndarray:
        """What is to be predicted, `(time, trajectory, *space, channel)`."""
        return np.moveaxis(self.states[:, self.start + 1 :], 1, 0)

    @property
    def ndim(self) -> int:
        """Number of space axes of the arrays."""
        return self.states.ndim - 3

    def sizes(self, precision: Any = np.float64) -> np.ndarray:
        """Mean square over space of a true frame, which tells how large fields are, `(trajectory, channel)`."""
        squares = np.square(self.first(), dtype=precision)
        weighted = squares if self.weights is None else squares * self.weights.astype(precision)[None, ..., None]
        return weighted.mean(tuple(range(1, self.ndim + 1)))

    def first(self) -> np.ndarray:
        """The newest known frame, of a steady problem the solution, `(trajectory, *space, channel)`."""
        return self.states[:, max(self.start, 0)]

    def initial(self, history: int) -> np.ndarray:
        """What a predictor starts from: the newest known frame with its history in the channels, oldest first, or
        the inputs where no frame is known."""
        if self.start < 0:
            return self.inputs
        known = self.states[:, self.start - history + 1 : self.start + 1]
        return np.concatenate(list(np.moveaxis(known, 1, 0)), axis=-1)

    def example_frames(self) -> np.ndarray:
        """Numbers of the predicted frames that are kept for pictures."""
        count = min(EXAMPLE_FRAMES[self.ndim], len(self.times))
        return np.unique(np.rint(np.linspace(0, len(self.times) - 1, count)).astype(int))


def weights_of(domain: Any) -> np.ndarray | None:
    """Weights of the points in means over space, `(*shape,)` of mean one; none where all points are alike.

    Points of a uniform grid all count once, also its ends, as in the losses and as errors are published.

    **Arguments:** `domain`: whose `measure()` are the weights of its quadrature.
    """
    if isinstance(domain, Grid) or not hasattr(domain, "measure"):
        return None
    weights = np.broadcast_to(np.asarray(domain.measure(), np.float64), domain.shape)
    return None if np.ptp(weights) <= 1e-12 * weights.max() else weights / weights.mean()


def select(data: Any, split: str, trajectories: int | None, steps: int | None, history: int) -> Reference:
    """The first `trajectories` and `steps` after the first `history` frames; all of them when they are `None`.

    **Arguments:** `data`: trajectories; without a `step` they are of a steady problem, all of whose frames are
    predicted.

    **Raises:** `ValueError` if the split is smaller, or holds numbers that are not finite, too small or too large.
    """
    part, domain = data.split(split), data.domain
    history = history if data.step else 0
    available, frames = len(part), part.frames - history
    count = available if trajectories is None else trajectories
    length = frames if steps is None else steps
    if not 1 <= count <= available:
        raise ValueError(f"split {split!r} has {available} trajectories, {count} were asked for")
    if frames < 1:
        first = f"{history} are known to begin with"
        raise ValueError(f"split {split!r} has {part.frames} frame(s), of which {first}: none is left to predict")
    if not 1 <= length <= frames:
        raise ValueError(
            f"split {split!r} has {part.frames} frames, so {history} known frame(s) leave {frames} to predict, "
            f"not {length}"
        )
    where = f"{data.name}, split {split!r}"
    states = _measurable(_finite(part.read(count, history + length), where), where)
    moments = [float(f"{data.step * i:.12g}") for i in range(1, length + 1)] if data.step else [0.0]
    return Reference(
        states=states,
        inputs=part.inputs[:count],
        parameters={name: values[:count] for name, values in part.parameters.items()},
        start=history - 1,
        times=np.array(moments),
        periodic=getattr(domain, "periodic", False),
        weights=weights_of(domain),
    )


SMALLEST, LARGEST = 1e-15, 1e15  # whose squares single precision holds


def _measurable(states: np.ndarray, where: str) -> np.ndarray:
    """The states; spreads and sizes are made of squares in their own precision, which vanish or overflow unseen."""
    size = float(np.abs(states).max(initial=0.0))
    if states.dtype != np.float64 and size and not SMALLEST < size < LARGEST:
        bounds = f"between {SMALLEST:g} and {LARGEST:g}"
        raise ValueError(f"{where}: the largest number is {size:.3g}; in {states.dtype} it should be {bounds}: "
                         "give the fields in other units")  # fmt: skip
    return states


def _finite(states: np.ndarray, where: str) -> np.ndarray:
    """The states; a truth that is not finite would show as a prediction that diverged."""
    good = np.isfinite(states)
    if not good.all():
        trajectory, frame = np.argwhere(~good)[0][:2].tolist()
        raise ValueError(f"{where}: {good.size - good.sum()} of {good.size} numbers are not finite, the first in frame "
                         f"{frame} of trajectory {trajectory}: nothing can be measured against them")  # fmt: skip
    return states
