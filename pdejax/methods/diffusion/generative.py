"""A stochastic network that draws its output by denoising."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from pdejax.core import Key
from pdejax.methods.diffusion.denoiser import Denoiser
from pdejax.methods.diffusion.levels import LevelGrid, NoiseLevels
from pdejax.methods.diffusion.sampler import AbstractSampler


class Generative(eqx.Module):
    """Draws a field from its conditional distribution; called like any other network.

    If the first level shows neither truth nor noise, the sample begins with the regression made there; otherwise
    with pure noise.

    **Arguments:**

    - `denoiser`: used at all levels, the first one included unless there is a `regressor`.
    - `regressor`: a denoiser of its own for the first level, or none.
    - `unit`: if there is one, all levels are the denoiser's, and are about what the regressor leaves, in this unit;
        the denoiser sees the regressor's prediction, too.
    - `levels`: that the denoiser is trained on.
    - `log_losses`: a learned estimate of the logarithm of each level's loss, or none, see `Diffusion`.
    - `sampler`; `steps` and `grid`: levels to sample on, see `NoiseLevels.spread`; all trained ones without `steps`.
    - `samples`: how many are averaged to give one output.
    - `noisy_known`: whether the known field, too, is shown with noise of each level.
    - `channels`: of the output.
    - `rehearsed`: number of levels after the regression that are passed over.
    - `passes`: how often each sampled level is passed, once where there is none: a level removes error down to a
        share of its noise, so that error which enters far above that needs a second pass.
    - `refine`: whether anything follows the first level's prediction.
    """

    denoiser: Denoiser
    regressor: Denoiser | None
    unit: Float[Array, ""] | None
    levels: NoiseLevels
    log_losses: Float[Array, " level"] | None
    sampler: AbstractSampler
    steps: int | None = eqx.field(static=True)
    grid: LevelGrid = eqx.field(static=True)
    samples: int = eqx.field(static=True)
    noisy_known: bool = eqx.field(static=True)
    channels: int = eqx.field(static=True)
    starts_with_regression: bool = eqx.field(static=True)
    rehearsed: int = eqx.field(static=True)
    passes: tuple[int, ...] | None = eqx.field(static=True)
    refine: bool = eqx.field(static=True)

    @property
    def calls(self) -> int:
        """Network calls of one output."""
        if not self.refine:
            return 1
        before = (self.unit is not None) + self.starts_with_regression
        return before + self.samples * self.sampler.calls(self._sampled) if self._sampled else before

    @property
    def _sampled(self) -> int:
        """Levels that a sample passes after the regression, if there is one."""
        if self.passes is not None:
            return sum(self.passes)
        return self.steps or len(self.levels) - self.starts_with_regression - self.rehearsed

    def _at_first(self, denoiser: Denoiser, known: Array, condition: Array | None) -> Array:
        alpha, sigma = (jnp.broadcast_to(x[0], known.shape[:1]) for x in (self.levels.alpha, self.levels.sigma))
        nothing = jnp.zeros((*known.shape[:-1], self.channels), known.dtype)
        seen = jnp.zeros_like(known) if self.noisy_known else known
        output = denoiser.output(nothing, seen, alpha, sigma, condition)[..., -self.channels :]
        return denoiser.clean(output, nothing, alpha, sigma)

    def regression(
        self,
        known: Float[Array, "batch *space known_channel"],
        condition: Float[Array, "batch features"] | None = None,
    ) -> Float[Array, "batch *space channel"]:
        """The first prediction, the mean of the distribution as well as its network knows it."""
        if self.unit is not None:  # the regressor has the inputs of the denoiser, and sees nothing in place of itself
            known = jnp.concatenate([known, jnp.zeros((*known.shape[:-1], self.channels), known.dtype)], -1)
        return self._at_first(self.denoiser if self.regressor is None else self.regressor, known, condition)

    def _denoise(self, known: Array, condition: Array | None) -> Any:
        def denoise(x: Array, alpha: Array, sigma: Array, key: Key) -> Array:
            seen = known
            if self.noisy_known:
                seen = alpha * known + sigma * jax.random.normal(key, known.shape, known.dtype)
            many = lambda a: jnp.broadcast_to(a, x.shape[:1])
            output = self.denoiser.output(x, seen, many(alpha), many(sigma), condition)[..., -self.channels :]
            return self.denoiser.clean(output, x, many(alpha), many(sigma))

        return denoise

    def _sample(self, known: Array, first: Array | None, condition: Array | None, key: Key) -> Array:
        outer, inner = jax.random.split(key)
        levels = self.levels if first is None else self.levels[1 + self.rehearsed :]
        levels = levels if self.steps is None else levels.spread(self.steps, self.grid)
        levels = levels if self.passes is None else levels[np.repeat(np.arange(len(levels)), self.passes)]
        noise = jax.random.normal(outer, (*known.shape[:-1], self.channels), known.dtype)
        if first is None:  # fields of unit mean square with the noise of the first level
            x = jnp.sqrt(levels.alpha[0] ** 2 + levels.sigma[0] ** 2) * noise
        else:
            x = levels.alpha[0] * first + (levels.sigma[0] * noise if self.sampler.draws else 0.0)
        return self.sampler(self._denoise(known, condition), levels, x, key=inner)

    @jax.named_scope("pdejax.Generative")
    def __call__(
        self,
        x: Float[Array, "batch *space known_channel"],
        *,
        condition: Float[Array, "batch features"] | None = None,
        key: Key | None = None,
    ) -> Float[Array, "batch *space channel"]:
        """**Arguments:** `x`: known field; `condition`: vector for each sample; `key`: of the noise.

        **Returns:** a sample, or the mean of `samples` of them.

        **Raises:** `ValueError` without a key.
        """
        if not self.refine:
            return self.regression(x, condition)
        if self.unit is None:
            first = self.regression(x, condition) if self.starts_with_regression else None
            return self._drawn(x, first, condition, key)
        base = self.regression(x, condition)
        known = jnp.concatenate([x, base], -1)
        first = self._at_first(self.denoiser, known, condition) if self.starts_with_regression else None
        return base + self.unit * self._drawn(known, first, condition, key)

    def _drawn(self, known: Array, first: Array | None, condition: Array | None, key: Key | None) -> Array:
        """A sample, or the mean of some, that begins with a regression or with noise."""
        if first is not None and not self._sampled:
            return first
        if key is None and not self.sampler.draws:
            key = jax.random.key(0)  # which nothing uses
        if key is None:
            raise ValueError("this operator draws noise: call it with key=jax.random.key(...)")
        one = lambda key: self._sample(known, first, condition, key)
        if self.samples == 1:
            return one(key)
        return jnp.mean(jax.lax.map(one, jax.random.split(key, self.samples)), 0)
