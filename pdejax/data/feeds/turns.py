"""The order in which solutions that were solved ahead are seen: each a given number of times, no more and no fewer."""

import dataclasses
import functools
from typing import NamedTuple

import numpy as np

DRAWS = 0x7FFFFFFF  # numbers of draws and trajectories begin anew beyond


class Turn(NamedTuple):
    """What each row of a batch sees at one update, arrays `(row,)`.

    - `slot`: of the row's `2 depth` places; `number`: of the trajectory there; `start`: first frame of the window.
    - `age`: updates since it was solved.
    """

    slot: np.ndarray
    number: np.ndarray
    start: np.ndarray
    age: np.ndarray


@functools.lru_cache(maxsize=4)
def _shuffled(rows: int, depth: int, starts: int, seed: int, epoch: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng((seed, epoch))
    order = random.permuted(np.tile(np.arange(depth), (rows, 1)), axis=1)
    return order, random.integers(starts, size=(rows, depth))


@dataclasses.dataclass(frozen=True)
class Turns:
    """Each row of a batch has `2 depth` places for trajectories of its own: half of them are seen while the others
    are solved anew, and then they change.

    The half that is seen is seen `reuse` times, each time in another order. So every trajectory is seen exactly
    `reuse` times before another takes its place, and the number of a step alone tells all of it. Trajectory
    `block rows + row` is solved for a row in block number `block`; the first `depth` blocks are there at the start.

    **Arguments:** `rows`: of a batch; `depth`; `reuse`; `starts`: places of a window in a trajectory; `seed`.
    """

    rows: int
    depth: int
    reuse: int
    starts: int = 1
    seed: int = 0

    def chunk(self, step: int) -> int:
        """How often the halves have changed before this update."""
        return step // (self.depth * self.reuse)

    def at(self, step: int) -> Turn:
        """What is seen at an update."""
        epoch, place = divmod(step, self.depth)
        order, starts = _shuffled(self.rows, self.depth, self.starts, self.seed, epoch)
        chunk = self.chunk(step)
        block = chunk * self.depth + order[:, place]
        solved = np.maximum(block - self.depth, 0) * self.reuse
        number = block * self.rows + np.arange(self.rows)
        return Turn(block % (2 * self.depth), number & DRAWS, starts[:, place], step - solved)

    def counts(self, step: int, solved: int) -> dict[str, float]:
        """How many trajectories were solved, how often one of them was seen, and how many updates ago those of the
        last batch were solved, in the mean.

        **Arguments:** `step`: updates so far; `solved`: blocks so far.
        """
        age = float(np.mean(self.at(step - 1).age)) if step else 0.0
        return {"solved": float(solved * self.rows), "reuse": step / solved if solved else 0.0, "age": age}
