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
    return resample(inverse(spectrum * factor.astype(spectrum.dtype), shape), grid.shape)
