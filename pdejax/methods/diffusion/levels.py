"""Noise levels: how much of the truth, and how much noise, a denoiser is shown."""

import math
from typing import Any, Literal

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from pdejax.core import band_indices

LARGEST_LOG_SNR = 12.0  # beyond it a level counts as noise alone, or as none; float32 resolves e^-12 of unit fields
SMALLEST_STD = 1e-5
LevelGrid = Literal["trained", "log_snr", "karras"]
FREQUENCIES = math.pi / 24 * 2.0 ** np.arange(0, 5.5, 0.5)


class NoiseLevels(eqx.Module):
    """Levels x = alpha y + sigma noise of a field y of unit mean square, the least informative first.

    The level (0, 0) shows neither truth nor noise: what is predicted there is a plain regression.

    **Arguments:** `alpha`, `sigma`; `preserving`: whether the levels lie on alpha^2 + sigma^2 = 1 rather than on
    alpha = 1.
    """

    alpha: Float[Array, "*level"]
    sigma: Float[Array, "*level"]
    preserving: bool = eqx.field(static=True)

    def __len__(self) -> int:
        return len(self.alpha)

    def __getitem__(self, index: Any) -> "NoiseLevels":
        return NoiseLevels(self.alpha[index], self.sigma[index], self.preserving)

    @property
    def log_snr(self) -> Float[Array, "*level"]:
        """Logarithm of alpha over sigma, see `log_snr`."""
        return log_snr(self.alpha, self.sigma)

    def at(self, log_snr: Float[Array, " new"]) -> "NoiseLevels":
        """Levels of the same kind with these logarithms of alpha over sigma."""
        ratio = jnp.exp(-log_snr)
        alpha = 1 / jnp.sqrt(1 + ratio**2) if self.preserving else jnp.ones_like(ratio)
        return NoiseLevels(alpha, alpha * ratio, self.preserving)

    def spread(self, steps: int, grid: LevelGrid) -> "NoiseLevels":
        """`steps` levels between the first and the last of these.

        **Arguments:** `steps`; `grid`: `trained` takes every n-th of these, `log_snr` spaces them equally in log-SNR,
        `karras` as Karras et al. (2022), equation (5), with rho = 7.
        """
        if grid == "trained":
            return self[np.rint(np.linspace(0, len(self) - 1, steps)).astype(int)]
        if steps == 1:
            return self[:1]
        first, last = self.log_snr[0], self.log_snr[-1]
        part = jnp.linspace(0.0, 1.0, steps, dtype=self.alpha.dtype)
        if grid == "log_snr":
            levels = self.at(first + part * (last - first))
        else:
            a, b = jnp.exp(-first / 7), jnp.exp(-last / 7)
            levels = self.at(-7 * jnp.log(a + part * (b - a)))
        # the ends as they are: an infinite log-SNR does not survive the way there and back
        ends = lambda new, old: new.at[0].set(old[0]).at[-1].set(old[-1])
        return NoiseLevels(ends(levels.alpha, self.alpha), ends(levels.sigma, self.sigma), self.preserving)


def log_snr(alpha: Float[Array, "*shape"], sigma: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Logarithm of alpha over sigma, between -12 and 12."""
    tiny = jnp.finfo(alpha.dtype).tiny
    value = jnp.log(jnp.maximum(alpha, tiny)) - jnp.log(jnp.maximum(sigma, tiny))
    return jnp.clip(jnp.where(alpha > 0, value, -LARGEST_LOG_SNR), -LARGEST_LOG_SNR, LARGEST_LOG_SNR)


def noise_features(log_snr: Float[Array, " batch"]) -> Float[Array, "batch features"]:
    """What a network is told of the noise: sines and cosines of the log-SNR, with periods of 48 down to 1.5."""
    angle = log_snr[:, None] * jnp.asarray(FREQUENCIES, log_snr.dtype)[None]
    return jnp.concatenate([jnp.cos(angle), jnp.sin(angle)], -1)


NOISE_FEATURES = 2 * len(FREQUENCIES)


Sizes = tuple[Any, Any, bool]  # of the signal and of the noise at each level, and whether their squares add up to one


def check_sizes(alpha: Any, sigma: Any, preserving: bool) -> None:
    """**Raises:** `ValueError` for noise that float32 cannot resolve."""
    smallest = float(np.min(np.asarray(sigma)[1:])) if len(sigma) > 1 else 1.0
    if smallest < SMALLEST_STD:
        raise ValueError(
            f"the smallest noise would have a variance of {smallest**2:.3g} (standard deviation {smallest:.3g}) beside "
            f"fields of size 1, which float32 cannot resolve: at least {SMALLEST_STD**2:g} is needed"
        )


def levels_of(alpha: Any, sigma: Any, preserving: bool) -> NoiseLevels:
    """Levels of numbers.

    **Raises:** `ValueError` for noise that float32 cannot resolve.
    """
    check_sizes(alpha, sigma, preserving)
    return NoiseLevels(jnp.asarray(alpha, jnp.float32), jnp.asarray(sigma, jnp.float32), preserving)


def sizes_from_betas(betas: np.ndarray) -> Sizes:
    """The levels of a diffusion process, of which betas are the variances added in its steps."""
    remaining = np.cumprod(1 - betas)[::-1]
    return np.sqrt(remaining), np.sqrt(1 - remaining), True


def weakest_wavenumber(y: Float[Array, "batch *space channel"]) -> float:
    """Standard deviation of the white noise whose modes are as strong as the weakest modes of periodic fields.

    The smallest noise of a schedule should not be above it: what lies below the noise is not learned.

    **Arguments:** `y`: fields, of unit mean square.
    """
    space = y.shape[1:-1]
    power = np.abs(np.fft.fftn(np.asarray(y, np.float64), axes=tuple(range(1, y.ndim - 1)))) ** 2
    power = power[..., : space[-1] // 2 + 1, :].mean((0, -1)) / math.prod(space)
    shells = band_indices(space)
    mean = [power[shells == k].mean() for k in range(1, min(space) // 2)]
    return float(np.sqrt(min(mean)))
