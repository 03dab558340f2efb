"""Speed-up over the classical solver of the same error, and the number of solves that repay a training.

Zhang, Roberts, Marwah and Khodak (arXiv 2605.15399) call the number breakeven complexity.
"""

import dataclasses
import math
from typing import Any

import numpy as np
from jaxtyping import Float

from pdejax.evaluation.metrics.bootstrap import LEVEL
from pdejax.evaluation.price.envelope import ACCURATE, CHEAP, cost_at

NEVER = "never"
RESAMPLES = 1000
ROUNDING = 1e-12  # of a cost, which is no gain
WORDS = {CHEAP: "cheap", 0: "inside", ACCURATE: "accurate"}


def amdahl(share: float, speed_up: float) -> float:
    """By how much a program becomes faster if `share` of its time is done `speed_up` times as fast.

    **Raises:** `ValueError` for a share outside of 0 to 1, or a speed-up that is not positive.
    """
    if not 0 <= share <= 1 or not speed_up > 0:
        raise ValueError(f"a share is from 0 to 1 and a speed-up positive, got {share} and {speed_up}")
    return 1 / ((1 - share) + share / speed_up)


def breakeven(
    spent: Float[np.ndarray, "*draw"], solver: Float[np.ndarray, "*draw"], network: Float[np.ndarray, "*draw"]
) -> Float[np.ndarray, "*draw"]:
    """Solves after which what was spent beforehand is repaid, infinity for never.

    **Arguments:** `spent`: seconds of data and training; `solver`, `network`: seconds of one solve of equal error.
    """
    gain = solver - network
    repaid = gain > ROUNDING * solver
    return np.where(repaid, spent / np.where(repaid, gain, 1.0), np.inf)


@dataclasses.dataclass(frozen=True)
class Priced:
    """What was measured of a network and of the classical solvers, on the same trajectories in the same turns.

    **Arguments:**

    - `error`, `seconds`: of the network, `(trajectory,)` and `(repeat,)`.
    - `errors`, `costs`: of the solvers, `(solver, trajectory)` and `(solver, repeat)`.
    - `floor`: error below which nothing is known of either.
    - `spent`: seconds of data and training, none where they are not known.
    """

    error: Float[np.ndarray, " trajectory"]
    seconds: Float[np.ndarray, " repeat"]
    errors: Float[np.ndarray, "solver trajectory"]
    costs: Float[np.ndarray, "solver repeat"]
    floor: float = 0.0
    spent: float | None = None


def quoted(given: Priced, quantile: float = 0.5, *, resamples: int = RESAMPLES, seed: int = 0) -> dict[str, Any]:
    """Speed-up and breakeven number at a quantile of the errors, with their intervals.

    Trajectories and repeats are drawn with replacement, the same ones for the network and for all solvers.

    **Returns:**

    - `error`: of the network; `at_floor`: whether it is no larger than the floor, and counts as that.
    - `seconds`, `solver_seconds`: of one solve by the network, and by the solver of equal error.
    - `solver`: number of the cheapest solver that is as accurate; `end`: `inside` the envelope, `cheap` (the network is
        less accurate than the cheapest solver) or `accurate` (no solver is as accurate).
    - `speed_up`, `breakeven`, each with `_interval` and `_bound` (`<=` or `>=` where it is only known to be at most or
        at least so much); a breakeven number may be `"never"`. `hours`: of solving until then.
    - `reason`: why there is no breakeven number.
    """
    rng, n, k = np.random.default_rng(seed), len(given.error), len(given.seconds)
    whole = np.arange(n)[None], np.arange(k)[None]
    drawn = rng.integers(n, size=(resamples, n)), rng.integers(k, size=(resamples, k))
    entry, _, _ = _at(given, quantile, *whole)
    if n < 2:
        return entry | {"speed_up_interval": None, "breakeven_interval": None}
    _, speed, number = _at(given, quantile, *drawn)
    ends = _ends(number) if entry["breakeven"] is not None and given.spent is not None else None
    return entry | {"speed_up_interval": _ends(speed), "breakeven_interval": ends}


def _at(given: Priced, quantile: float, rows: Any, turns: Any) -> tuple[dict[str, Any], Any, Any]:
    """The entry of the first draw; speed-ups and breakeven numbers of all."""
    of = lambda errors: np.maximum(np.quantile(errors, quantile, axis=-1), given.floor)
    error, seconds = of(given.error[rows]), np.median(given.seconds[turns], axis=-1)
    errors = of(given.errors[:, rows]).T
    costs = np.median(given.costs[:, turns], axis=-1).T
    found = cost_at(error, costs, errors)
    spent = 0.0 if given.spent is None else given.spent
    numbers = breakeven(np.full(len(error), spent), found.cost, seconds)
    entry = {
        "error": float(np.quantile(given.error, quantile)),
        "at_floor": bool(np.quantile(given.error, quantile) <= given.floor),
        "seconds": float(seconds[0]),
        "solver_seconds": float(found.cost[0]),
        "solver": int(found.solver[0]),
        "end": WORDS[int(found.end[0])],
        "speed_up": float(found.cost[0] / seconds[0]),
        **_told(float(numbers[0]), float(found.cost[0]), int(found.end[0]), given.spent is not None),
    }
    return entry, found.cost / seconds, numbers


def _told(number: float, solver: float, end: int, known: bool) -> dict[str, Any]:
    """The breakeven number with what is known of it: at both ends of the envelope it is a bound, or undecided."""
    entry: dict[str, Any] = {"speed_up_bound": {CHEAP: "<=", ACCURATE: ">="}.get(end), "breakeven": None,
                             "breakeven_bound": None, "hours": None, "reason": None}  # fmt: skip
    if math.isinf(number):
        if end == ACCURATE:
            return entry | {"reason": "no tested solver is as accurate as the network, and all are cheaper"}
        return entry | {"breakeven": NEVER}
    if not known:
        return entry | {"reason": "it is not known what the training took"}
    bound = {CHEAP: ">=", ACCURATE: "<="}.get(end)
    return entry | {"breakeven": number, "breakeven_bound": bound, "hours": number * solver / 3600}


def _ends(values: np.ndarray) -> list[Any]:
    """Both ends of the percentile interval; infinity is told as never."""
    ends = [float(np.quantile(values, (1 - LEVEL) / 2, method="lower")),
            float(np.quantile(values, (1 + LEVEL) / 2, method="higher"))]  # fmt: skip
    return [NEVER if math.isinf(x) else x for x in ends]
