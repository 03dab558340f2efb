"""Activation functions by name."""

from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp

from pdejax.core import known

ACTIVATIONS: Mapping[str, Callable] = {
    "gelu": jax.nn.gelu,
    "relu": jax.nn.relu,
    "silu": jax.nn.silu,
    "tanh": jnp.tanh,
}


def activation(name: str) -> Callable:
    """The pointwise function called `name`.

    **Raises:** `ValueError` for a name that is not in `ACTIVATIONS`.
    """
    if name not in ACTIVATIONS:
        raise ValueError(known("activation", name, ACTIVATIONS))
    return ACTIVATIONS[name]
