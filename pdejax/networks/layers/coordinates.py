"""The position of a point as input channels."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

POSITIONS: Mapping[str, int] = {"none": 0, "circle": 2, "interval": 1, "fraction": 1}


def position_features(positions: Sequence[str]) -> int:
    """Number of channels of `coordinates`."""
    return sum(POSITIONS[position] for position in positions)


def position_of(embedding: str, wraps: bool) -> str:
    """How `coordinates` is to give an axis.

    **Arguments:** `embedding`: `"auto"`, `"coordinates"`, `"fraction"` or `"none"`, as of the networks; `wraps`:
    whether the axis is periodic.

    **Returns:** one of `POSITIONS`.
    """
    if embedding == "fraction":
        return "fraction"
    if wraps:
        return "circle" if embedding == "coordinates" else "none"
    return "none" if embedding == "none" else "interval"


def _line(position: str, n: int) -> tuple[np.ndarray, ...]:
    fraction = np.arange(n) / n
    if position == "circle":
        return np.sin(2 * np.pi * fraction), np.cos(2 * np.pi * fraction)
    return {"none": (), "interval": (np.linspace(-1, 1, n),), "fraction": (fraction,)}[position]


def coordinates(shape: Sequence[int], positions: Sequence[str], dtype: Any) -> Float[Array, "*space features"]:
    """Position of every point of the grid.

    **Arguments:** `shape`: points per axis; `positions`: for each axis `"circle"`, sin and cos of 2 pi x with x in
    [0, 1) without the end point, `"interval"`, x in [-1, 1] with both end points, `"fraction"`, x in [0, 1) itself,
    or `"none"`; one at least is another; `dtype`: of the result.

    **Returns:** the channels of all axes, one after the other.
    """
    features = []
    for axis, (n, position) in enumerate(zip(shape, positions, strict=True)):
        for values in _line(position, n):
            line = jnp.asarray(values, dtype).reshape((1,) * axis + (n,) + (1,) * (len(shape) - axis - 1))
            features.append(jnp.broadcast_to(line, tuple(shape)))
    return jnp.stack(features, -1)


def located(x: Float[Array, "batch *space channel"], positions: Sequence[str]) -> Float[Array, "batch *space more"]:
    """The field with the position of its points as further channels, if any are wanted; `positions` per axis."""
    if not position_features(positions):
        return x
    where = coordinates(x.shape[1:-1], positions, x.dtype)
    return jnp.concatenate([x, jnp.broadcast_to(where[None], (*x.shape[:-1], where.shape[-1]))], -1)
