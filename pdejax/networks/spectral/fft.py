"""The kept modes of a field by the fast Fourier transform."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float

from pdejax.networks.spectral.modes import along, nyquist_halved


def _cut(x: Array, axis: int, start: int, stop: int) -> Array:
    return jax.lax.slice_in_dim(x, start, stop, axis=axis)


def _keep(x: Array, axis: int, n: int, count: int, half: bool) -> Array:
    """Frequencies |k| < count of an axis in the order of `weight_shape`, from the order of the FFT."""
    out = _cut(x, axis, 0, count)
    if not half:
        out = jnp.concatenate([out, jnp.flip(_cut(x, axis, n - count + 1, n), axis)], axis)
    if 2 * (count - 1) < n:
        return out
    scale = nyquist_halved(n, count)
    scale = scale if half else np.concatenate([scale, scale[1:]])
    return out * along(scale, axis, x)


def _place(y: Array, axis: int, n: int) -> Array:
    """Inverse of `_keep` for a signed axis; both signs of an even grid's Nyquist frequency meet in one place."""
    count = (y.shape[axis] + 1) // 2
    positive, negative = _cut(y, axis, 0, count), jnp.flip(_cut(y, axis, count, 2 * count - 1), axis)
    middle = []
    if count > 1 and 2 * (count - 1) == n:
        middle = [_cut(positive, axis, count - 1, count) + _cut(negative, axis, 0, 1)]
        positive, negative = _cut(positive, axis, 0, count - 1), _cut(negative, axis, 1, count - 1)
    gap = n - positive.shape[axis] - negative.shape[axis] - len(middle)
    zeros = jnp.zeros((*y.shape[:axis], gap, *y.shape[axis + 1 :]), y.dtype)
    return jnp.concatenate([positive, zeros, *middle, negative], axis)


def _hermitian(column: Array, axes: Sequence[int]) -> Array:
    """The part (Y(k) + conj Y(-k)) / 2 of a self-conjugate column that a real field has.

    Without it the result of a complex-to-real transform is unspecified, and differs between CPU and GPU libraries.
    """
    mirrored = column
    for axis in axes:
        count = (column.shape[axis] + 1) // 2
        mirror = np.concatenate([[0], np.arange(count, 2 * count - 1), np.arange(1, count)])
        mirrored = jnp.take(mirrored, mirror, axis=axis)
    return (column + jnp.conj(mirrored)) / 2


def _real_spectrum(y: Complex[Array, "..."], n: int) -> Array:
    """Last axis of a half spectrum with its self-conjugate columns, zero and an even grid's Nyquist, made Hermitian."""
    axes, count = range(2, y.ndim - 1), y.shape[-1]
    columns = [_hermitian(y[..., :1], axes), y[..., 1:]]
    if count > 1 and 2 * (count - 1) == n:
        columns = [columns[0], y[..., 1:-1], 2 * _hermitian(y[..., -1:], axes)]
    return jnp.concatenate(columns, -1)


def forward(x: Float[Array, "..."], counts: Sequence[int]) -> tuple[Array, Array]:
    """Fourier coefficients of the interpolant of a field, frequencies |k| < counts.

    **Arguments:** `x`: field `(batch, *space, channel)`; `counts`: frequencies kept per axis.

    **Returns:** real and imaginary part, each `(*modes, batch, channel)`, modes ordered as in `weight_shape`.
    """
    ndim, shape = len(counts), x.shape[1:-1]
    modes = jnp.fft.rfftn(jnp.moveaxis(x, -1, 1), axes=range(2, ndim + 2), norm="forward")
    for axis in reversed(range(ndim)):
        modes = _keep(modes, axis + 2, shape[axis], counts[axis], half=axis == ndim - 1)
    modes = jnp.moveaxis(modes, (0, 1), (-2, -1))
    return modes.real, modes.imag


def inverse(re: Float[Array, "..."], im: Float[Array, "..."], shape: Sequence[int]) -> Float[Array, "..."]:
    """The real field with these Fourier coefficients, on any grid that holds them.

    **Arguments:** `re`, `im`: `(*modes, batch, channel)` as from `forward`; `shape`: points of the grid.

    **Returns:** the field `(batch, *shape, channel)`: the real part, where coefficients are not Hermitian.
    """
    ndim = len(shape)
    modes = _real_spectrum(jnp.moveaxis(jax.lax.complex(re, im), (-2, -1), (0, 1)), shape[-1])
    for axis in range(ndim - 1):
        modes = _place(modes, axis + 2, shape[axis])
    y = jnp.fft.irfftn(modes, s=tuple(shape), axes=range(2, ndim + 2), norm="forward")
    return jnp.moveaxis(y, 1, -1)
