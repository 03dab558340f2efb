"""Ways from noise to a sample: each a sequence of calls of a denoiser at falling noise."""

import abc
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from pdejax.core import Key
from pdejax.methods.diffusion.levels import NoiseLevels

Scalar = Float[Array, ""]
Field = Float[Array, "batch *space channel"]
Denoise = Callable[[Array, Array, Array, Key], Array]
"""From a noisy field, alpha, sigma and a random key to the clean field."""


class AbstractSampler(eqx.Module):
    """A way from the first of a sequence of noise levels to the last, whose clean prediction is the sample."""

    @property
    @abc.abstractmethod
    def draws(self) -> bool:
        """Whether the first state of a sample is noised; without that, nothing is drawn at all."""

    @abc.abstractmethod
    def calls(self, levels: int) -> int:
        """Calls of the denoiser for this many levels."""

    @abc.abstractmethod
    def __call__(self, denoise: Denoise, levels: NoiseLevels, x: Field, *, key: Key) -> Field:
        """The sample.

        **Arguments:** `denoise`; `levels`: with positive sigma, the noisiest first; alpha may be zero at the first;
        `x`: a field at the first level; `key`: random key.

        **Returns:** the clean field predicted at the last level (the last denoising step; a sample that stopped at
        the last level itself would keep its noise).
        """


def shrinkage(a: NoiseLevels, b: NoiseLevels) -> Scalar:
    """e^-h, h the step in log-SNR from one level to the next: 0 from pure noise."""
    return a.alpha * b.sigma / (b.alpha * a.sigma)


def log_snr_step(log_ratio: Scalar) -> Scalar:
    """h of e^-h, finite."""
    return -jnp.log(jnp.maximum(log_ratio, jnp.finfo(log_ratio.dtype).tiny))


def walked(
    step: Callable[[Any, NoiseLevels, NoiseLevels, Key], Any], carry: Any, levels: NoiseLevels, key: Key
) -> tuple[Any, Key]:
    """Applies `step` to every pair of neighbouring levels; gives the last carry and the key of the last call."""
    keys = jax.random.split(key, len(levels))
    body = lambda carry, pair: (step(carry, *pair), None)
    return jax.lax.scan(body, carry, (levels[:-1], levels[1:], keys[:-1]))[0], keys[-1]


def at_last(denoise: Denoise, levels: NoiseLevels, x: Array, key: Key) -> Array:
    """The clean field predicted at the last level."""
    return denoise(x, levels.alpha[-1], levels.sigma[-1], key)


def signal_ratio(a: NoiseLevels, b: NoiseLevels) -> tuple[Scalar, Bool[Array, ""]]:
    """alpha_b / alpha_a, and whether it is finite (it is not, from pure noise)."""
    finite = a.alpha > 0
    return jnp.where(finite, b.alpha / jnp.where(finite, a.alpha, 1.0), 0.0), finite
