"""The kept modes of a field by real matrix products: a discrete Fourier transform truncated before it is computed.

Every axis is transformed to cosine and sine coefficients ("parities"), which are combined to complex modes only when
all axes are done, so that every step is one real, canonical batched matrix product. Folding the field into its even
and odd part first would halve the operations; measured on CPU, it gains nothing in a training step in one dimension
and loses in two.
"""

from collections.abc import Sequence
from math import prod

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from pdejax.networks.spectral.modes import along, nyquist_halved


def _tables(n: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """cos and sin of 2 pi k j / n, rows k < count, columns j < n."""
    k, j = np.arange(count)[:, None], np.arange(n)[None]
    angle = 2 * np.pi * ((k * j) % n) / n  # the integer remainder keeps the angle exact for large k j
    return np.cos(angle), np.sin(angle)


def _product(matrix: np.ndarray, x: Array) -> Array:
    table = jnp.broadcast_to(jnp.asarray(matrix, x.dtype), (x.shape[0], *matrix.shape))
    # the default precision of TPU and GPU rounds to bfloat16 or TF32, which loses the high modes
    return jnp.matmul(table, x, precision=jax.lax.Precision.HIGHEST)


def _to_parities(x: Float[Array, "lead n rest"], count: int) -> Float[Array, "lead 2 {count} rest"]:
    """Cosine and sine coefficients along the middle axis, frequencies 0..count-1."""
    lead, n, rest = x.shape
    scale = (nyquist_halved(n, count) / n)[:, None]
    cos, sin = (scale * table for table in _tables(n, count))
    return _product(np.concatenate([cos, sin]), x).reshape(lead, 2, count, rest)


def _from_parities(x: Float[Array, "lead 2 count rest"], n: int) -> Float[Array, "lead {n} rest"]:
    """Sum of cosines and sines at n points, from their coefficients."""
    lead, _, count, rest = x.shape
    cos, sin = (table.T for table in _tables(n, count))
    return _product(np.concatenate([cos, sin], 1), x.reshape(lead, 2 * count, rest))


def _pick(x: Array, axis: int) -> tuple[Array, Array]:
    return jax.lax.index_in_dim(x, 0, axis, keepdims=False), jax.lax.index_in_dim(x, 1, axis, keepdims=False)


def _signed(re: Array, im: Array, axis: int) -> tuple[Array, Array]:
    """X(+k) = C - iS and X(-k) = C + iS from the parities C, S on `axis`, whose frequencies follow on the next one."""
    (rc, rs), (ic, is_) = _pick(re, axis), _pick(im, axis)
    positive = lambda x: jax.lax.slice_in_dim(x, 1, None, axis=axis)
    real = jnp.concatenate([rc + is_, positive(rc - is_)], axis)
    return real, jnp.concatenate([ic - rs, positive(ic + rs)], axis)


def _unsigned(re: Array, im: Array, axis: int) -> tuple[Array, Array]:
    """C = Y(+k) + Y(-k) and S = i (Y(+k) - Y(-k)); frequency zero has no partner, and its sine is zero anyway."""
    count = (re.shape[axis] + 1) // 2

    def halves(x: Array) -> tuple[Array, Array]:
        positive, negative = jnp.split(x, [count], axis)
        return positive, jnp.pad(negative, [(int(i == axis), 0) for i in range(x.ndim)])

    (rp, rn), (ip, in_) = halves(re), halves(im)
    return jnp.stack([rp + rn, in_ - ip], axis), jnp.stack([ip + in_, rp - rn], axis)


def forward(x: Float[Array, "batch *space channel"], counts: Sequence[int]) -> tuple[Array, Array]:
    """Fourier coefficients of the interpolant of a field, frequencies |k| < counts.

    **Arguments:** `x`: field `(batch, *space, channel)`; `counts`: frequencies kept per axis.

    **Returns:** real and imaginary part, each `(*modes, batch, channel)`, modes ordered as in `weight_shape`.
    """
    batch, *space, channel = x.shape
    ndim = len(space)
    if ndim == 1:
        x = jnp.moveaxis(x, 0, 1)[None]  # one wide product instead of a narrow one per sample
    lead = x.shape[0]
    x = _to_parities(x.reshape(lead, space[0], prod(x.shape[2:])), counts[0])
    if ndim > 1:  # only the kept modes of the first axis are transposed
        x = jnp.moveaxis(x.reshape(batch, 2 * counts[0] * prod(space[1:]), channel), 0, 1)
    lead = 1
    for axis in range(1, ndim):
        lead *= 2 * counts[axis - 1]
        x = _to_parities(x.reshape(lead, space[axis], -1), counts[axis])
    interleaved = [size for count in counts for size in (2, count)]
    cos, sin = _pick(x.reshape(*interleaved, batch, channel), 2 * ndim - 2)
    re, im = cos, -sin
    for axis in reversed(range(ndim - 1)):
        re, im = _signed(re, im, 2 * axis)
    return re, im


def inverse(
    re: Float[Array, "*modes batch channel"], im: Float[Array, "*modes batch channel"], shape: Sequence[int]
) -> Float[Array, "batch *space channel"]:
    """The real field with these Fourier coefficients, on any grid that holds them.

    **Arguments:** `re`, `im`: `(*modes, batch, channel)` as from `forward`; `shape`: points of the grid.

    **Returns:** the field `(batch, *shape, channel)`: the real part, where coefficients are not Hermitian.
    """
    ndim, (batch, channel) = len(shape), re.shape[-2:]
    for axis in range(ndim - 1):
        re, im = _unsigned(re, im, 2 * axis)
    counts = (*re.shape[1 : 2 * ndim - 2 : 2], re.shape[-3])
    weight = along(np.where(np.arange(counts[-1]) == 0, 1.0, 2.0), re.ndim - 3, re)  # +k and -k, of which +k is stored
    x = jnp.stack([weight * re, -weight * im], re.ndim - 3)
    for axis in reversed(range(1, ndim)):
        lead = prod(2 * count for count in counts[:axis])
        x = _from_parities(x.reshape(lead, 2, counts[axis], -1), shape[axis])
    lead, rest = 1, batch * channel
    if ndim > 1:
        lead, rest = batch, prod(shape[1:]) * channel
        x = jnp.moveaxis(x.reshape(2 * counts[0] * prod(shape[1:]), batch, channel), 1, 0)
    x = _from_parities(x.reshape(lead, 2, counts[0], rest), shape[0])
    return jnp.moveaxis(x.reshape(*shape, batch, channel), -2, 0) if ndim == 1 else x.reshape(batch, *shape, channel)
