"""What the truth is good for: the error below which nothing is known of solvers and networks alike."""

import dataclasses
import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from pdejax.evaluation.price.classical import QUANTILES, Levels, Unpriced, levels
from pdejax.evaluation.price.solving import ONE_STEP, WHOLE, Errors, Solver
from pdejax.evaluation.reference import Reference

TRAJECTORIES = 8


@dataclasses.dataclass(frozen=True)
class Floor:
    """Errors below which the truth is not known.

    **Arguments:** `levels`; `how` they were found, in words; `seconds`: of a frame of one trajectory by the solver that
    told them.
    """

    levels: Levels
    how: str
    seconds: float


def floor_of(solver: Solver, truth: Reference, manifest: Mapping[str, Any], split: str) -> Floor:
    """The floor of a truth that `solver` made.

    Where the simulator goes on from stored frames, it is the distance of the truth to a solution in float64 with more
    points and steps than any member has, of some trajectories; else the error of the finest member that is coarser than
    the truth, divided as for a method of first order. What the data set notes of its own check counts too.
    """
    simulator: Any = solver.simulator
    if (finer := simulator.finer(solver.family)) is not None:
        errors, seconds = _errors(dataclasses.replace(solver, simulator=finer, double=True, frames=1), truth)
        how = "distance of the truth to a solution in float64 with more points and steps"
    else:
        errors, seconds, how = _extrapolated(solver, truth)
    found = dict(levels(errors))
    if noted := (manifest.get("self_difference") or {}).get(split):
        metric = WHOLE if solver.family.steady else ONE_STEP
        check = {"median": noted["median"], "p95": noted["max"]}
        found[metric] = {name: max(found[metric][name], check[name]) for name in QUANTILES}
    return Floor(found, how, seconds)


def _errors(solver: Solver, truth: Reference) -> tuple[Errors, float]:
    """Errors of some trajectories, and seconds of a frame of one of them.

    **Raises:** `Unpriced` where the solver diverges.
    """
    batch = min(TRAJECTORIES, len(truth.states))
    arguments = solver.arguments(truth, np.arange(batch))
    compiled = solver.compiled(arguments)
    errors = solver.errors(truth, batch, compiled, arguments)
    if errors is None:
        raise Unpriced("the solver that judges the truth leaves the range of the data")
    begun = time.perf_counter()
    compiled()
    return errors, (time.perf_counter() - begun) / batch


def _extrapolated(solver: Solver, truth: Reference) -> tuple[Errors, float, str]:
    simulator: Any = solver.simulator
    whole: Any = simulator.domain(solver.family)
    ratio = lambda one: float(max(np.divide(one.simulator.domain(solver.family).spacing, whole.spacing)))
    coarser = [(ratio(one), -one.work, one.simulator) for one in simulator.variants(solver.family) if ratio(one) > 1]
    if not coarser:
        raise Unpriced("no variant is coarser than the solver of the truth, so that the truth cannot be judged")
    times, _, finest = min(coarser, key=lambda one: one[:2])
    errors, seconds = _errors(dataclasses.replace(solver, simulator=finest), truth)
    points = " x ".join(map(str, finest.domain(solver.family).shape))
    how = f"distance of the truth to the solver on {points} points, divided as for a method of first order"
    return {metric: each / (times - 1) for metric, each in errors.items()}, seconds, how
