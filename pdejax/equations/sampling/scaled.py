"""Fields of varying strength."""

import dataclasses
from typing import Annotated, Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from pdejax.core import Count, Domain, Key, Of, Real, check_options, register
from pdejax.equations.laws.law import Drawn, law_of, read_law
from pdejax.equations.sampling.sampler import read_sampler


@register("sampler", "scaled")
@dataclasses.dataclass(frozen=True)
class Scaled:
    """`factor * field + offset` of numbers that are drawn anew for each field, one for all of its channels.

    **Arguments:** `sampler`: of the field; `factor`, `offset`: a number, or its range or law.

    **Raises:** `ValueError` for what is no law of one number, or a sampler of other channels.
    """

    sampler: Annotated[Any, Of("sampler", later=True)]
    factor: Real | Drawn
    offset: Real | Drawn = 0.0
    channels: Count = 1

    def __post_init__(self) -> None:
        check_options(self)
        set_ = lambda name, value: object.__setattr__(self, name, value)
        set_("sampler", read_sampler("sampler", self.sampler, self.channels))
        for name in ("factor", "offset"):
            if not isinstance(number := getattr(self, name), int | float):
                set_(name, read_law(name, number))

    def __call__(self, key: Key, grid: Domain) -> Float[Array, "*space channel"]:
        first, second, third = jax.random.split(key, 3)
        field = jnp.asarray(self.sampler(first, grid)).astype(jnp.result_type(float))
        return _number(self.factor, second) * field + _number(self.offset, third)


def _number(drawn: Any, key: Key) -> Any:
    return drawn if isinstance(drawn, int | float) else law_of(drawn)(key)[0]
