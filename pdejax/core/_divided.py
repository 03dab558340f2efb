"""Values that a program which is divided over devices begins with, where each device goes on with its own."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array


def divided_like(x: Array, like: Any) -> Array:
    """The same values as a variable of each device's own where an array is one, so that what a loop carries keeps its
    type in `jax.shard_map`; nothing is computed.

    **Arguments:** `like`: a pytree of arrays, of which the first tells.
    """
    own = jnp.reshape(jax.tree.leaves(like)[0], -1)[0].astype(x.dtype)
    return jnp.where(jnp.zeros(x.shape, bool), jnp.broadcast_to(own, x.shape), x)
