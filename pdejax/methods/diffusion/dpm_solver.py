"""The samplers of the DPM-Solver family: exponential integrators in the log-SNR."""

from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array

from pdejax.core import Key, check_options, register
from pdejax.methods.diffusion.levels import NoiseLevels
from pdejax.methods.diffusion.sampler import (
    AbstractSampler,
    Denoise,
    Field,
    at_last,
    log_snr_step,
    shrinkage,
    signal_ratio,
    walked,
)


@register("diffusion_sampler", "dpm_solver")
class DPMSolver(AbstractSampler):
    """DPM-Solver-1 (which is DDIM) and DPM-Solver-2 with the midpoint in log-SNR.

    A first step from pure noise, where the log-SNR is infinite, is of first order.

    Source: Lu et al., DPM-Solver, NeurIPS 2022 (arXiv:2206.00927), equations (3.7) and (3.8), algorithm 1.
    """

    order: Literal[1, 2] = eqx.field(static=True, default=2)

    def __check_init__(self) -> None:
        check_options(self)

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
            half, finite = signal_ratio(a, middle)
            u = half * x + (middle.sigma - half * a.sigma) * noise
            better = (u - middle.alpha * denoise(u, middle.alpha, middle.sigma, second)) / middle.sigma
            ratio, _ = signal_ratio(a, b)
            return jnp.where(finite, ratio * x + (b.sigma - ratio * a.sigma) * better, euler)

        x, key = walked(step, x, levels, key)
        return at_last(denoise, levels, x, key)


@register("diffusion_sampler", "dpm_solver_pp")
class DPMSolverPP(AbstractSampler):
    """DPM-Solver++, multistep in the clean prediction, one call a step: 1, 2M, 3M, and its stochastic form.

    It begins with steps of lower order, for which there is no past yet.

    Source: Lu et al., DPM-Solver++ (arXiv:2211.01095), equations (9), (10) and algorithm 2; the stochastic form is
    SDE-DPM-Solver++(1) and (2M) of its appendix.
    """

    order: Literal[1, 2, 3] = eqx.field(static=True, default=2)
    stochastic: bool = eqx.field(static=True, default=False)

    def __check_init__(self) -> None:
        check_options(self)
        if self.stochastic and self.order == 3:
            raise ValueError("order should be 1 or 2 for the stochastic form, got 3")

    @property
    def draws(self) -> bool:
        return True

    def calls(self, levels: int) -> int:
        return levels

    def __call__(self, denoise: Denoise, levels: NoiseLevels, x: Field, *, key: Key) -> Field:
        def step(carry: tuple[Array, ...], a: NoiseLevels, b: NoiseLevels, key: Key) -> tuple[Array, ...]:
            x, one, two, h_one, h_two = carry
            inner, outer = jax.random.split(key)
            clean, shrink = denoise(x, a.alpha, a.sigma, inner), shrinkage(a, b)
            h = log_snr_step(shrink)
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
        carry, key = walked(step, start, levels, key)
        return at_last(denoise, levels, carry[0], key)

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
