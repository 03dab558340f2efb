"""What a learned solution operator is compared with: the solver on the grid at hand and on a coarser one, the mean."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from pdejax.evaluation.baselines.baseline import Baseline, Maker, solved_by
from pdejax.evaluation.predictor import FieldMap


def solver(dataset: Any, start: int = 0) -> Baseline:
    """The solver that made the data, on the grid the data are stored on."""
    family, made = solved_by(dataset)
    fine, make = " x ".join(map(str, made.domain(family).shape)), lambda parameters: made.stepper(family, parameters)
    meaning = f"the solver on the stored grid; the data were solved on {fine} points"
    return Baseline("solver, stored grid", meaning, FieldMap(make), double=True)


def solver_coarse_grid(dataset: Any, start: int = 0) -> Baseline:
    """The solver on every second point of the stored grid, interpolated linearly."""
    (family, made), shape = solved_by(dataset), dataset.domain.shape
    if any(n % 2 == 0 for n in shape):
        raise ValueError("every second point of an even number of points misses the boundary")
    coarse = tuple((n + 1) // 2 for n in shape)
    places = [jnp.linspace(0, m - 1, n) for n, m in zip(shape, coarse, strict=True)]
    ndim = len(shape)

    def interpolate(u: Any) -> Any:
        points = jnp.meshgrid(*(p.astype(u.dtype) for p in places), indexing="ij")
        flat = u.reshape(-1, *coarse)
        return jax.vmap(lambda one: jax.scipy.ndimage.map_coordinates(one, points, order=1))(flat)

    def make(parameters: Mapping[str, Any]) -> Callable[[Any], Any]:
        def solve(inputs: Any) -> Any:
            thin = (..., *(slice(None, None, 2),) * ndim, slice(None))
            u = made.stepper(family, parameters)(inputs[thin])[..., 0]
            return interpolate(u).reshape(*inputs.shape[:-1], 1)

        return solve

    grid = " x ".join(map(str, coarse))
    return Baseline(f"solver, {grid} points", f"the solver on {grid} points, interpolated", FieldMap(make), double=True)


def mean(dataset: Any, start: int = 0) -> Baseline:
    """The mean of the training solutions, whatever the input."""
    average = jnp.asarray(dataset.split("train").states[:, 0].mean(0))
    make = lambda parameters: lambda inputs: jnp.broadcast_to(average, (*inputs.shape[:-1], average.shape[-1]))
    return Baseline("mean solution", "the mean of the training solutions, whatever the input", FieldMap(make))


BASELINES: dict[str, Maker] = {
    "solver": solver,
    "solver_coarse_grid": solver_coarse_grid,
    "mean": mean,
}
"""Baselines of steady problems by their key in `evaluation.json`."""
