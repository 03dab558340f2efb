"""Activation functions by name."""

import functools
from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp

from pdejax.core import known

# of what an activation computes only its argument is kept for the gradient: a third of the memory of a training step
ACTIVATIONS: Mapping[str, Callable] = {
    "gelu": jax.checkpoint(jax.nn.gelu),  # by tanh: an error of 5e-4 for half of the time
    "gelu_exact": jax.checkpoint(functools.partial(jax.nn.gelu, approximate=False)),
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
