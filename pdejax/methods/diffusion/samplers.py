"""Ways from noise to a sample: each a sequence of calls of a denoiser at falling noise."""

import abc
from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from pdejax.core import Key, known
from pdejax.methods.diffusion.noise import NoiseLevels

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


def _between(a: NoiseLevels, b: NoiseLevels) -> Scalar:
    """e^-h, h the step in log-SNR from one level to the next: 0 from pure noise."""
    return a.alpha * b.sigma / (b.alpha * a.sigma)


def _step(log_ratio: Scalar) -> Scalar:
    """h of e^-h, finite."""
    return -jnp.log(jnp.maximum(log_ratio, jnp.finfo(log_ratio.dtype).tiny))


def _walk(
    step: Callable[[Any, NoiseLevels, NoiseLevels, Key], Any], carry: Any, levels: NoiseLevels, key: Key
) -> tuple[Any, Key]:
    """Applies `step` to every pair of neighbouring levels; gives the last carry and the key of the last call."""
    keys = jax.random.split(key, len(levels))
    body = lambda carry, pair: (step(carry, *pair), None)
    return jax.lax.scan(body, carry, (levels[:-1], levels[1:], keys[:-1]))[0], keys[-1]


def _last(denoise: Denoise, levels: NoiseLevels, x: Array, key: Key) -> Array:
    return denoise(x, levels.alpha[-1], levels.sigma[-1], key)


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

        x, key = _walk(step, x, levels, key)
        return _last(denoise, levels, x, key)


class Ancestral(AbstractSampler):
    """First-order steps between deterministic (`eta` 0, DDIM) and those of DDPM (`eta` 1).

    Source: Ho et al., NeurIPS 2020 (arXiv:2006.11239), algorithm 2; Song et al., ICLR 2021 (arXiv:2010.02502),
    equations (12) and (16).
    """

    eta: float = eqx.field(static=True, default=1.0)

    def __check_init__(self) -> None:
        if not 0 <= self.eta <= 1:
            raise ValueError(f"eta lies between 0 and 1, got {self.eta}")

    @property
    def draws(self) -> bool:
        return True

    def calls(self, levels: int) -> int:
        return levels

    def __call__(self, denoise: Denoise, levels: NoiseLevels, x: Field, *, key: Key) -> Field:
        def step(x: Array, a: NoiseLevels, b: NoiseLevels, key: Key) -> Array:
            inner, outer = jax.random.split(key)
            clean = denoise(x, a.alpha, a.sigma, inner)
            fresh = self.eta * b.sigma * jnp.sqrt(jnp.maximum(1 - _between(a, b) ** 2, 0.0))
            kept = jnp.sqrt(jnp.maximum(b.sigma**2 - fresh**2, 0.0))
            mean = b.alpha * clean + kept * (x - a.alpha * clean) / a.sigma
            return mean + fresh * jax.random.normal(outer, x.shape, x.dtype)

        x, key = _walk(step, x, levels, key)
        return _last(denoise, levels, x, key)


def _ratio(a: NoiseLevels, b: NoiseLevels) -> tuple[Scalar, Bool[Array, ""]]:
    """alpha_b / alpha_a, and whether it is finite (it is not, from pure noise)."""
    finite = a.alpha > 0
    return jnp.where(finite, b.alpha / jnp.where(finite, a.alpha, 1.0), 0.0), finite


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
            ratio, finite = _ratio(a, b)
            return guess + jnp.where(finite, (b.sigma - ratio * a.sigma) / 2, 0.0) * (end - slope)

        x, key = _walk(step, x, levels, key)
        return _last(denoise, levels, x, key)


class DPMSolver(AbstractSampler):
    """DPM-Solver-1 (which is DDIM) and DPM-Solver-2 with the midpoint in log-SNR.

    A first step from pure noise, where the log-SNR is infinite, is of first order.

    Source: Lu et al., DPM-Solver, NeurIPS 2022 (arXiv:2206.00927), equations (3.7) and (3.8), algorithm 1.
    """

    order: int = eqx.field(static=True, default=2)

    def __check_init__(self) -> None:
        if self.order not in (1, 2):
            raise ValueError(f"dpm_solver has order 1 or 2, got {self.order}")

    @property
    def draws(self) -> bool:
        return True

    def calls(self, levels: int) -> int:
        return self.order * (levels - 1) + 1

    def __call__(self, denoise: Denoise, levels: NoiseLevels, x: Field, *, key: Key) -> Field:
        def step(x: Array, a: NoiseLevels, b: NoiseLevels, key: Key) -> Array:
            first, second = jax.random.split(key)
            noise = (x - a.alpha * (clean := denoise(x, a.alpha, a.sigma, first))) / a.sigma
            euler = b.alpha * clean + b.sigma * noise
            if self.order == 1:
                return euler
            middle = levels.at((a.log_snr + b.log_snr)[None] / 2)[0]
            half, finite = _ratio(a, middle)
            u = half * x + (middle.sigma - half * a.sigma) * noise
            better = (u - middle.alpha * denoise(u, middle.alpha, middle.sigma, second)) / middle.sigma
            ratio, _ = _ratio(a, b)
            return jnp.where(finite, ratio * x + (b.sigma - ratio * a.sigma) * better, euler)

        x, key = _walk(step, x, levels, key)
        return _last(denoise, levels, x, key)


class DPMSolverPP(AbstractSampler):
    """DPM-Solver++, multistep in the clean prediction, one call a step: 1, 2M, 3M, and its stochastic form.

    It begins with steps of lower order, for which there is no past yet.

    Source: Lu et al., DPM-Solver++ (arXiv:2211.01095), equations (9), (10) and algorithm 2; the stochastic form is
    SDE-DPM-Solver++(1) and (2M) of its appendix.
    """

    order: int = eqx.field(static=True, default=2)
    stochastic: bool = eqx.field(static=True, default=False)

    def __check_init__(self) -> None:
        if self.order not in (1, 2, 3) or (self.stochastic and self.order == 3):
            raise ValueError(f"dpm_solver_pp has order 1, 2 or 3, stochastic 1 or 2, got {self.order}")

    @property
    def draws(self) -> bool:
        return True

    def calls(self, levels: int) -> int:
        return levels

    def __call__(self, denoise: Denoise, levels: NoiseLevels, x: Field, *, key: Key) -> Field:
        def step(carry: tuple[Array, ...], a: NoiseLevels, b: NoiseLevels, key: Key) -> tuple[Array, ...]:
            x, one, two, h_one, h_two = carry
            inner, outer = jax.random.split(key)
            clean, shrink = denoise(x, a.alpha, a.sigma, inner), _between(a, b)
            h = _step(shrink)
            curved = self._extrapolated(clean, one, two, h, h_one, h_two)
            if self.stochastic:
                noise = b.sigma * jnp.sqrt(1 - shrink**2) * jax.random.normal(outer, x.shape, x.dtype)
                new = b.sigma / a.sigma * shrink * x + b.alpha * (1 - shrink**2) * curved + noise
            else:
                new = b.sigma / a.sigma * x + b.alpha * (1 - shrink) * curved
            # from pure noise a step is infinite in log-SNR and of no use to extrapolate from
            past = jnp.where(a.alpha > 0, h, jnp.inf)
            return new, clean, one, past, h_one

        infinite = jnp.full((), jnp.inf, x.dtype)
        start = (x, jnp.zeros_like(x), jnp.zeros_like(x), infinite, infinite)
        carry, key = _walk(step, start, levels, key)
        return _last(denoise, levels, carry[0], key)

    def _extrapolated(self, clean: Array, one: Array, two: Array, h: Array, h_one: Array, h_two: Array) -> Array:
        """The clean field that, held constant over a step of h, does what the polynomial through the past would."""
        if self.order == 1:
            return clean
        slope = (clean - one) * (h / h_one)  # zero while there is no past: h_one is infinite then
        if self.order == 2:
            return clean + slope / 2
        before = jnp.where(jnp.isfinite(h_two), h_two, 1.0)
        r0, r1 = jnp.where(jnp.isfinite(h_one), h_one, 1.0) / h, before / h
        old = jnp.where(jnp.isfinite(h_two), (one - two) / r1, slope)
        first = slope + r0 / (r0 + r1) * (slope - old)
        # twice the divided difference of the authors' program, with which the method is of second order only
        second = 2 * (slope - old) / (r0 + r1)
        phi1 = jnp.expm1(-h)
        phi2 = phi1 / h + 1
        phi3 = phi2 / h - 0.5
        return clean - phi2 / phi1 * first + phi3 / phi1 * second


SAMPLERS: Mapping[str, type[AbstractSampler]] = {
    "renoise": Renoise,
    "ancestral": Ancestral,
    "heun": Heun,
    "dpm_solver": DPMSolver,
    "dpm_solver_pp": DPMSolverPP,
}


def build_sampler(spec: Mapping[str, Any]) -> AbstractSampler:
    """The sampler of a plain mapping such as `{"kind": "dpm_solver_pp", "order": 2}`.

    **Raises:** `ValueError` for an unknown kind, with the nearest spelling.
    """
    if spec["kind"] not in SAMPLERS:
        raise ValueError(known("sampler", spec["kind"], SAMPLERS))
    return SAMPLERS[spec["kind"]](**{k: v for k, v in spec.items() if k != "kind"})
