"""Where a state enters, and values by channel."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Num


def as_real(values: Any, what: str = "a state") -> Any:
    """Real numbers as they are, integers and booleans as floating point numbers of the same value.

    **Arguments:** `values`: an array of JAX or NumPy, or what makes one; `what`: it is, for the message.

    **Returns:** an array of the same home: what is not JAX's stays NumPy's, in its own precision.

    **Raises:** `ValueError` for complex values and for what is no number.
    """
    array = values if isinstance(values, jax.Array) else np.asarray(values)
    if jnp.issubdtype(array.dtype, jnp.floating):
        return array.astype(np.float64) if array.dtype == np.longdouble else array
    if jnp.issubdtype(array.dtype, jnp.complexfloating):
        raise ValueError(f"{what} is real, got {array.dtype}: give the real and the imaginary part as two fields")
    if not (jnp.issubdtype(array.dtype, jnp.integer) or array.dtype == bool):
        raise ValueError(f"{what} holds real numbers, got {array.dtype} of shape {array.shape}")
    return array.astype(float if isinstance(array, jax.Array) else np.float64)


def as_state(u: Any, what: str = "a state") -> Float[Array, "*batch_and_space channel"]:
    """A state as every Stepper takes it: real floating types pass as they are, integers and booleans are promoted.

    **Arguments:** `u`: `(*batch, *space, channel)`, of any real type; `what`: it is, for the message.

    **Raises:** `ValueError` for complex values, for what is no number and for a number without axes.
    """
    state = as_real(u, what)
    if not state.ndim:
        raise ValueError(f"{what} has the axes (*batch, *space, channel), got one number")
    return jnp.asarray(state)


def entering(u: Any) -> Any:
    """`as_state` of a state that is one array, or numbers in lists; others, such as those of foreign Steppers, as they
    are.
    """
    listed = isinstance(u, list) and all(isinstance(x, int | float | complex) for x in jax.tree.leaves(u))
    return as_state(u) if listed or isinstance(u, jax.Array | np.ndarray | str) else u


def per_channel(values: Num[Array, " channel"], u: Num[Array, "*batch_and_space any_channel"]) -> Num[Array, "..."]:
    """One value for each channel, to be combined with fields of the rank of `u`.

    **Returns:** `(1, ..., 1, channel)`.
    """
    return values.reshape((1,) * (u.ndim - 1) + (-1,))
