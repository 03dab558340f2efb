"""Fields cut into boxes of points."""

from collections.abc import Sequence
from math import prod

from jaxtyping import Array, Float


def to_patches(
    x: Float[Array, "batch *space channel"], patch: Sequence[int]
) -> Float[Array, "batch_and_patch point channel"]:
    """The points of each patch of a field; `patch` says how many per axis, divisors of the grid's numbers."""
    ndim, space = len(patch), x.shape[1:-1]
    split = [size for n, p in zip(space, patch, strict=True) for size in (n // p, p)]
    y = x.reshape(x.shape[0], *split, x.shape[-1])
    y = y.transpose(0, *range(1, 2 * ndim, 2), *range(2, 2 * ndim + 1, 2), 2 * ndim + 1)
    return y.reshape(-1, prod(patch), x.shape[-1])


def from_patches(
    y: Float[Array, "batch_and_patch point channel"], shape: Sequence[int], patch: Sequence[int]
) -> Float[Array, "batch *space channel"]:
    """Inverse of `to_patches`; `shape` is that of the grid."""
    ndim, counts = len(patch), [n // p for n, p in zip(shape, patch, strict=True)]
    x = y.reshape(-1, *counts, *patch, y.shape[-1])
    pairs = [axis for i in range(ndim) for axis in (1 + i, 1 + ndim + i)]
    return x.transpose(0, *pairs, 2 * ndim + 1).reshape(-1, *shape, y.shape[-1])
