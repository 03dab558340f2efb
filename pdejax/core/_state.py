"""Where a state enters, and values by channel."""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float, Num


def as_state(u: Any) -> Float[Array, "*batch_and_space channel"]:
    """A state as every Stepper takes it: real floating types pass as they are, integers are promoted.

    **Arguments:** `u`: `(*batch, *space, channel)`, of any numeric type.

    **Raises:** `ValueError` for complex values.
    """
    array = jnp.asarray(u)
    if jnp.issubdtype(array.dtype, jnp.complexfloating):
        raise ValueError(f"a state is real, got {array.dtype}: give the real and the imaginary part as two fields")
    return array if jnp.issubdtype(array.dtype, jnp.floating) else array.astype(float)


def per_channel(values: Num[Array, " channel"], u: Num[Array, "*batch_and_space any_channel"]) -> Num[Array, "..."]:
    """One value for each channel, to be combined with fields of the rank of `u`.

    **Returns:** `(1, ..., 1, channel)`.
    """
    return values.reshape((1,) * (u.ndim - 1) + (-1,))
