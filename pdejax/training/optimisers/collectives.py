"""Sums and parts of arrays that are divided over a mesh axis; without an axis the array is whole and they keep it."""

from typing import Any

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int


def total(x: Any, axis: str | None) -> Any:
    """The sum of a pytree over the devices."""
    return x if axis is None else lax.psum(x, axis)


def index(axis: str | None) -> Int[Array, ""] | int:
    """The number of this device."""
    return 0 if axis is None else lax.axis_index(axis)


def apart(x: Array, axis: str | None) -> Array:
    """The same values, each device's a variable of its own.

    The transpose of using equal parameters on all devices is a sum over devices, which would mix their rows.
    """
    return x if axis is None else lax.pcast(x, axis, to="varying")


def gather(x: Float[Array, " row *rest"], axis: str | None) -> Float[Array, " all_rows *rest"]:
    """The rows of all devices in their order, on every device."""
    if axis is None:
        return x
    # a sum of parts that are zero elsewhere: `all_gather` gives the same, but is not known to be equal everywhere
    parts = jnp.zeros((lax.axis_size(axis), *x.shape), x.dtype)
    return lax.psum(parts.at[lax.axis_index(axis)].set(x), axis).reshape(-1, *x.shape[1:])


def own(x: Array, axis: str | None) -> Array:
    """This device's rows of an array of all rows: the inverse of `gather`."""
    if axis is None:
        return x
    size = x.shape[0] // lax.axis_size(axis)
    return lax.dynamic_slice_in_dim(x, lax.axis_index(axis) * size, size)
