"""The ways around a layer."""

from collections.abc import Callable, Mapping
from typing import Literal

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from pdejax.core import Key, checked
from pdejax.networks.layers.linear import Linear


class SoftGating(eqx.Module):
    """A learned factor for each channel, one at first."""

    weight: Array

    def __init__(self, channels: int):
        """**Arguments:** `channels`: size of the last axis."""
        self.weight = jnp.ones(channels)

    def __call__(self, x: Float[Array, "*batch channel"]) -> Float[Array, "*batch channel"]:
        """**Arguments:** `x`: any array with channels last. **Returns:** the array, each channel scaled."""
        return x * self.weight.reshape((1,) * (x.ndim - 1) + (-1,))


class Identity(eqx.Module):
    """The field itself."""

    def __call__(self, x: Float[Array, "*batch channel"]) -> Float[Array, "*batch channel"]:
        """**Arguments:** `x`: any array. **Returns:** `x`."""
        return x


Skip = Literal["linear", "identity", "soft_gating"]
_SKIPS: Mapping[Skip, Callable] = {
    "linear": lambda channels, key: Linear(channels, channels, use_bias=False, key=key),
    "identity": lambda channels, key: Identity(),
    "soft_gating": lambda channels, key: SoftGating(channels),
}


@checked
def make_skip(skip: Skip, channels: int, *, key: Key) -> Linear | SoftGating | Identity:
    """The way around a layer that keeps the number of channels.

    **Arguments:** `skip`: its name; `channels`: size of the last axis; `key`: random key.
    """
    return _SKIPS[skip](channels, key)
