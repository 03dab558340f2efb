"""Random numbers, and random Fourier series with given amplitudes."""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from pdejax.core import Grid, Key, resample, transform
from pdejax.core import inverse_transform as inverse


def normal(key: Key, shape: tuple[int, ...]) -> Array:
    # drawn in float32 whatever the precision, so that float64 runs see the same numbers
    return jax.random.normal(key, shape, jnp.float32).astype(jnp.result_type(float))


def uniform(key: Key, shape: tuple[int, ...], low: float, high: float) -> Array:
    return jax.random.uniform(key, shape, jnp.float32, low, high).astype(jnp.result_type(float))


def check_modes(name: str, highest: int, grid: Grid) -> None:
    """**Raises:** `ValueError` for waves that a grid cannot hold, which would be cut or seen as longer ones."""
    if highest > (fewest := min(grid.shape)) // 2:
        raise ValueError(f"{name} reaches to {highest} waves, and an axis of {fewest} points holds {fewest // 2}: ask "
                         "for fewer, or take more points")  # fmt: skip


def modes(cutoff: int, ndim: int) -> tuple[np.ndarray, ...]:
    """Integer modes -cutoff..cutoff of each axis in the layout of `transform`."""
    n = 2 * cutoff + 1
    out = [np.rint(np.fft.fftfreq(n, 1 / n))] * (ndim - 1) + [np.arange(cutoff + 1.0)]
    return tuple(m.reshape((1,) * i + (-1,) + (1,) * (ndim - 1 - i)) for i, m in enumerate(out))


def coloured(key: Key, grid: Grid, amplitude: np.ndarray, cutoff: int, channels: int) -> Array:
    """Real Gaussian field whose Fourier coefficients c_m have E|c_m|^2 = amplitude^2 for all |m_i| <= cutoff."""
    shape = (2 * cutoff + 1,) * grid.ndim
    spectrum = transform(normal(key, (*shape, channels)), grid.ndim) * math.sqrt(math.prod(shape))
    factor = jnp.asarray(amplitude[..., None], jnp.result_type(float))
    return on_grid(inverse(spectrum * factor.astype(spectrum.dtype), shape), grid)


def on_grid(field: Array, grid: Grid) -> Array:
    """A band-limited field, known on an odd number of periodic points per axis, at the points of a grid or averaged
    over its cells.

    **Arguments:** `field`: `(*points, channel)`; `grid`.
    """
    if not grid.cells:
        return resample(field, grid.shape)
    shape, factor = field.shape[:-1], np.ones((1,) * grid.ndim)
    for axis, (n, cells) in enumerate(zip(shape, grid.shape, strict=True)):
        frequency = np.fft.rfftfreq if axis == grid.ndim - 1 else np.fft.fftfreq
        share = np.rint(frequency(n, 1 / n)) / cells
        # the mean of a wave over a cell, whose middle is half a cell from the point of its number
        factor = factor * (np.sinc(share) * np.exp(1j * np.pi * share)).reshape(
            [-1 if i == axis else 1 for i in range(grid.ndim)]
        )
    spectrum = transform(field, grid.ndim)
    return resample(inverse(spectrum * jnp.asarray(factor[..., None], spectrum.dtype), shape), grid.shape)
