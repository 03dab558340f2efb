"""What is kept of a network of coordinates for pictures: values on a grid, and the Gaussians it is made of."""

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from pdejax.equations import BoundaryValueProblem
from pdejax.evaluation.coordinate.errors import on_axes, residual_at, values_at
from pdejax.methods import PhysicsField
from pdejax.networks import GaussianField, GaussianLattice
from pdejax.solvers import Truth

_MOST = 257  # points per axis of a picture
_FRAMES = 4


def _plot_axes(problem: BoundaryValueProblem, truth: Truth | None) -> list[np.ndarray]:
    """Coordinates of the pictures, among those of the truth if there is one."""
    plain = lambda low, high, wraps: np.linspace(low, high, 129, endpoint=not wraps)
    full = [plain(*ends, wraps) for ends, wraps in zip(problem.box, problem.periodic, strict=True)]
    full = full if truth is None else list(truth.axes)
    thin = [x[:: -(-len(x) // _MOST)] for x in full]
    if problem.timed and problem.ndim > 1:
        thin[0] = full[0][np.unique(np.rint(np.linspace(0, len(full[0]) - 1, _FRAMES)).astype(int))]
    if problem.ndim == 3:
        thin[-1] = full[-1][[len(full[-1]) // 2]]
    return thin


def _chosen(axes: Sequence[np.ndarray], truth: Truth, values: np.ndarray) -> np.ndarray:
    """Values on the grid of the truth at some of its coordinates."""
    return values[np.ix_(*(np.searchsorted(x, part) for x, part in zip(truth.axes, axes, strict=True)))]


def pictures_of(
    model: PhysicsField, truth: Truth | None, values: np.ndarray | None, chunk: int
) -> dict[str, np.ndarray]:
    """The model, its residual, and truth and error where there is a truth, on a grid of the box."""
    problem = model.problem
    axes = _plot_axes(problem, truth)
    arrays = {f"plot/axes/{name}": axis for name, axis in zip(problem.axes, axes, strict=True)}
    arrays["plot/residual"] = on_axes(residual_at, model, axes, chunk)
    if truth is None or values is None:
        arrays["plot/field"] = on_axes(values_at, model, axes, chunk)
    else:
        arrays["plot/field"], arrays["plot/truth"] = (_chosen(axes, truth, x) for x in (values, truth.values))
        arrays["plot/error"] = arrays["plot/field"] - arrays["plot/truth"]
    return arrays


def history_of(model: PhysicsField, chunk: int) -> dict[str, np.ndarray]:
    """The field over time and the first axis of space, in the middle of the others."""
    problem = model.problem
    lines = [np.linspace(*ends, 129) for ends in problem.box[:2]]
    axes = [*lines, *(np.array([middle]) for middle in problem.middle[2:])]
    values = on_axes(values_at, model, axes, chunk).reshape(129, 129, -1)
    return {"history/axes/t": lines[0], f"history/axes/{problem.axes[1]}": lines[1], "history/field": values}


@functools.singledispatch
def gaussians_of(field: Any) -> dict[str, np.ndarray]:
    """Centres, widths and weights of the Gaussians a field is made of, one by one; nothing of another field."""
    return {}


@gaussians_of.register
def _(field: GaussianField) -> dict[str, np.ndarray]:
    flat = lambda x: np.asarray(x, np.float64).reshape(-1, x.shape[-1])
    centres, widths = flat(field.centres), np.exp(flat(field.log_widths))
    arrays = {"gaussians/centres": centres, "gaussians/widths": widths, "gaussians/weights": flat(field.weights)}
    if field.shears is None:
        return arrays
    ndim = centres.shape[1]
    lower = np.broadcast_to(np.eye(ndim), (len(centres), ndim, ndim)).copy()
    lower[:, *np.tril_indices(ndim, -1)] = flat(field.shears)
    root = widths[:, :, None] * np.linalg.inv(lower)  # the precision is D^-1 T^T T D^-1
    return arrays | {"gaussians/covariances": root @ root.swapaxes(1, 2)}


@gaussians_of.register
def _(field: GaussianLattice) -> dict[str, np.ndarray]:
    parts = zip(("centres", "widths", "weights"), field.gaussians(), strict=True)
    return {f"gaussians/{k}": np.asarray(x, np.float64) for k, x in parts} | {
        "gaussians/edges": np.asarray(field.edges)
    }
