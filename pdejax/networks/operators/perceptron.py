"""The perceptron: of vectors, or of the channels at every point of a field."""

from collections.abc import Callable
from itertools import pairwise
from typing import Annotated

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from pdejax.core import Count, Depth, Key, NameOf, checked, register
from pdejax.networks.layers.activations import activation as activation_named
from pdejax.networks.layers.checks import check_condition
from pdejax.networks.layers.linear import Linear


@register("network", "perceptron")
class Perceptron(eqx.Module):
    """The same multi-layer perceptron at every point; without space axes it maps vectors, as a latent state's rate.

    Every layer sees the condition beside its input, as the layers in the code of Chen et al., Neural Ordinary
    Differential Equations, NeurIPS 2018 (arXiv:1806.07366), see the time.
    """

    layers: tuple[Linear, ...]
    activation: Callable = eqx.field(static=True)
    ndim: int = eqx.field(static=True)
    in_channels: int = eqx.field(static=True)
    condition_features: int = eqx.field(static=True)

    @checked
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        ndim: int,
        *,
        width: Count = 64,
        depth: Depth = 2,
        activation: Annotated[str | Callable, NameOf("activation")] = "tanh",
        condition_features: int = 0,
        key: Key,
    ):
        """**Arguments:**

        - `in_channels`, `out_channels`: channels of the fields, or entries of the vectors.
        - `ndim`: number of space axes, zero for vectors.
        - `width`: channels of the hidden layers.
        - `depth`: number of hidden layers.
        - `activation`: the name of a registered one, or a function; a smooth one where the network is the rate of a
            differential equation.
        - `condition_features`: size of the condition vector; zero for none.
        - `key`: random key of the weights. (Keyword only argument.)

        **Raises:** `ValueError` for unknown names or sizes that do not fit.
        """
        if not 0 <= ndim <= 3:
            raise ValueError(f"a Perceptron has 0 to 3 space axes, got {ndim}")
        sizes = pairwise([in_channels, *[width] * depth, out_channels])
        gains = [2**0.5] * depth + [1.0]  # what is lost in an activation comes back in the next layer
        self.layers = tuple(
            Linear(i + condition_features, o, gain=gain, key=layer_key)
            for (i, o), gain, layer_key in zip(sizes, gains, jax.random.split(key, depth + 1), strict=True)
        )
        self.activation = activation_named(activation)
        self.ndim, self.in_channels, self.condition_features = ndim, in_channels, condition_features

    @jax.named_scope("pdejax.Perceptron")
    def __call__(
        self,
        x: Float[Array, "batch *space channel_in"],
        *,
        condition: Float[Array, "batch features"] | None = None,
        key: Key | None = None,
    ) -> Float[Array, "batch *space channel_out"]:
        """**Arguments:**

        - `x`: field on any grid, or vectors.
        - `condition`: vector for each sample; exactly when the network was built with `condition_features`.
        - `key`: not used, the network is deterministic.

        **Returns:** the field with `out_channels` channels.

        **Raises:** `ValueError` for a field of other dimension or channels, or a condition that is missing, not
        expected or of another size.
        """
        self._check(x, condition)
        beside = self._beside(x, condition)
        y = self.layers[0](beside(x))
        for layer in self.layers[1:]:
            y = layer(beside(self.activation(y)))
        return y

    def _check(self, x: Array, condition: Array | None) -> None:
        if x.ndim != self.ndim + 2 or x.shape[-1] != self.in_channels:
            wanted = f"{self.ndim} space axes and {self.in_channels} channels"
            raise ValueError(f"this Perceptron has {wanted}, got a field (batch, *space, channel) of shape {x.shape}")
        check_condition(condition, self.condition_features, x.shape[0], network="Perceptron")

    def _beside(self, x: Array, condition: Array | None) -> Callable[[Array], Array]:
        """What sets the condition beside the channels of each point."""
        if condition is None:
            return lambda y: y
        over_space = condition.reshape(condition.shape[0], *(1,) * self.ndim, self.condition_features)
        everywhere = jnp.broadcast_to(over_space, (*x.shape[:-1], self.condition_features))
        return lambda y: jnp.concatenate([y, everywhere], -1)
