"""Whether a network of coordinates has resolved its problem."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np

from pdejax.evaluation.coordinate.errors import CHUNK, precision_of
from pdejax.evaluation.coordinate.residuals import Points, residuals_of
from pdejax.evaluation.coordinate.rows import residuals

LARGEST_ERROR = 0.1  # relative to the known solution
# relative to the terms, where no solution is known: a wave that fades over a period leaves no more in its equation
LARGEST_RESIDUAL = 0.03
POINTS = 1024  # inside, where training ends; evaluation takes more


def unresolved(document: Mapping[str, Any], error: float | None = None) -> str:
    """What tells that a problem was not solved, in words; empty where nothing does.

    A known solution decides alone; residuals do where there is none.

    **Arguments:** `document`: with the `residual` of an evaluation, and its `error` if the solution is known; `error`:
    relative one, where there is no such entry.
    """
    if known := document.get("error"):
        raw = known["all"]["relative_l2"]["raw"]
        error = math.nan if raw is None else raw
    if error is not None:
        return "" if error <= LARGEST_ERROR else f"its relative error is {error:.2g}"
    found = []
    for name, entry in residuals(document).items():
        if entry["rms"] is None:
            found.append(f"the residual of {name} is {entry['reason']}")
        elif entry["relative"] is not None and not entry["relative"] <= LARGEST_RESIDUAL:
            found.append(f"the residual of {name} is {entry['relative']:.2g} of its terms")
    return "; ".join(found)


def judge(model: Any, validation: Callable[[Any], Mapping[str, float]] | None) -> str:
    """`unresolved` of a trained field, from a few points that training has not seen.

    **Arguments:** `model`: a `PhysicsField`; `validation`: a `CoordinateValidation`, where the solution is known.
    """
    real = precision_of(model)
    with jax.enable_x64(real == np.float64):
        if validation is not None:
            return unresolved({}, validation(model)["valid/relative_l2"])
        points = Points(model.problem, POINTS, POINTS // 8, 0, real)
        return unresolved({"residual": residuals_of(model, points, CHUNK)})
