"""Which of many points are taken, by how far an equation is from holding there."""

import dataclasses
from typing import Annotated

import jax
import jax.numpy as jnp
from annotated_types import Interval
from jaxtyping import Array, Float

from pdejax.core import Key, NotNegative, check_options


@dataclasses.dataclass(frozen=True)
class AdaptivePoints:
    """Points taken where the residual is large (Wu et al. 2023, "RAD", arXiv 2207.10289, eq. 2).

    **Arguments:** `share`: of the drawn points that is kept, at most 1; `power`, `offset`: a point is taken with the
    density |residual|^power / mean + offset.
    """

    share: Annotated[float, Interval(gt=0, le=1)] = 0.25
    power: NotNegative = 1.0
    offset: NotNegative = 1.0

    def __post_init__(self) -> None:
        check_options(self)

    def kept(self, count: int) -> int:
        """How many of `count` points are taken."""
        return max(1, int(self.share * count))

    def select(
        self, residual: Float[Array, "point equation"], points: Float[Array, "point axis"], key: Key
    ) -> Float[Array, "kept axis"]:
        """Chosen points, with repetition."""
        size = jnp.sqrt(jnp.sum(jnp.square(residual), axis=1)) ** self.power
        density = size / jnp.maximum(jnp.mean(size), jnp.finfo(size.dtype).tiny) + self.offset
        total = jnp.maximum(jnp.sum(density), jnp.finfo(size.dtype).tiny)
        # by the distribution function: Gumbel noise would need count times as much memory
        return jax.random.choice(key, points, (self.kept(len(points)),), p=density / total)
