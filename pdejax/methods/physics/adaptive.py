"""Points where the residual is large."""

import dataclasses
from typing import Annotated

import jax
import jax.numpy as jnp
from annotated_types import Interval
from jaxtyping import Array, Float

from pdejax.core import Key, NotNegative, check_options


@dataclasses.dataclass(frozen=True)
class Adaptive:
    """Points taken where the residual is large (Wu et al. 2023, "RAD", arXiv 2207.10289, eq. 2).

    **Arguments:** `share`: of the drawn points that is kept; `power`, `offset`: density |r|^power / mean + offset.
    """

    share: Annotated[float, Interval(gt=0, le=1)] = 0.25
    power: NotNegative = 1.0
    offset: NotNegative = 1.0

    def __post_init__(self) -> None:
        check_options(self)

    def select(self, residual: Float[Array, "point equation"], points: Array, key: Key) -> Array:
        """Chosen points, with repetition."""
        size = jnp.sqrt(jnp.sum(jnp.square(residual), axis=1)) ** self.power
        density = size / jnp.maximum(jnp.mean(size), jnp.finfo(size.dtype).tiny) + self.offset
        count = max(1, int(self.share * points.shape[0]))
        total = jnp.maximum(jnp.sum(density), jnp.finfo(size.dtype).tiny)
        # by the distribution function: Gumbel noise would need count times as much memory
        return jax.random.choice(key, points, (count,), p=density / total)
