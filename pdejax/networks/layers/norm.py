"""Normalisation of a field over its points."""

from collections.abc import Callable, Mapping
from math import prod
from typing import Literal

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from pdejax.core import checked
from pdejax.networks.layers.skip import Identity


class GroupNorm(eqx.Module):
    """Mean zero and variance one over the points and the channels of a group, per sample; then a scale and a shift.

    Source: Wu and He, Group Normalization, ECCV 2018; with one channel a group it is instance normalisation.
    """

    scale: Array
    shift: Array
    groups: int = eqx.field(static=True)
    epsilon: float = eqx.field(static=True)

    def __init__(self, channels: int, groups: int, *, epsilon: float = 1e-5):
        """**Arguments:**

        - `channels`: size of the last axis.
        - `groups`: number of groups of neighbouring channels, a divisor of `channels`.
        - `epsilon`: added to the variance.

        **Raises:** `ValueError` if the groups would be of unequal size.
        """
        if channels % groups:
            raise ValueError(f"GroupNorm needs groups of equal size, got {channels} channels in {groups} groups")
        self.scale, self.shift = jnp.ones(channels), jnp.zeros(channels)
        self.groups, self.epsilon = groups, epsilon

    def __call__(self, x: Float[Array, "batch *space channel"]) -> Float[Array, "batch *space channel"]:
        """**Arguments:** `x`: field. **Returns:** the normalised field; a sample's result is its own affair."""
        y = x.reshape(x.shape[0], prod(x.shape[1:-1]), self.groups, x.shape[-1] // self.groups)
        y = y - jnp.mean(y, (1, 3), keepdims=True)
        y = y / jnp.sqrt(jnp.mean(y**2, (1, 3), keepdims=True) + self.epsilon)
        affine = lambda a: a.reshape((1,) * (x.ndim - 1) + (-1,))
        return y.reshape(x.shape) * affine(self.scale) + affine(self.shift)


Norm = Literal["none", "instance", "group"]
_NORMS: Mapping[Norm, Callable] = {
    "none": lambda channels: Identity(),
    "instance": lambda channels: GroupNorm(channels, channels),
    "group": lambda channels: GroupNorm(channels, 1),
}


@checked
def make_norm(norm: Norm, channels: int) -> GroupNorm | Identity:
    """The normalisation called `norm`: none, over each channel (instance) or over all channels (group)."""
    return _NORMS[norm](channels)
