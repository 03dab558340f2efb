"""The position of a point as input channels."""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float


def coordinate_features(periodic: Sequence[bool], located: Sequence[bool]) -> int:
    """Number of channels of `coordinates`."""
    return sum((2 if wraps else 1) for wraps, used in zip(periodic, located, strict=True) if used)


def _features(angle: np.ndarray, wraps: bool) -> tuple[np.ndarray, ...]:
    return (np.sin(angle), np.cos(angle)) if wraps else (np.linspace(-1, 1, angle.size),)


def coordinates(
    shape: Sequence[int], periodic: Sequence[bool], located: Sequence[bool], dtype: Any
) -> Float[Array, "*space features"]:
    """Position of every point of the grid.

    **Arguments:** `shape`: points per axis; `periodic`: whether each axis is; `located`: whether its coordinate is
    wanted, at least one; `dtype`: of the result.

    **Returns:** for a periodic axis sin and cos of 2 pi x, x in [0, 1) without the end point; for a bounded one
    x in [-1, 1] with both end points.
    """
    features = []
    for axis, (n, wraps, used) in enumerate(zip(shape, periodic, located, strict=True)):
        angle = 2 * np.pi * np.arange(n) / n
        for values in _features(angle, wraps) if used else ():
            line = jnp.asarray(values, dtype).reshape((1,) * axis + (n,) + (1,) * (len(shape) - axis - 1))
            features.append(jnp.broadcast_to(line, tuple(shape)))
    return jnp.stack(features, -1)
