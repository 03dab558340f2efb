"""Real Fourier transforms of channels-last fields and exact resampling between periodic grids."""

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float

from pdejax.core._grid import Grid


def _space_axes(ndim: int) -> tuple[int, ...]:
    return tuple(range(-ndim - 1, -1))


def transform(u: Float[Array, "..."], ndim: int) -> Complex[Array, "..."]:
    """Real-to-complex transform over the `ndim` space axes of a channels-last field; the last one is halved."""
    return jnp.fft.rfftn(u, axes=_space_axes(ndim))


def inverse_transform(u_hat: Complex[Array, "..."], shape: Sequence[int]) -> Float[Array, "..."]:
    """Inverse of `transform`; `shape` is the grid's, needed because odd and even sizes share a half spectrum."""
    return jnp.fft.irfftn(u_hat, s=tuple(shape), axes=_space_axes(len(shape)))


def angular_wavenumbers(grid: Grid) -> tuple[np.ndarray, ...]:
    """Angular wavenumbers 2 pi m / L of each axis in the layout of `transform`, broadcastable against each other."""
    out = []
    for axis, (n, h) in enumerate(zip(grid.shape, grid.spacing, strict=True)):
        frequency = np.fft.rfftfreq(n, h) if axis == grid.ndim - 1 else np.fft.fftfreq(n, h)
        out.append(2 * np.pi * frequency.reshape((1,) * axis + (-1,) + (1,) * (grid.ndim - 1 - axis)))
    return tuple(out)


def band_indices(shape: Sequence[int]) -> np.ndarray:
    """Integer radius of each mode of `transform`, i.e. the shell of an isotropic spectrum it belongs to."""
    radii = angular_wavenumbers(Grid(tuple(shape), (2 * np.pi,) * len(shape)))
    return np.rint(np.sqrt(sum(np.square(k) for k in radii))).astype(int)


def _resample_axis(u_hat: Array, axis: int, old: int, new: int, half: bool) -> Array:
    """Copies modes by signed frequency; an even grid's Nyquist mode is split in two (up) or folded (down)."""
    if old == new:
        return u_hat
    keep = (min(old, new) - 1) // 2  # modes -keep..keep exist on both grids
    even = min(old, new) % 2 == 0
    take = lambda a, b: u_hat[(slice(None),) * axis + (slice(a, b),)]
    zeros = lambda n: jnp.zeros((*u_hat.shape[:axis], n, *u_hat.shape[axis + 1 :]), u_hat.dtype)
    nyquist = take(keep + 1, keep + 2)
    if half:
        # a real signal stores +m only: half of the amplitude lives in the mirrored, unstored mode
        middle = [nyquist * (0.5 if old < new else 2.0)] if even else []
        head = [take(0, keep + 1), *middle]
        return jnp.concatenate([*head, zeros(new // 2 + 1 - keep - 1 - len(middle))], axis)
    positive, negative = take(0, keep + 1), take(old - keep, old)
    if not even:
        return jnp.concatenate([positive, zeros(new - 2 * keep - 1), negative], axis)
    if old < new:
        return jnp.concatenate([positive, nyquist / 2, zeros(new - 2 * keep - 3), nyquist / 2, negative], axis)
    folded = nyquist + take(old - keep - 1, old - keep)
    return jnp.concatenate([positive, folded, negative], axis)


def resample_axis(u: Float[Array, "..."], axis: int, size: int) -> Float[Array, "..."]:
    """The trigonometric interpolant along one periodic axis of an array, at another number of points."""
    old = u.shape[axis]
    if old == size:
        return u
    u_hat = _resample_axis(jnp.fft.rfft(u, axis=axis), axis, old, size, half=True)
    return jnp.fft.irfft(u_hat, n=size, axis=axis) * (size / old)


def resample(u: Float[Array, "..."], shape: Sequence[int]) -> Float[Array, "..."]:
    """The trigonometric interpolant of a periodic field, evaluated on a grid of another size.

    **Arguments:**

    - `u`: field of shape `(*batch, *space, channel)`.
    - `shape`: number of points of the new grid per space axis; odd, even, finer or coarser.

    **Returns:** the field on the new grid; modes that it cannot hold are dropped.
    """
    ndim, old = len(shape), u.shape[-len(shape) - 1 : -1]
    if tuple(old) == tuple(shape):
        return u
    u_hat = transform(u, ndim)
    for axis in range(ndim):
        position = u.ndim - 1 - ndim + axis
        u_hat = _resample_axis(u_hat, position, old[axis], shape[axis], half=axis == ndim - 1)
    return inverse_transform(u_hat, shape) * (np.prod(shape) / np.prod(old)).item()
