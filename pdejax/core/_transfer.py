"""Fields from one domain to another."""

import itertools
import math
from typing import Any

import jax.numpy as jnp
import numpy as np

from pdejax.core._grid import Grid
from pdejax.core._point_cloud import PointCloud
from pdejax.core._spectral import resample, resample_axis


def transfer(u: Any, grid: Grid, to: Any) -> Any:
    """See `Grid.transfer`."""
    if grid == to:
        return u
    u = jnp.asarray(u)
    if isinstance(to, PointCloud) and to.dimension == grid.ndim:
        return _at_points(u, grid, to.coordinates())
    if not grid.same_box(to):
        raise ValueError(f"a field on {grid} can be taken to grids of the same box and to points in it, not to {to}")
    if grid.cells:
        for axis, (old, new) in enumerate(zip(grid.shape, to.shape, strict=True)):
            u = _averages(u, u.ndim - 1 - grid.ndim + axis, old, new)
        return u
    if grid.periodic:
        return resample(u, to.shape)
    for axis, (old, new, periodic) in enumerate(zip(grid.shape, to.shape, grid.periodic_axes, strict=True)):
        place = u.ndim - 1 - grid.ndim + axis
        u = resample_axis(u, place, new) if periodic else _along(u, place, old, new)
    return u


def _along(u: Any, axis: int, old: int, new: int) -> Any:
    """Between equidistant points that share both ends: thinned out where that is exact, else linear."""
    if old == new:
        return u
    index = lambda part: (slice(None),) * axis + (part,)
    if new > 1 and (old - 1) % (new - 1) == 0:
        return u[index(slice(None, None, (old - 1) // (new - 1)))]
    low, share = _cell(np.linspace(0, old - 1, new), old, False)
    share = jnp.asarray(share.reshape([-1 if i == axis else 1 for i in range(u.ndim)]), u.dtype)
    return (1 - share) * u[index(low)] + share * u[index(low + 1)]


def _averages(u: Any, axis: int, old: int, new: int) -> Any:
    """Averages over other cells of what is constant in each of the old ones: what is conserved stays as it is."""
    if old % new == 0:
        return jnp.mean(u.reshape((*u.shape[:axis], new, old // new, *u.shape[axis + 1 :])), axis=axis + 1)
    if new % old == 0:
        return jnp.repeat(u, new // old, axis=axis)
    edges = np.linspace(0, old, new + 1)
    first = np.minimum(np.floor(edges[:-1] + 1e-9).astype(int), old - 1)
    total = jnp.zeros((*u.shape[:axis], new, *u.shape[axis + 1 :]), u.dtype)
    for cell in (first + i for i in range(math.ceil(old / new) + 1)):
        share = np.clip(np.minimum(edges[1:], cell + 1) - np.maximum(edges[:-1], cell), 0, None) * (new / old)
        weights = jnp.asarray(share.reshape([-1 if i == axis else 1 for i in range(u.ndim)]), u.dtype)
        total = total + weights * jnp.take(u, np.minimum(cell, old - 1), axis=axis)
    return total


def _cell(place: np.ndarray, count: int, periodic: bool) -> tuple[np.ndarray, np.ndarray]:
    """Number of the point below a place, given in intervals, and how far it is from there to the next one."""
    low = np.floor(place).astype(int)
    low = low if periodic else np.clip(low, 0, max(count - 2, 0))
    return low, place - low


def _at_points(u: Any, grid: Grid, points: np.ndarray) -> Any:
    """Multilinear interpolation, `(*batch, point, channel)`."""
    places = (points - [x[0] for x in grid.axes()]) / np.asarray(grid.spacing)
    cells = [_cell(places[:, i], n, p) for i, (n, p) in enumerate(zip(grid.shape, grid.periodic_axes, strict=True))]
    total: Any = 0.0
    lift = lambda weight: weight.reshape((1,) * (u.ndim - 1 - grid.ndim) + (-1, 1))
    for corner in itertools.product((0, 1), repeat=grid.ndim):
        index = tuple((low + c) % n for (low, _), c, n in zip(cells, corner, grid.shape, strict=True))
        weight = np.prod([s if c else 1 - s for (_, s), c in zip(cells, corner, strict=True)], axis=0)
        total = total + u[(..., *index, slice(None))] * jnp.asarray(lift(weight), u.dtype)
    return total
