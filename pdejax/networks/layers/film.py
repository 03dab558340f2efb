"""Feature-wise modulation of a field by a vector of conditions."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from pdejax.core import Key
from pdejax.networks.layers.linear import Linear


class FiLM(eqx.Module):
    """Scales and shifts each channel by an affine function of an embedding, x (1 + a) + b, or only shifts it.

    Source: Perez et al., FiLM: Visual Reasoning with a General Conditioning Layer, AAAI 2018, equation (2).
    """

    linear: Linear
    scales: bool = eqx.field(static=True)

    def __init__(self, features: int, channels: int, *, scales: bool = True, key: Key):
        """**Arguments:**

        - `features`: size of the embedding.
        - `channels`: channels of the field.
        - `scales`: whether there is a factor beside the shift.
        - `key`: random key of the weight. (Keyword only argument.)
        """
        # small at first: every condition starts near the unconditioned network, and has a gradient
        self.linear = Linear(features, 2 * channels if scales else channels, gain=0.1, key=key)
        self.scales = scales

    def __call__(
        self, x: Float[Array, "batch *space channel"], embedding: Float[Array, "batch features"]
    ) -> Float[Array, "batch *space channel"]:
        """**Arguments:** `x`: field; `embedding`: vector for each sample. **Returns:** the modulated field."""
        over_space = lambda a: a.reshape(a.shape[0], *(1,) * (x.ndim - 2), a.shape[-1])
        if not self.scales:
            return x + over_space(self.linear(embedding))
        scale, shift = jnp.split(self.linear(embedding), 2, -1)
        return x * (1 + over_space(scale)) + over_space(shift)
