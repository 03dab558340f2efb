"""Residuals of an equation and of its conditions at points that no training has seen."""

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pdejax.core import TensorGrid
from pdejax.data import QuasiRandomPoints
from pdejax.equations import BoundaryValueProblem, Condition, Residual, linearised
from pdejax.evaluation.coordinate.errors import at_points, place
from pdejax.methods import PhysicsField

_POINTS_STREAM = 1 << 20  # keys of the points, apart from those that training folds its own numbers into


@dataclasses.dataclass(frozen=True)
class _Probe:
    """Residual, size of its parts, and squares of the derivatives at points.

    **Arguments:** `residual`; `orders`: derivatives to measure beside.
    """

    residual: Residual
    orders: tuple[tuple[int, ...], ...] = ()

    def __call__(self, model: PhysicsField, points: Any) -> dict[str, Any]:
        jets = model.jet(points, tuple(dict.fromkeys((*self.residual.orders, *self.orders))))
        own = {order: jets[order] for order in self.residual.orders}
        value, slopes = linearised(self.residual, own, points, model.parameters)
        parts = {order: jnp.abs(slope) for order, slope in slopes.items()}
        size = sum(jnp.sum(parts[order] * jnp.abs(own[order])[:, None], -1) for order in own)
        return {"value": value, "size": size, "slopes": parts, "squares": {o: jets[o] ** 2 for o in jets}}


@dataclasses.dataclass(frozen=True)
class Points:
    """Independent quasi-random points of a box and its faces."""

    problem: BoundaryValueProblem
    count: int
    face_count: int
    seed: int
    real: np.dtype

    def draw(self, face: Mapping[str, float], *numbers: int) -> np.ndarray:
        """Points of a face; of the whole box if nothing is held fixed."""
        problem = self.problem
        held = lambda axis, ends: (face[axis], face[axis]) if axis in face else ends
        box = [held(axis, ends) for axis, ends in zip(problem.axes, problem.box, strict=True)]
        key = functools.reduce(jax.random.fold_in, (_POINTS_STREAM, *numbers), jax.random.key(self.seed))
        points = QuasiRandomPoints(self.count, self.face_count).draw(box, key)
        assert not isinstance(points, TensorGrid)
        return np.asarray(points).astype(self.real)


def _rms(x: np.ndarray) -> Any:
    with np.errstate(over="ignore", invalid="ignore"):
        return np.sqrt(np.mean(np.square(x), axis=0))


def _residual_entry(value: np.ndarray, size: float, points: np.ndarray, axes: Sequence[str]) -> dict[str, Any]:
    """What is recorded of one equation, from its residual (point,) there."""
    entry: dict[str, Any] = dict.fromkeys(("rms", "relative", "size", "largest", "at", "reason"))
    bad = int(np.count_nonzero(~np.isfinite(value)))
    if bad or not np.isfinite(size):
        return entry | {"reason": f"not finite at {bad} of {len(value)} points" if bad else "not finite in its terms"}
    worst = int(np.argmax(np.abs(value)))
    rms = float(_rms(value))
    entry |= {"rms": rms, "size": size, "largest": float(abs(value[worst])), "at": place(points[worst], axes)}
    return entry | ({"relative": rms / size} if size else {"reason": "no derivative takes part in it"})


def residuals_of(model: PhysicsField, points: Points, chunk: int) -> dict[str, Any]:
    """What is recorded of each equation and of each term of the conditions."""
    problem = model.problem
    wanted = tuple(dict.fromkeys(o for c in problem.conditions for o in c.residual.orders))
    inside = points.draw({}, 0)
    found = at_points(_Probe(problem.residual, wanted), model, inside, chunk)
    sizes = _rms(found["size"])
    entries = [_residual_entry(v, float(s), inside, problem.axes) for v, s in zip(found["value"].T, sizes, strict=True)]
    usual = {order: np.sqrt(np.mean(square, axis=0)) for order, square in found["squares"].items()}
    conditions = {
        c.name: _condition(model, c, [points.draw(f, 1, i, j) for j, f in enumerate(c.faces)], usual, chunk)
        for i, c in enumerate(problem.conditions)
    }
    return {"equations": entries, "conditions": conditions}


def _condition(
    model: PhysicsField, condition: Condition, faces: Sequence[np.ndarray], usual: Mapping[Any, np.ndarray], chunk: int
) -> list[dict[str, Any]]:
    points = np.concatenate(faces)
    found = at_points(_Probe(condition.residual), model, points, chunk)
    sizes = _rms(np.sum([slope @ usual[order] for order, slope in found["slopes"].items()], axis=0))
    axes = model.problem.axes
    return [_residual_entry(v, float(s), points, axes) for v, s in zip(found["value"].T, sizes, strict=True)]
