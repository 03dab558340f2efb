"""Who takes part in a comparison of rollouts: the models, and the classical solver at several resolutions."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from pdejax.evaluation.baselines.baseline import Baseline, solved_by
from pdejax.evaluation.baselines.stepping import solver, solver_at, solver_resolutions
from pdejax.evaluation.predictor import as_predictor

SOLVER = "solver"  # the generating solver, in float64


@dataclasses.dataclass(frozen=True)
class Participant:
    """A system that takes part.

    **Arguments:** `one`: predictor with its words; `kind`: "model" or "solver"; `history`: frames it starts from;
    `calls`: of its network in a step; `resolution`: of a solver.
    """

    one: Baseline
    kind: str
    history: int
    calls: float | None
    resolution: dict[str, Any] | None = None


def models_of(predictors: Mapping[str, Any], step: float) -> dict[str, Participant]:
    """The compared predictors."""
    return {
        name: Participant(
            Baseline(name, "a compared predictor", as_predictor(one, step)),
            "model",
            getattr(one, "history", 1),
            getattr(one, "calls", 1),
        )
        for name, one in predictors.items()
    }


def _resolution(shape: tuple[int, ...], substeps: int, precision: str) -> dict[str, Any]:
    return {"shape": list(shape), "substeps": substeps, "precision": precision}


def _solvers(dataset: Any, start: int, frontier: bool) -> dict[str, Participant]:
    """The generating solver in float64, and the coarser ones of the frontier in float32."""
    family, simulator = solved_by(dataset)
    whole = _resolution(tuple(simulator.domain(family).shape), getattr(simulator, "substeps", 1), "float64")
    made = {SOLVER: Participant(solver(dataset, start), "solver", 1, None, whole)}
    for shape, substeps in solver_resolutions(dataset) if frontier else ():
        one = solver_at(dataset, start, shape, substeps)
        coarse = _resolution(shape, substeps, "float32")
        made[f"{SOLVER}_{'x'.join(map(str, shape))}_{substeps}"] = Participant(one, "solver", 1, None, coarse)
    return made


def solvers_of(dataset: Any, start: int, frontier: bool) -> tuple[dict[str, Participant], dict[str, str]]:
    """The classical solvers; none with the reason where the data do not say what they solve."""
    try:
        return _solvers(dataset, start, frontier), {}
    except ValueError as reason:
        return {}, {SOLVER: str(reason)}
