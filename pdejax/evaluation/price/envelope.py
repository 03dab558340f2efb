"""The lower envelope of solvers by cost and error, and what an error costs on it."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

INSIDE, CHEAP, ACCURATE = 0, -1, 1
"""Where an error lies: between two solvers of the envelope; above that of the cheapest one, which costs more than
needed; below that of the most accurate one, which costs less than needed."""

SMALLEST = 1e-300  # an error or cost of zero has no logarithm


def envelope(
    cost: Float[np.ndarray, " solver"], error: Float[np.ndarray, " solver"], *, worth: float = 0.0
) -> list[int]:
    """Numbers, by rising cost, of the solvers that no other one beats in both; of equal ones the first.

    **Arguments:** `cost`, `error`: of each solver; `worth`: part by which the error of a dearer one must be smaller, so
    that differences of rounding are none.
    """
    front: list[int] = []
    for i in np.lexsort((error, cost)).tolist():
        if not front or error[i] < (1 - worth) * error[front[-1]]:
            front.append(i)
    return front


class Quote(NamedTuple):
    """What errors cost on envelopes.

    - `cost`: interpolated; at the ends that of the cheapest or of the most accurate solver, which is a bound.
    - `end`: `INSIDE`, `CHEAP` (a bound from above) or `ACCURATE` (a bound from below).
    - `solver`: number of the cheapest solver that reaches the error; at the accurate end of the most accurate one.
    """

    cost: Float[np.ndarray, "*draw"]
    end: Int[np.ndarray, "*draw"]
    solver: Int[np.ndarray, "*draw"]


def cost_at(
    error: Float[np.ndarray, "*draw"],
    costs: Float[np.ndarray, "*draw solver"],
    errors: Float[np.ndarray, "*draw solver"],
) -> Quote:
    """What an error costs: straight lines between neighbours of the envelope, over logarithms of both.

    **Arguments:** `error`: that is wanted; `costs`, `errors`: of the solvers, of each draw its own.

    **Returns:** of each draw.

    **Raises:** `ValueError` if there is no solver.
    """
    if costs.shape[-1] == 0:
        raise ValueError("an envelope needs at least one solver")
    order = np.lexsort((errors, costs), axis=-1)
    take = lambda x, i: np.take_along_axis(x, i, axis=-1)
    cost, best = take(costs, order), np.minimum.accumulate(take(errors, order), axis=-1)
    reached = best <= error[..., None]
    far, first = ~reached.any(-1), reached.argmax(-1)
    last = best.argmin(-1)  # the cheapest of the most accurate ones
    right = np.where(far, last, first)[..., None]
    # the solver before on the envelope: the first with the smallest error of all that are cheaper
    before = take(best, np.maximum(right - 1, 0))
    left = np.asarray(best == before).argmax(-1)[..., None]
    logs = lambda x, i: np.log(np.maximum(take(x, i)[..., 0], SMALLEST))
    low, high = logs(best, right), logs(best, left)
    share = (np.log(np.maximum(error, SMALLEST)) - low) / np.where(high > low, high - low, 1.0)
    between = np.exp(logs(cost, right) + np.clip(share, 0, 1) * (logs(cost, left) - logs(cost, right)))
    end = np.where(far, ACCURATE, np.where(first == 0, CHEAP, INSIDE))
    # the cheapest solver's own error is reached exactly, and no bound
    end = np.where((end == CHEAP) & (best[..., 0] == error), INSIDE, end)
    exact = far | (first == 0) | (take(best, right)[..., 0] == error)
    chosen = np.where(exact, take(cost, right)[..., 0], between)
    return Quote(chosen, end, take(order, right)[..., 0])
