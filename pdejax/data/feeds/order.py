"""The order in which windows are seen."""

import dataclasses
import functools

import numpy as np

from pdejax.core import check_options


@functools.lru_cache(maxsize=2)
def _permutation(windows: int, seed: int, epoch: int) -> np.ndarray:
    return np.random.default_rng((seed, epoch)).permutation(windows)


def check_window(window: int, frames: int) -> None:
    """**Raises:** `ValueError` where the window of a method does not fit into trajectories of so many frames."""
    if not 1 <= window <= frames:
        raise ValueError(f"the method learns from windows of {window} frame(s), as its unroll and history say, and "
                         f"this split has {frames} frame(s) a trajectory")  # fmt: skip


@dataclasses.dataclass(frozen=True)
class WindowOrder:
    """An endless stream of windows, one permutation of all of them an epoch, cut into batches of equal size.

    The stream does not pause between epochs, so a batch may hold the end of one and the beginning of the next one:
    every batch is full, every window is seen exactly once an epoch, and the number of a step alone tells its batch.

    **Arguments:**

    - `trajectories`, `frames`: size of the split.
    - `window`: frames a window; windows begin at every frame at which they fit.
    - `batch_size`: windows a batch.
    - `seed`: seed of the permutations.

    **Raises:** `ValueError` if a window does not fit or the batch is empty.
    """

    trajectories: int
    frames: int
    window: int
    batch_size: int
    seed: int = 0

    def __post_init__(self) -> None:
        check_options(self)
        check_window(self.window, self.frames)
        if self.batch_size < 1:
            raise ValueError(f"batch_size must be positive, got {self.batch_size}")

    @property
    def starts(self) -> int:
        """Windows a trajectory."""
        return self.frames - self.window + 1

    def __len__(self) -> int:
        return self.trajectories * self.starts

    def at(self, position: int) -> tuple[int, int]:
        """Trajectory and first frame of the window at a position of the stream."""
        epoch, offset = divmod(position, len(self))
        trajectory, start = divmod(int(_permutation(len(self), self.seed, epoch)[offset]), self.starts)
        return trajectory, start

    def batch(self, step: int, rows: slice | None = None) -> np.ndarray:
        """Trajectory, first frame and number of the draw for the windows of a batch, int32 `(batch, 3)`.

        The number of the draw is the position in the stream, modulo 2^31.

        **Arguments:** `step`: number of the batch; `rows`: of it, all when omitted.
        """
        positions = step * self.batch_size + np.arange(self.batch_size)[rows or slice(None)]
        return np.array([(*self.at(p), p & 0x7FFFFFFF) for p in positions.tolist()], np.int32)
