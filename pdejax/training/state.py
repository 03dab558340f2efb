"""All that changes during training."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Int

from pdejax.training.optimisers.objective import Optimiser


class TrainState(eqx.Module):
    """All that changes during training: parameters, their moving average, optimiser state, updates done."""

    params: Any
    ema: Any
    optimiser: Any
    step: Int[Array, ""]

    @classmethod
    def create(cls, params: Any, optimiser: Optimiser) -> "TrainState":
        """The state before the first update; the average is a copy, since state buffers are donated."""
        return cls(params, jax.tree.map(jnp.copy, params), optimiser.init(params), jnp.zeros((), jnp.int32))
