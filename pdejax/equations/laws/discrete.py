"""Numbers of a list."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from pdejax.core import Key, Positive, Real, check_options, register
from pdejax.equations.laws.row import row


@register("law", "discrete")
@dataclasses.dataclass(frozen=True)
class Discrete:
    """One of a few values.

    **Arguments:** `values`; `weights`: how likely each is, up to a common factor; all alike when omitted.

    **Raises:** `ValueError` if there is not one weight for each value.
    """

    values: tuple[Real, ...]
    weights: tuple[Positive, ...] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", row("values", self.values))
        if self.weights is not None:
            object.__setattr__(self, "weights", row("weights", self.weights))
        check_options(self)
        if not self.values:
            raise ValueError("values should be at least one number, got []")
        if self.weights is not None and len(self.weights) != len(self.values):
            raise ValueError(f"weights should be one for each of {len(self.values)} values, got {list(self.weights)}")

    @property
    def support(self) -> tuple[tuple[float, float], ...]:
        """Smallest and largest value."""
        return ((float(min(self.values)), float(max(self.values))),)

    def __call__(self, key: Key) -> Float[Array, "1"]:
        values = jnp.asarray(self.values, jnp.float32)
        return values[pick(key, self.weights or (1.0,) * len(self.values))].astype(jnp.result_type(float))[None]


def pick(key: Key, weights: tuple[float, ...]) -> Array:
    """A place in a list, drawn with these weights."""
    ends = np.cumsum(weights)[:-1] / np.sum(weights)
    return (jax.random.uniform(key, (), jnp.float32) >= jnp.asarray(ends, jnp.float32)).sum(dtype=jnp.int32)
