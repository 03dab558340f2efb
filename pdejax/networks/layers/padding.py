"""Room beyond the ends of bounded axes, so that a spectral layer's periodicity does not join them."""

from collections.abc import Sequence

import jax.numpy as jnp
from jaxtyping import Array, Float


def _widths(shape: Sequence[int], fraction: float, periodic: Sequence[bool]) -> list[int]:
    """Points to add per axis, so that from the last point to the first one's image it is a `fraction` of the axis.

    Counted in intervals: where that comes out whole on two grids, both see a period of the same length, and the
    frequencies of a spectral layer mean the same on both.
    """
    room = lambda n: max(round(fraction * (n - 1)) - 1, 0)
    return [0 if wraps else room(n) for n, wraps in zip(shape, periodic, strict=True)]


def padded_shape(shape: Sequence[int], fraction: float, periodic: Sequence[bool]) -> tuple[int, ...]:
    """Points per axis after `pad_bounded`."""
    return tuple(n + more for n, more in zip(shape, _widths(shape, fraction, periodic), strict=True))


def pad_bounded(
    x: Float[Array, "batch *space channel"], fraction: float, periodic: Sequence[bool]
) -> Float[Array, "batch *padded channel"]:
    """Zeros behind every axis that is not periodic; on which side does not matter to what wraps around.

    **Arguments:** `x`: field; `fraction`: distance of the axis' end and the next period, as a part of the axis;
    `periodic`: whether each axis is.
    """
    widths = _widths(x.shape[1:-1], fraction, periodic)
    return jnp.pad(x, [(0, 0), *((0, w) for w in widths), (0, 0)])


def crop_bounded(
    x: Float[Array, "batch *padded channel"], shape: Sequence[int], periodic: Sequence[bool]
) -> Float[Array, "batch *space channel"]:
    """Inverse of `pad_bounded`; `shape` is that of the grid before, periodic axes keep what they have by now."""
    kept = (slice(None) if wraps else slice(n) for n, wraps in zip(shape, periodic, strict=True))
    return x[(slice(None), *kept)]
