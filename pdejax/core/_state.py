"""Where a state enters, and values by channel."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float, Num


def as_real(values: Any, what: str = "a state") -> Any:
    """Real numbers as they are, integers and booleans as floating point numbers of the same value.

    **Arguments:** `values`: an array of JAX or NumPy, or what makes one; `what`: it is, for the message.

    **Returns:** an array of the same home: what is not JAX's stays NumPy's, in its own precision.

    **Raises:** `ValueError` for complex values, for what is no number and for numbers that are masked.
    """
    refuse_masked(values, what)
    array = values if isinstance(values, jax.Array) else np.asarray(values)
    if jnp.issubdtype(array.dtype, jnp.floating):
        return array.astype(np.float64) if array.dtype == np.longdouble else _native(array)
    if jnp.issubdtype(array.dtype, jnp.complexfloating):
        raise ValueError(f"{what} is real, got {array.dtype}: give the real and the imaginary part as two fields")
    whole = jnp.issubdtype(array.dtype, jnp.integer) and not jnp.issubdtype(array.dtype, np.timedelta64)
    if not (whole or array.dtype == bool):
        raise ValueError(f"{what} holds real numbers, got {array.dtype} of shape {array.shape}")
    return array.astype(float if isinstance(array, jax.Array) else np.float64)


def _native(array: Any) -> Any:
    """In the byte order of this machine, which JAX asks for; files of FITS and NetCDF have the other one."""
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def refuse_masked(values: Any, what: str) -> None:
    """**Raises:** `ValueError` for an array of NumPy's some of whose numbers are masked, which others would count."""
    if np.ma.is_masked(values):
        count = np.ma.count_masked(values)
        raise ValueError(f"{what} has {count} masked numbers: fill them, or leave their trajectories out")


def traced(x: Any) -> bool:
    """Whether the value is known only later, so that NumPy cannot work on it."""
    return isinstance(x, Tracer)


def check_positive(name: str, value: Any) -> None:
    """**Raises:** `ValueError` for a number or array that is not positive and finite, unless it is traced."""
    if traced(value):
        return
    numbers = as_real(value, name)
    if not np.size(numbers) or not np.all((np.asarray(numbers) > 0) & np.isfinite(numbers)):
        raise ValueError(f"{name} should be positive and finite, got {value}")


def as_state(u: Any, what: str = "a state") -> Float[Array, "*batch_and_space channel"]:
    """A state as every Stepper takes it: real floating types pass as they are, integers and booleans are promoted.

    **Arguments:** `u`: `(*batch, *space, channel)`, of any real type; `what`: it is, for the message.

    **Raises:** `ValueError` for complex values, for what is no number and for a number without axes.
    """
    state = as_real(u, what)
    if not state.ndim:
        raise ValueError(f"{what} has the axes (*batch, *space, channel), got one number")
    return jnp.asarray(state)


def entering(step: Callable[[Any], Any], u: Any) -> Any:
    """A state as a scan over `step` carries it: whole numbers and lists of numbers as `as_state`, where a step makes
    floating point numbers of them; every other pytree, such as that of a foreign Stepper, as it is.
    """
    if isinstance(u, str | np.ma.MaskedArray) or (isinstance(u, np.ndarray) and not _holds_numbers(u)):
        return as_state(u)
    u = _native(u) if isinstance(u, np.ndarray) else u
    listed = isinstance(u, list) and all(isinstance(x, int | float) for x in jax.tree.leaves(u))
    whole = isinstance(u, jax.Array | np.ndarray) and (jnp.issubdtype(u.dtype, jnp.integer) or u.dtype == bool)
    if not (listed or whole):
        return jnp.asarray(u) if isinstance(u, np.ndarray) else u
    out = jax.eval_shape(step, as_state(u) if listed else jnp.asarray(u))
    return as_state(u) if hasattr(out, "dtype") and jnp.issubdtype(out.dtype, jnp.floating) else u


def _holds_numbers(u: np.ndarray) -> bool:
    return jnp.issubdtype(u.dtype, jnp.number) or u.dtype == bool


def per_channel(values: Num[Array, " channel"], u: Num[Array, "*batch_and_space any_channel"]) -> Num[Array, "..."]:
    """One value for each channel, to be combined with fields of the rank of `u`.

    **Returns:** `(1, ..., 1, channel)`.
    """
    return values.reshape((1,) * (u.ndim - 1) + (-1,))
