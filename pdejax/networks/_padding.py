"""Room beyond the ends of bounded axes, so that a spectral layer's periodicity does not join them."""

from collections.abc import Sequence

import jax.numpy as jnp
from jaxtyping import Array, Float


def _widths(shape: Sequence[int], fraction: float, periodic: Sequence[bool]) -> list[int]:
    return [0 if wraps else round(fraction * n) for n, wraps in zip(shape, periodic, strict=True)]


def pad_bounded(
    x: Float[Array, "batch *space channel"], fraction: float, periodic: Sequence[bool]
) -> Float[Array, "batch *padded channel"]:
    """Zeros on both sides of every axis that is not periodic.

    **Arguments:** `x`: field; `fraction`: width of each side as a part of the axis; `periodic`: whether each axis is.
    """
    widths = _widths(x.shape[1:-1], fraction, periodic)
    return jnp.pad(x, [(0, 0), *((w, w) for w in widths), (0, 0)])


def crop_bounded(
    x: Float[Array, "batch *padded channel"], shape: Sequence[int], fraction: float, periodic: Sequence[bool]
) -> Float[Array, "batch *space channel"]:
    """Inverse of `pad_bounded`; `shape` is that of the grid before."""
    widths = _widths(shape, fraction, periodic)
    return x[(slice(None), *(slice(w, w + n) for w, n in zip(widths, shape, strict=True)))]
