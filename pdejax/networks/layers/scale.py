"""Between a grid and one with half as many points per axis, even or odd.

A grid of n points goes down to one of ceil(n / 2), whose points are every second one; on the way up the size is that of
the field which the result is put together with. Along a periodic axis of even size a shift by two points is one by a
single point on the coarser grid, exactly. Along a periodic axis of odd size the last and the first coarse points are
neighbours one spacing apart, the others two: everything is defined, but shifts no longer commute with the way down.
"""

from collections.abc import Sequence

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from pdejax.core import Key
from pdejax.networks.layers.conv import Conv
from pdejax.networks.layers.linear import Linear


def _crop(x: Array, shape: Sequence[int]) -> Array:
    return x[(slice(None), *map(slice, shape))]


def repeat_points(x: Float[Array, "batch *space channel"], shape: Sequence[int]) -> Float[Array, "batch *fine channel"]:
    """The field with each point twice along every axis, cut to the grid `shape`."""
    pairs = jnp.broadcast_to(
        x.reshape(x.shape[0], *(size for n in x.shape[1:-1] for size in (n, 1)), x.shape[-1]),
        (x.shape[0], *(size for n in x.shape[1:-1] for size in (n, 2)), x.shape[-1]),
    )
    return _crop(pairs.reshape(x.shape[0], *(2 * n for n in x.shape[1:-1]), x.shape[-1]), shape)


class RepeatUp(eqx.Module):
    """Every point twice, then a convolution of three points: a transposed one without its uneven overlaps."""

    conv: Conv

    def __init__(self, channels: int, *, periodic: Sequence[bool], key: Key):
        """**Arguments:** `channels`: of the field, kept; `periodic`: whether each axis is; `key`: random key."""
        self.conv = Conv(channels, channels, 3, len(periodic), periodic=periodic, key=key)

    def __call__(
        self, x: Float[Array, "batch *coarse channel"], shape: Sequence[int]
    ) -> Float[Array, "batch *space channel"]:
        """**Arguments:** `x`: field; `shape`: the finer grid. **Returns:** the field there."""
        return self.conv(repeat_points(x, shape))


class PatchUp(eqx.Module):
    """Each point becomes a patch of two points per axis, each by a matrix of its own: a transposed convolution with
    a kernel and a stride of two.
    """

    linear: Linear
    ndim: int = eqx.field(static=True)

    def __init__(self, in_channels: int, out_channels: int, ndim: int, *, key: Key):
        """**Arguments:** `in_channels`, `out_channels`: of the fields; `ndim`: number of axes; `key`: random key."""
        self.linear = Linear(in_channels, 2**ndim * out_channels, key=key)
        self.ndim = ndim

    def __call__(
        self, x: Float[Array, "batch *coarse channel_in"], shape: Sequence[int]
    ) -> Float[Array, "batch *space channel_out"]:
        """**Arguments:** `x`: field; `shape`: the finer grid. **Returns:** the field there."""
        space = x.shape[1:-1]
        y = self.linear(x)
        channels = y.shape[-1] // 2**self.ndim
        y = y.reshape(x.shape[0], *space, *(2,) * self.ndim, channels)
        order = [axis for i in range(self.ndim) for axis in (1 + i, 1 + self.ndim + i)]
        y = y.transpose(0, *order, 1 + 2 * self.ndim)
        return _crop(y.reshape(x.shape[0], *(2 * n for n in space), channels), shape)
