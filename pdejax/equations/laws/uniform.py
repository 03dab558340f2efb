"""Numbers that are as likely anywhere between two ends, or their logarithms are."""

import dataclasses
import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from pdejax.core import Key, Positive, Real, check_options, register


@register("law", "uniform")
@dataclasses.dataclass(frozen=True)
class Uniform:
    """A number that is as likely anywhere between `low` and `high`; `[low, high]` in short.

    **Arguments:** `low`, `high`: smallest and largest value.

    **Raises:** `ValueError` if `low` is above `high`.
    """

    low: Real
    high: Real

    def __post_init__(self) -> None:
        check_options(self)
        _check_order(self.low, self.high)

    @property
    def support(self) -> tuple[tuple[float, float], ...]:
        """Smallest and largest value."""
        return ((float(self.low), float(self.high)),)

    def __call__(self, key: Key) -> Float[Array, "1"]:
        return jax.random.uniform(key, (), jnp.float32, self.low, self.high).astype(jnp.result_type(float))[None]


@register("law", "log_uniform")
@dataclasses.dataclass(frozen=True)
class LogUniform:
    """A positive number whose logarithm is as likely anywhere: each decade has as many, as of a viscosity.

    **Arguments:** `low`, `high`: smallest and largest value.

    **Raises:** `ValueError` if `low` is above `high`.
    """

    low: Positive
    high: Positive

    def __post_init__(self) -> None:
        check_options(self)
        _check_order(self.low, self.high)

    @property
    def support(self) -> tuple[tuple[float, float], ...]:
        """Smallest and largest value."""
        return ((float(self.low), float(self.high)),)

    def __call__(self, key: Key) -> Float[Array, "1"]:
        logarithm = jax.random.uniform(key, (), jnp.float32, math.log(self.low), math.log(self.high))
        # rounding takes the exponential of an end past that end
        inside = jnp.clip(jnp.exp(logarithm), jnp.float32(self.low), jnp.float32(self.high))
        return inside.astype(jnp.result_type(float))[None]


def _check_order(low: float, high: float) -> None:
    if low > high:
        raise ValueError(f"low should be at most high={high:g}, got {low:g}")
