"""All that changes during training."""

from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Int

from pdejax.core import Key
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


@runtime_checkable
class Refreshed(Protocol):
    """A feed that keeps arrays on the device and renews them: pools of solutions, points that follow the residual.

    - `every`: updates between two renewals, of which the first comes before the first update.
    - `fetch(arrays, item, state)`: as of a `Feed`, of what is kept too.
    """

    every: int
    fetch: Callable[[Any, Any, Any], Any]

    def state(self) -> Any:
        """What is kept before the first renewal, a pytree of arrays that does not change its shape."""
        ...

    def refresh(self, state: Any, model: Any, key: Key) -> Any:
        """What is kept from now on, traceable and equal on all devices.

        **Arguments:** `state`: so far; `model`: as it is trained, whole; `key`: of this renewal.
        """
        ...


def kept(feed: Any) -> Any:
    """What a feed keeps on the device at first, nothing if it is no such feed."""
    return feed.state() if isinstance(feed, Refreshed) else ()
