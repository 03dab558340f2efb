"""The price of a network of coordinates: its training beside the classical solver that is as accurate.

Such a network holds one solution and its training is the solve, so that there is no number of solves that repay.
"""

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from pdejax.equations import BoundaryValueProblem, Exact
from pdejax.evaluation.price.classical import Unpriced
from pdejax.evaluation.price.timing import CPU, Clocks
from pdejax.evaluation.price.upfront import Spent
from pdejax.solvers import Attempt, CollocatedTruth, SpectralTruth, Task, Truth

LONGEST = 10.0  # CPU seconds after which no further attempt is begun
MOST = {1: 1024, 2: 64, 3: 16}  # points per axis where the truth is a formula, by the number of axes of space
STEPS = 8  # of such a problem in time, for each point of an axis
TOLERANCE = 1e-9

FIELD_LAYOUT = """\
price         reason (why there is none) or null, and then: error (of the field, not below the floor of the truth),
              at_floor; training (seconds by clock, of all restarts, or null), trials; attempts (the classical solver
              with more and more points: setting, error or null where it failed, seconds by clock, compilation included
              as in the training), the last one being the first that is as accurate; solver (its number, or null where
              none was as accurate); dearer (the training times trials, over its CPU seconds, or null)
"""


def attempts_of(problem: BoundaryValueProblem) -> Sequence[Attempt]:
    """Ways to solve a problem classically, the cheapest first: those of the method that its truth is solved by.

    Where that is a formula it is a spectral method or, where an axis is not periodic, collocation.

    **Raises:** `Unpriced` where nothing is known to solve it.
    """
    method: Any = problem.truth
    if problem.unknown:
        raise Unpriced("a classical solver does not find unknown parameters by itself")
    if isinstance(method, Exact):
        periodic = problem.evolution is not None and problem.timed and all(problem.periodic[1:])
        most = MOST[problem.ndim]
        method = SpectralTruth(most, STEPS * most) if periodic else CollocatedTruth(most, TOLERANCE)
    if not hasattr(method, "attempts"):
        raise Unpriced("the method that solves for the truth tells no coarser attempts (a method `attempts`)")
    return method.attempts(problem)


def field_price(
    problem: BoundaryValueProblem, truth: Truth | None, error: float | None, spent: Spent, clocks: Clocks | None = None
) -> dict[str, Any]:
    """What a classical solver takes to be as accurate as a network of coordinates; see `FIELD_LAYOUT`.

    **Arguments:** `problem`; `truth`: its known solution; `error`: of the network, relative L2; `spent`: on its
    training; `clocks`: the process's own when omitted.
    """
    try:
        if truth is None or error is None:
            raise Unpriced("the error of the field is not known")
        tried = _tried(problem, truth, max(error, truth.floor), attempts_of(problem), clocks or Clocks())
    except Unpriced as reason:
        return {"reason": str(reason)}
    reached = tried[-1]["error"] is not None and tried[-1]["error"] <= max(error, truth.floor)
    training = None if spent.training is None else dict(spent.training)
    known = reached and training is not None and CPU in training
    return {
        "reason": None,
        "error": max(error, truth.floor),
        "at_floor": error <= truth.floor,
        "training": training,
        "trials": spent.trials,
        "attempts": tried,
        "solver": len(tried) - 1 if reached else None,
        "dearer": spent.trials * training[CPU] / tried[-1]["seconds"][CPU] if known and training else None,
    }


def _tried(
    problem: BoundaryValueProblem, truth: Truth, error: float, attempts: Sequence[Attempt], clocks: Clocks
) -> list[dict[str, Any]]:
    """Attempts until one is as accurate or time is up; of each its error and seconds."""
    parameters = {**problem.parameters, **{k: float(v) for k, v in getattr(problem.truth, "parameters", {}).items()}}
    task, entries, spent = Task(problem, parameters, truth.axes, lambda done, total: None), [], 0.0
    for one in attempts:
        before = clocks.read()
        with jax.enable_x64(True):
            found = _error(one, task, truth)
        seconds = dict(zip(clocks.now, (clocks.read() - before).tolist(), strict=True))
        entries.append({"setting": dict(one.setting), "error": found, "seconds": seconds})
        spent += seconds[CPU]
        if spent > LONGEST or (found is not None and found <= error):
            break
    if not entries:
        raise Unpriced("the truth has so few points that no coarser attempt is left")
    return entries


def _error(attempt: Attempt, task: Task, truth: Truth) -> float | None:
    """Relative L2 error over all fields; none where the solver fails or refuses the problem.

    **Raises:** `Unpriced` where it cannot take the problem at all.
    """
    try:
        with np.errstate(all="ignore"):
            values = attempt.solve(task)
    except RuntimeError:
        return None
    except ValueError as refused:
        raise Unpriced(f"the classical solver does not take this problem: {refused}") from None
    found = float(np.linalg.norm((values - truth.values).ravel()) / (np.linalg.norm(truth.values.ravel()) or 1.0))
    return found if np.isfinite(found) else None
