"""Fields of one kind or another."""

import dataclasses
from typing import Annotated, Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from pdejax.core import Count, Domain, Key, Of, Positive, check_options, register
from pdejax.equations.laws.discrete import pick
from pdejax.equations.sampling.sampler import read_sampler


@register("sampler", "mixture")
@dataclasses.dataclass(frozen=True)
class Mixture:
    """A field of one of several samplers, which one is drawn anew for each.

    **Arguments:** `samplers`: at least two; `weights`: how likely each is, up to a common factor; all alike when
    omitted.

    **Raises:** `ValueError` if there is not one weight for each sampler, or one has other channels.
    """

    samplers: tuple[Annotated[Any, Of("sampler", later=True)], ...]
    weights: tuple[Positive, ...] | None = None
    channels: Count = 1

    def __post_init__(self) -> None:
        check_options(self)
        if len(self.samplers) < 2:
            raise ValueError(f"samplers should be at least two, got {len(self.samplers)}")
        if self.weights is not None and len(self.weights) != len(self.samplers):
            raise ValueError(f"weights should be one for each of {len(self.samplers)} samplers, "
                             f"got {list(self.weights)}")  # fmt: skip
        read = (read_sampler(f"samplers.{i}", one, self.channels) for i, one in enumerate(self.samplers))
        object.__setattr__(self, "samplers", tuple(read))

    def __call__(self, key: Key, grid: Domain) -> Float[Array, "*space channel"]:
        first, second = jax.random.split(key)
        real = jnp.result_type(float)
        draws = [lambda own, one=one: jnp.asarray(one(own, grid)).astype(real) for one in self.samplers]
        return jax.lax.switch(pick(first, self.weights or (1.0,) * len(draws)), draws, second)
