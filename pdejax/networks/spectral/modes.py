"""Which frequencies a spectral layer keeps, and in which order it stores them."""

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from pdejax.networks.layers.checks import check_positive, per_axis


def as_modes(modes: int | Sequence[int], ndim: int) -> tuple[int, ...]:
    """Modes per axis: one number is meant for every axis.

    **Arguments:** `modes`: number of frequencies 0, 1, .., modes-1 kept on each axis; `ndim`: number of axes.

    **Raises:** `ValueError` if there is not one positive number per axis.
    """
    out = per_axis("modes", modes, ndim)
    check_positive(modes=out)
    return out


def weight_shape(modes: Sequence[int]) -> tuple[int, ...]:
    """Entries of the weight per axis: frequencies of both signs, but for the halved last axis.

    The kept set is symmetric, |k| < modes, so that it is closed under the Hermitian symmetry of real fields.
    On a signed axis the order is 0, 1, .., modes-1, -1, .., -(modes-1): growing in magnitude, so that a grid
    too small for all of them uses a prefix of either half and no transform has to reverse anything.
    """
    return (*(2 * m - 1 for m in modes[:-1]), modes[-1])


def usable(modes: Sequence[int], shape_in: Sequence[int], shape_out: Sequence[int]) -> tuple[int, ...]:
    """Modes per axis that both grids hold, an even grid's Nyquist frequency included."""
    return tuple(min(m, n // 2 + 1, o // 2 + 1) for m, n, o in zip(modes, shape_in, shape_out, strict=True))


def prefix(positive: int, count: int) -> np.ndarray:
    """Positions of the frequencies |k| < count on a signed axis that stores |k| < positive."""
    return np.concatenate([np.arange(count), positive + np.arange(count - 1)])


def restrict(weight: Array, modes: Sequence[int], counts: Sequence[int]) -> Array:
    """The part of a modes-first weight for the frequencies |k| < counts."""
    if tuple(modes) == tuple(counts):
        return weight
    for axis, (m, count) in enumerate(zip(modes[:-1], counts[:-1], strict=True)):
        weight = jnp.take(weight, prefix(m, count), axis=axis)
    return jnp.take(weight, np.arange(counts[-1]), axis=len(modes) - 1)


def nyquist_halved(n: int, count: int) -> np.ndarray:
    """One for each frequency 0..count-1 of a grid of n points, but 1/2 for its Nyquist frequency.

    The interpolant of a sampled field holds an even grid's Nyquist mode in equal parts at +n/2 and -n/2.
    """
    return np.where(2 * np.arange(count) == n, 0.5, 1.0)


def along(values: np.ndarray, axis: int, like: Array) -> Array:
    """Numbers laid along one axis, broadcastable against the array `like` and of its type."""
    return jnp.asarray(values, like.dtype).reshape((1,) * axis + (-1,) + (1,) * (like.ndim - axis - 1))
