"""The pressure of a flow on cells: cosine and Fourier transforms diagonalise the second difference between walls."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from pdejax.core import Grid
from pdejax.solvers._arrays import scale


def cosine_transform(x: Float[Array, "*batch point"]) -> Float[Array, "*batch point"]:
    """DCT-2 along the last axis, `2 sum x_n cos(pi k (2n + 1)/2N)`, by a real transform of as many points.

    Makhoul (1980), "A fast cosine transform in one and two dimensions".
    """
    n = x.shape[-1]
    ordered = jnp.concatenate([x[..., ::2], x[..., 1::2][..., ::-1]], axis=-1)
    turned = jnp.fft.rfft(ordered) * _turns(x, -1)
    return jnp.concatenate([2 * turned.real, -2 * turned.imag[..., 1 : (n + 1) // 2][..., ::-1]], axis=-1)


def inverse_cosine_transform(x: Float[Array, "*batch point"]) -> Float[Array, "*batch point"]:
    """What `cosine_transform` makes this of."""
    n = x.shape[-1]
    last = jnp.concatenate([jnp.zeros_like(x[..., :1]), x[..., : -(n // 2) - 1 : -1]], axis=-1)
    halved = jax.lax.complex(x[..., : n // 2 + 1], -last) / 2
    ordered = jnp.fft.irfft(halved * _turns(x, 1), n)
    even, odd = ordered[..., : (n + 1) // 2], ordered[..., (n + 1) // 2 :][..., ::-1]
    paired = jnp.stack([even[..., : n // 2], odd], axis=-1).reshape((*x.shape[:-1], n - n % 2))
    return jnp.concatenate([paired, even[..., n // 2 :]], axis=-1)


def _turns(like: Array, sign: int) -> Array:
    n = like.shape[-1]
    turns = np.exp(sign * 0.5j * np.pi / n * np.arange(n // 2 + 1)).reshape((1,) * (like.ndim - 1) + (-1,))
    return jnp.asarray(turns, np.result_type(like.dtype, np.complex64))


def solve_poisson(divergence: Float[Array, "*batch_and_space"], grid: Grid) -> Float[Array, "*batch_and_space"]:
    """The pressure, of zero mean, whose second difference this is, with zero slope at walls.

    **Arguments:** `divergence`: at the cells of `grid`, of zero mean.
    """
    walls = [axis for axis, periodic in enumerate(grid.periodic_axes) if not periodic]
    rest = [axis for axis in range(grid.ndim) if axis not in walls]
    p = divergence
    for axis in walls:
        p = _along(cosine_transform, p, axis)
    factor, places = jnp.asarray(_inverse_symbol(grid, rest), p.dtype), [1 + axis for axis in rest]
    if rest:
        p = jnp.fft.irfftn(scale(factor, jnp.fft.rfftn(p, axes=places)), [p.shape[i] for i in places], places)
    else:
        p = p * factor
    for axis in walls:
        p = _along(inverse_cosine_transform, p, axis)
    return p


def _along(transform: Any, x: Array, axis: int) -> Array:
    return jnp.moveaxis(transform(jnp.moveaxis(x, 1 + axis, -1)), -1, 1 + axis)


def _inverse_symbol(grid: Grid, periodic: list[int]) -> np.ndarray:
    """One over the eigenvalues of the second difference, `(1, *modes)`; the last periodic axis has half of them."""
    total = np.zeros((1,) * (1 + grid.ndim))
    for axis, (n, h) in enumerate(zip(grid.shape, grid.spacing, strict=True)):
        count = n // 2 + 1 if periodic and axis == periodic[-1] else n
        angle = np.pi * np.arange(count) / (n if axis in periodic else 2 * n)
        shape = [-1 if i == axis else 1 for i in range(grid.ndim)]
        total = total - ((2 / h * np.sin(angle)) ** 2).reshape((1, *shape))
    flat = total.reshape(math.prod(total.shape))
    flat[0] = np.inf
    return 1 / total
