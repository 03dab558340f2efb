"""All that changes during training."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Int

from pdejax.data import keeps_state
from pdejax.training.optimisers.objective import Optimiser


class TrainState(eqx.Module):
    """Parameters, their moving average, optimiser state, updates done, and what the feed keeps on the device."""

    params: Any
    ema: Any
    optimiser: Any
    step: Int[Array, ""]
    feed: Any = ()

    @classmethod
    def create(cls, params: Any, optimiser: Optimiser, feed: Any = ()) -> "TrainState":
        """The state before the first update; the average is a copy, since state buffers are donated."""
        zero = jnp.zeros((), jnp.int32)
        return cls(params, jax.tree.map(jnp.copy, params), optimiser.init(params), zero, feed)


def kept(feed: Any) -> Any:
    """What a feed keeps on the device at first, nothing if it keeps nothing."""
    return feed.state() if keeps_state(feed) else ()
