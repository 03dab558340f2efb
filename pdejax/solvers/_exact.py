"""Whether a formula that is stated as the solution of a problem solves it."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import sympy

from pdejax.equations import SYMBOLS, BoundaryValueProblem, Residual, evaluate

POINTS = 64
# of the largest derivative that occurs: formulas and rounding inside; what is far from an end may be small there
INSIDE, AT_ENDS = 1e-6, 1e-2


def check_exact(problem: BoundaryValueProblem, parameters: Mapping[str, float]) -> None:
    """Puts the formula into the equation and the conditions, at random points.

    **Arguments:** `problem`: with an exact truth; `parameters`: values of those that occur.

    **Raises:** `ValueError` that names what does not hold, where, and by how much.
    """
    assert problem.exact is not None
    expressions = [problem.exact_expression(field) for field in problem.fields]
    random, (low, high) = np.random.default_rng(0), np.array(problem.box, float).T
    inside = low + (high - low) * random.uniform(size=(POINTS, len(low)))
    values = np.asarray(problem.exact(inside))
    size = float(np.nanmax(np.abs(values), initial=0.0))
    _check(problem, "the equation", problem.residual, expressions, inside, parameters, size, INSIDE)
    for condition in problem.conditions:
        for face in condition.faces:
            there = inside.copy()
            for axis, value in face.items():
                there[:, problem.axes.index(axis)] = value
            what = f"conditions.{condition.name}"
            _check(problem, what, condition.residual, expressions, there, parameters, size, AT_ENDS)


def _check(
    problem: BoundaryValueProblem,
    what: str,
    residual: Residual,
    expressions: Sequence[sympy.Expr],
    points: np.ndarray,
    parameters: Mapping[str, float],
    size: float,
    allowed: float,
) -> None:
    values: dict[Any, Any] = {sympy.Symbol(name, real=True): value for name, value in parameters.items()}
    values |= {SYMBOLS[axis]: points[:, i] for i, axis in enumerate(problem.axes)}

    def derivative(order: Sequence[int]) -> np.ndarray:
        along = [(SYMBOLS[axis], n) for axis, n in zip(problem.axes, order, strict=True) if n]
        made = [sympy.diff(one, *along) if along else one for one in expressions]
        made = [one.replace(sympy.DiracDelta, lambda *_: sympy.S.Zero) for one in made]  # no point is at a kink
        return np.stack([np.broadcast_to(evaluate(one, values), len(points)) for one in made], -1)

    derivatives = {order: np.asarray(derivative(order), np.float64) for order in residual.orders}
    with jax.enable_x64(True):
        jets = {order: jnp.asarray(one) for order, one in derivatives.items()}
        found = np.abs(np.asarray(residual(jets, jnp.asarray(points), dict(parameters)))).max(-1)
    # where a formula has a pole, nothing is said
    found = np.where(np.isfinite(found), found, 0.0)
    size = max(size, *(float(np.nanmax(np.abs(one), initial=0.0)) for one in derivatives.values()))
    if found.max() > allowed * max(size, 1e-300):
        place = ", ".join(f"{axis}={x:.3g}" for axis, x in zip(problem.axes, points[found.argmax()], strict=True))
        raise ValueError(f"problem {problem.name!r}: truth.fields does not satisfy {what}: at {place} its two sides "
                         f"differ by {found.max():.3g}")  # fmt: skip
