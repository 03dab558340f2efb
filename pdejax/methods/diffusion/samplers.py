"""Ways from noise to a sample whose steps are those of a chain or of Heun's method."""

from typing import Annotated

import equinox as eqx
import jax
import jax.numpy as jnp
from annotated_types import Interval
from jaxtyping import Array

from pdejax.core import Key, check_options, register
from pdejax.methods.diffusion.levels import NoiseLevels
from pdejax.methods.diffusion.sampler import AbstractSampler, Denoise, Field, at_last, shrinkage, signal_ratio, walked


@register("diffusion_sampler", "renoise")
class Renoise(AbstractSampler):
    """The chain of PDE-Refiner: every clean prediction gets fresh noise of the next level.

    Without `noise` the prediction itself is handed on, as in schemes that correct a prediction.

    Source: Lippe et al., PDE-Refiner, NeurIPS 2023 (arXiv:2308.05732), algorithm 2.
    """

    noise: bool = eqx.field(static=True, default=True)

    @property
    def draws(self) -> bool:
        return self.noise

    def calls(self, levels: int) -> int:
        return levels

    def __call__(self, denoise: Denoise, levels: NoiseLevels, x: Field, *, key: Key) -> Field:
        def step(x: Array, a: NoiseLevels, b: NoiseLevels, key: Key) -> Array:
            inner, outer = jax.random.split(key)
            clean = denoise(x, a.alpha, a.sigma, inner)
            return b.alpha * clean + (b.sigma * jax.random.normal(outer, x.shape, x.dtype) if self.noise else 0.0)

        x, key = walked(step, x, levels, key)
        return at_last(denoise, levels, x, key)


@register("diffusion_sampler", "ancestral")
class Ancestral(AbstractSampler):
    """First-order steps between deterministic (`eta` 0, DDIM) and those of DDPM (`eta` 1).

    Source: Ho et al., NeurIPS 2020 (arXiv:2006.11239), algorithm 2; Song et al., ICLR 2021 (arXiv:2010.02502),
    equations (12) and (16).
    """

    eta: Annotated[float, Interval(ge=0, le=1)] = eqx.field(static=True, default=1.0)

    def __check_init__(self) -> None:
        check_options(self)

    @property
    def draws(self) -> bool:
        return True

    def calls(self, levels: int) -> int:
        return levels

    def __call__(self, denoise: Denoise, levels: NoiseLevels, x: Field, *, key: Key) -> Field:
        def step(x: Array, a: NoiseLevels, b: NoiseLevels, key: Key) -> Array:
            inner, outer = jax.random.split(key)
            clean = denoise(x, a.alpha, a.sigma, inner)
            fresh = self.eta * b.sigma * jnp.sqrt(jnp.maximum(1 - shrinkage(a, b) ** 2, 0.0))
            kept = jnp.sqrt(jnp.maximum(b.sigma**2 - fresh**2, 0.0))
            mean = b.alpha * clean + kept * (x - a.alpha * clean) / a.sigma
            return mean + fresh * jax.random.normal(outer, x.shape, x.dtype)

        x, key = walked(step, x, levels, key)
        return at_last(denoise, levels, x, key)


@register("diffusion_sampler", "heun")
class Heun(AbstractSampler):
    """Heun's method for the probability flow in x / alpha over sigma / alpha, two calls a step.

    A first step from pure noise, where that time is infinite, is of first order.

    Source: Karras et al., NeurIPS 2022 (arXiv:2206.00364), algorithm 1.
    """

    @property
    def draws(self) -> bool:
        return True

    def calls(self, levels: int) -> int:
        return 2 * levels - 1

    def __call__(self, denoise: Denoise, levels: NoiseLevels, x: Field, *, key: Key) -> Field:
        def step(x: Array, a: NoiseLevels, b: NoiseLevels, key: Key) -> Array:
            first, second = jax.random.split(key)
            clean = denoise(x, a.alpha, a.sigma, first)
            slope = (x - a.alpha * clean) / a.sigma
            guess = b.alpha * clean + b.sigma * slope
            end = (guess - b.alpha * denoise(guess, b.alpha, b.sigma, second)) / b.sigma
            ratio, finite = signal_ratio(a, b)
            return guess + jnp.where(finite, (b.sigma - ratio * a.sigma) / 2, 0.0) * (end - slope)

        x, key = walked(step, x, levels, key)
        return at_last(denoise, levels, x, key)
