"""Who takes part in a comparison of rollouts: the models, and the solver that made the data."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from pdejax.evaluation.baselines.baseline import Baseline, solved_by
from pdejax.evaluation.baselines.stepping import solver
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


def solvers_of(dataset: Any, start: int) -> tuple[dict[str, Participant], dict[str, str]]:
    """The generating solver in float64; none with the reason where the data do not say what they solve."""
    try:
        family, simulator = solved_by(dataset)
    except ValueError as reason:
        return {}, {SOLVER: str(reason)}
    substeps = getattr(simulator, "substeps", 1)
    whole = {"shape": list(simulator.domain(family).shape), "substeps": substeps, "precision": "float64"}
    return {SOLVER: Participant(solver(dataset, start), "solver", 1, None, whole)}, {}
