"""How far a network of coordinates is from the known solution, with what may be claimed."""

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from pdejax.core import TensorGrid
from pdejax.equations import BoundaryValueProblem
from pdejax.solvers import Truth

CHUNK = 4096
CLAIM = 3.0
"""An error below so many floors of the truth is never claimed."""


# ---- a field at many points, a chunk at a time


def precision_of(model: Any) -> np.dtype:
    """The type of a model's numbers."""
    leaves = jax.tree.leaves(eqx.filter(model, eqx.is_inexact_array_like))
    arrays = [x for x in leaves if eqx.is_array(x) or isinstance(x, np.ndarray)]
    return np.dtype(arrays[0].dtype) if arrays else np.dtype(jnp.result_type(float))


def values_at(model: Any, points: Any) -> Any:
    """The field at points."""
    return model(points)


def residual_at(model: Any, points: Any) -> Any:
    """The equation's residual at points."""
    return model.residual(points)


@functools.cache
def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    return eqx.filter_jit(function)  # kept, so that each is compiled once for all calls of this process


def at_points(function: Callable[[Any, Any], Any], model: Any, points: np.ndarray, chunk: int) -> Any:
    """A function of a model and points, on chunks of one size: a tree of NumPy arrays (point, ...)."""
    size = min(chunk, len(points))
    parts = []
    for begin in range(0, len(points), size):
        rows = np.minimum(np.arange(begin, begin + size), len(points) - 1)
        parts.append(jax.tree.map(np.asarray, _compiled(function)(model, jnp.asarray(points[rows]))))
    return jax.tree.map(lambda *x: np.concatenate(x)[: len(points)].astype(np.float64), *parts)


def on_axes(function: Callable[[Any, Any], Any], model: Any, axes: Sequence[np.ndarray], chunk: int) -> np.ndarray:
    """A function of a model and points, on a tensor grid cut along its first axis: float64 (*shape, ...)."""
    first, *rest = (np.asarray(axis, precision_of(model)) for axis in axes)
    size = min(len(first), max(1, chunk // int(np.prod([len(x) for x in rest], dtype=np.int64))))
    parts = []
    for begin in range(0, len(first), size):
        rows = np.minimum(np.arange(begin, begin + size), len(first) - 1)
        grid = TensorGrid(tuple(map(jnp.asarray, (first[rows], *rest))))
        values = np.asarray(_compiled(function)(model, grid), np.float64)
        parts.append(values.reshape(size, *(len(x) for x in rest), -1))
    return np.concatenate(parts)[: len(first)]


# ---- errors against a known solution


def place(point: Iterable[Any], axes: Sequence[str]) -> dict[str, float]:
    """Coordinates by the letters of their axes."""
    return {axis: float(x) for axis, x in zip(axes, point, strict=True)}


def claimed(raw: float, floor: float) -> dict[str, Any]:
    """An error with what may be claimed of it: nothing below three times the floor of the truth.

    **Arguments:** `raw`: measured distance to the truth; `floor`: of the truth.
    """
    entry: dict[str, Any] = {"value": None, "raw": None, "floor": floor, "censored": False, "reason": None}
    if not np.isfinite(raw):
        return entry | {"reason": "the field is not finite everywhere"}
    if raw >= CLAIM * floor:
        return entry | {"value": raw, "raw": raw}
    reason = f"below three times the reference's floor of {floor:.2g}: the reference is not known any better"
    return entry | {"value": CLAIM * floor, "raw": raw, "censored": True, "reason": reason}


def _largest(error: np.ndarray, truth: Truth, axes: Sequence[str], relative: Mapping[str, Any]) -> dict[str, Any]:
    """Largest absolute error (*shape) and where, which is not claimed either where the norm is not."""
    entry: dict[str, Any] = {"value": None, "raw": None, "at": None, "censored": relative["censored"], "reason": None}
    if relative["raw"] is None:
        return entry | {"reason": relative["reason"]}
    index = np.unravel_index(int(np.argmax(np.abs(error))), error.shape)[: len(axes)]
    entry["raw"] = float(np.abs(error).max())
    entry["at"] = place((x[i] for x, i in zip(truth.axes, index, strict=True)), axes)
    if relative["censored"]:
        return entry | {"reason": "the error as a whole is " + relative["reason"]}
    return entry | {"value": entry["raw"]}


def relative_l2(error: np.ndarray, truth: np.ndarray) -> float:
    """Norm of an error over the norm of the truth; the norm itself where the truth is zero."""
    return float(np.linalg.norm(error.ravel()) / (np.linalg.norm(truth.ravel()) or 1.0))


def errors_of(problem: BoundaryValueProblem, truth: Truth, values: np.ndarray) -> dict[str, Any]:
    """Errors of each field and of all together on the grid of the truth, `values` being those of the model there."""
    error, floors = values - truth.values, truth.how.get("floors", {})

    def entry(part: Any, floor: float) -> dict[str, Any]:
        relative = claimed(relative_l2(error[part], truth.values[part]), float(floor))
        return {"relative_l2": relative, "largest": _largest(error[part], truth, problem.axes, relative)}

    fields = {f: entry((..., i), floors.get(f, truth.floor)) for i, f in enumerate(problem.fields)}
    return {"fields": fields, "all": entry(..., truth.floor)}


def errors_in_time(problem: BoundaryValueProblem, truth: Truth, values: np.ndarray) -> dict[str, np.ndarray]:
    """Error at each time over the usual size of the truth."""
    error, rest = values - truth.values, tuple(range(1, problem.ndim + 1))
    parts = {f"error/{f}": (error[..., i : i + 1], truth.values[..., i]) for i, f in enumerate(problem.fields)}
    parts["error/all"] = (error, truth.values)
    size = lambda x: np.sqrt(np.mean(np.square(x))) or 1.0
    at = lambda e: np.sqrt(np.mean(np.square(e), axis=(*rest, e.ndim - 1)))
    return {"error/times": truth.axes[0], **{name: at(e) / size(u) for name, (e, u) in parts.items()}}
