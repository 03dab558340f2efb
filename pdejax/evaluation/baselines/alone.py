"""What a hybrid is compared with first: the solver in it, without the network."""

from typing import Any

from pdejax.core import Stepper
from pdejax.evaluation.baselines.baseline import Baseline
from pdejax.evaluation.predictor import BoundStepper
from pdejax.methods import Operator, Replace

ALONE = "base"


def base_alone(predictor: Any, step: float) -> Baseline | None:
    """The base of an operator that corrects or drives one; none for others.

    **Arguments:** `predictor`; `step`: time between two frames.
    """
    if not isinstance(predictor, Operator) or isinstance(predictor.role, Replace):
        return None
    base: Any = predictor.base

    def make(parameters: Any) -> Stepper:
        return base.bind(parameters) if parameters and hasattr(base, "bind") else base

    return Baseline("base alone", "the solver that the network works with, without it", BoundStepper(make, step))


def host_of(predictor: Any, step: float) -> Any:
    """That solver as a predictor, if there is one."""
    alone = base_alone(predictor, step)
    return alone and alone.predictor
