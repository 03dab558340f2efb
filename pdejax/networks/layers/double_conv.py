"""Two convolutions with their normalisations, the layer of the original U-Net."""

from collections.abc import Sequence

import equinox as eqx
import jax
from jaxtyping import Array, Float

from pdejax.core import Key
from pdejax.networks.layers.conv import Conv
from pdejax.networks.layers.film import FiLM
from pdejax.networks.layers.norm import GroupNorm, Norm, make_norm
from pdejax.networks.layers.skip import Identity


class DoubleConv(eqx.Module):
    """Twice a convolution with a kernel of three points per axis, a normalisation and a rectifier.

    The condition modulates the argument of the second rectifier.

    Source: Ronneberger et al., U-Net, MICCAI 2015.
    """

    first: Conv
    first_norm: GroupNorm | Identity
    second: Conv
    second_norm: GroupNorm | Identity
    film: FiLM | None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        hidden_channels: int,
        periodic: Sequence[bool],
        norm: Norm,
        embedding_features: int = 0,
        key: Key,
    ):
        """**Arguments:**

        - `in_channels`, `hidden_channels`, `out_channels`: before, between and after the convolutions.
        - `periodic`: whether each axis is.
        - `norm`: `"none"`, `"instance"` or `"group"` (one group).
        - `embedding_features`: size of the condition's embedding, zero for none.
        - `key`: random key of the weights. (Keyword only argument.)
        """
        keys = jax.random.split(key, 3)
        biased = norm == "none"  # a normalisation has its own shift
        conv = lambda i, o, key: Conv(i, o, 3, len(periodic), periodic=periodic, use_bias=biased, gain=2**0.5, key=key)
        self.first, self.second = (
            conv(in_channels, hidden_channels, keys[0]),
            conv(hidden_channels, out_channels, keys[1]),
        )
        self.first_norm, self.second_norm = make_norm(norm, hidden_channels), make_norm(norm, out_channels)
        self.film = FiLM(embedding_features, out_channels, key=keys[2]) if embedding_features else None

    def __call__(
        self, x: Float[Array, "batch *space channel_in"], embedding: Float[Array, "batch features"] | None = None
    ) -> Float[Array, "batch *space channel_out"]:
        """**Arguments:** `x`: field; `embedding`: of the condition. **Returns:** the field with the new channels."""
        y = jax.nn.relu(self.first_norm(self.first(x)))
        y = self.second_norm(self.second(y))
        if self.film is not None and embedding is not None:
            y = self.film(y, embedding)
        return jax.nn.relu(y)
