"""A small perceptron applied to the channels at every point."""

from collections.abc import Callable

import equinox as eqx
import jax
from jaxtyping import Array, Float

from pdejax.core import Key
from pdejax.networks.layers.activations import activation
from pdejax.networks.layers.linear import Linear


class ChannelMLP(eqx.Module):
    """Two pointwise maps of the channels with an activation between them."""

    hidden: Linear
    out: Linear
    activation: Callable = eqx.field(static=True)

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        hidden_channels: int,
        *,
        activation_name: str | Callable = "gelu",
        gain: float = 2**0.5,
        key: Key,
    ):
        """**Arguments:**

        - `in_channels`, `hidden_channels`, `out_channels`: sizes of the three layers.
        - `activation_name`: the name of a registered one, or a function.
        - `gain`: of the first map; sqrt(2) makes up for what a rectifying activation takes from the variance.
        - `key`: random key of the weights. (Keyword only argument.)
        """
        key_hidden, key_out = jax.random.split(key)
        self.hidden = Linear(in_channels, hidden_channels, gain=gain, key=key_hidden)
        self.out = Linear(hidden_channels, out_channels, key=key_out)
        self.activation = activation(activation_name)

    def __call__(self, x: Float[Array, "*batch channel_in"]) -> Float[Array, "*batch channel_out"]:
        """**Arguments:** `x`: any array with channels last. **Returns:** the array with the new channels."""
        return self.out(self.activation(self.hidden(x)))


def features_of(embed: ChannelMLP | None) -> int:
    """Size of the vectors that an embedding takes, zero without one."""
    return 0 if embed is None else embed.hidden.weight.shape[-2]
