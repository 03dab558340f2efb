"""From a grid to one of half the points by maxima, and back by linear interpolation."""

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float


def _larger(x: Array, axis: int) -> Array:
    pairs = x.reshape(*x.shape[:axis], x.shape[axis] // 2, 2, *x.shape[axis + 1 :])
    first, second = (lax.index_in_dim(pairs, i, axis + 1, keepdims=False) for i in (0, 1))
    # the derivative of a maximum compares it with its arguments, which XLA may compute again and round otherwise
    return jnp.where((first > second) | jnp.isnan(first), first, second)


def max_pool(x: Float[Array, "batch *space channel"]) -> Float[Array, "batch *half channel"]:
    """The largest of every two neighbours along each axis, whose numbers of points must be even; NaN if one is."""
    for axis in range(1, x.ndim - 1):
        x = _larger(x, axis)
    return x


def _parts(n: int, wraps: bool) -> tuple[np.ndarray, np.ndarray]:
    """Part of the neighbour before in each even new point, and of the neighbour behind in each odd one."""
    if wraps:
        return np.full(n, 0.25), np.full(n, 0.25)
    return np.arange(n) / (2 * n - 1), np.arange(n - 1, -1, -1) / (2 * n - 1)


def _double(x: Array, axis: int, wraps: bool) -> Array:
    n = x.shape[axis]
    along = lambda a: jnp.asarray(a, x.dtype).reshape((1,) * axis + (n,) + (1,) * (x.ndim - axis - 1))
    before, behind = map(along, _parts(n, wraps))
    even = x + before * (jnp.roll(x, 1, axis) - x)  # what a bounded axis rolls across its ends has part zero
    odd = x + behind * (jnp.roll(x, -1, axis) - x)
    return jnp.stack([even, odd], axis + 1).reshape(*x.shape[:axis], 2 * n, *x.shape[axis + 1 :])


def linear_upsample(
    x: Float[Array, "batch *space channel"], periodic: Sequence[bool]
) -> Float[Array, "batch *double channel"]:
    """Linear interpolation to twice the points along each axis.

    **Arguments:** `x`: field; `periodic`: whether each axis is.

    **Returns:** along a bounded axis the values at 2n points equally spaced from the first to the last one; along a
    periodic axis those a quarter of a spacing before and behind each point, where the two points of a pool stand.
    """
    for axis, wraps in enumerate(periodic, start=1):
        x = _double(x, axis, wraps)
    return x
