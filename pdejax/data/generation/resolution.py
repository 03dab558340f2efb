"""Whether the grid of a solver is fine enough, judged of every trajectory before it is accepted.

The difference to twice the points, over one frame and from the same state (so that chaos does not count), is the error
of the grid. It is measured of some trajectories, and of all whose spectra do not end low enough to do without.
"""

import functools
import math
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np

from pdejax.equations import Family
from pdejax.solvers import Doubling

SHARE = 1 / 24  # of the work of solving, for comparing: one alone takes up to five times its share of a batch
ROUGH = 0.1  # of a field's size in the highest modes: then what frames leave out adds up
ADDED = 10.0  # times the tolerance that may add up over frames; and of a state in the highest modes, as a jump has

Doubled = Callable[[Any, Mapping[str, Any], Any], Any]
StateAt = Callable[[Mapping[str, Any], Mapping[str, Any], Any], Any]


@functools.lru_cache(maxsize=16)
def compiled_doubled(family: Family, simulator: Any) -> tuple[Doubled, StateAt]:
    """`doubled` and `state_at` of a simulator, of one trajectory, compiled."""
    doubled = lambda state, parameters, frame: simulator.doubled(family, state, parameters, frame)
    state_at = lambda fields, parameters, frame: simulator.state_at(family, fields, parameters, frame)
    return jax.jit(doubled), jax.jit(state_at)


class GridCheck:
    """Judges trajectories of one length.

    **Arguments:** `family`; `simulator`: a `Doubling` one; `frames`: of a trajectory; `tolerance`: of the difference.
    """

    def __init__(self, family: Family, simulator: Doubling, frames: int, tolerance: float) -> None:
        self._doubled, self._state_at = compiled_doubled(family, simulator)
        self.frames, self.tolerance = frames, tolerance
        self.stored = simulator.domain(family) == family.domain  # type: ignore[attr-defined]
        burn_in = family.times.burn_in if family.times else 0
        # a frame of twice the points and steps, one of twice the steps; and up to there where the grid is finer
        solved, compared = burn_in + frames, 2 + 2 ** (len(family.domain.shape) + 1)
        self.every = math.ceil((compared + solved * (not self.stored)) / (SHARE * solved))

    def error(self, fields: Any, parameters: Any, states: np.ndarray, tails: np.ndarray, index: int) -> float:
        """The difference in the frame whose spectrum ends highest; not a number where it is not measured.

        Measured where the number `index` is a multiple of `every`, and where the spectrum tells too little: measured
        differences are at most about 2 tail^1.5 (tails from 5e-5 to 9e-2, of eight equations), and half of the
        tolerance is left. From the stored state, or where that is coarser from one that is found once more.
        """
        certain = 4 * tails.max() ** 1.5 <= self.tolerance
        if certain and index % self.every:
            return math.nan
        frame = tails.argmax()
        at = np.asarray(frame)
        state = states[frame].astype(np.float64) if self.stored else self._state_at(fields, parameters, at)
        found = float(self._doubled(state, parameters, at))
        return found if math.isfinite(found) else math.inf

    @property
    def most_tail(self) -> float:
        """The largest share of the highest modes that a state may keep."""
        return ADDED * self.tolerance

    def rings(self, tails: np.ndarray) -> bool:
        """Whether the drawn state has jumps that stay: both grids take the same waves for them, and agree."""
        return len(tails) > 1 and bool(tails[:2].min() > self.most_tail)

    def fails(self, tail: float, error: float) -> bool:
        """Whether a trajectory is not resolved."""
        if math.isnan(error):
            return False
        return bool(error > self.tolerance or (tail > ROUGH and error * self.frames > ADDED * self.tolerance))
