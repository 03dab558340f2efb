"""The dilated residual network."""

from collections.abc import Callable, Sequence
from typing import Annotated, ClassVar

import equinox as eqx
import jax
from jaxtyping import Array, Float

from pdejax.core import Count, Counts, Depth, Key, NameOf, PerAxis, checked, register
from pdejax.networks.layers.activations import activation
from pdejax.networks.layers.channel_mlp import ChannelMLP, features_of
from pdejax.networks.layers.checks import as_flags, check_call
from pdejax.networks.layers.conv import Conv
from pdejax.networks.layers.film import FiLM
from pdejax.networks.layers.norm import GroupNorm, Norm, make_norm
from pdejax.networks.layers.skip import Identity


class DilatedBlock(eqx.Module):
    """y = x + s(conv(.. s(film(conv(norm(x)))) ..)): convolutions of growing and shrinking dilation, one after another.

    The condition scales and shifts the argument of the first activation s.
    """

    norms: tuple[GroupNorm | Identity, ...]
    convs: tuple[Conv, ...]
    film: FiLM | None
    activation: Callable = eqx.field(static=True)

    def __init__(
        self,
        width: int,
        dilations: Sequence[int],
        *,
        periodic: Sequence[bool],
        norm: Norm,
        activation_name: str | Callable,
        embedding_features: int,
        gain: float,
        key: Key,
    ):
        """**Arguments:** as of `DilatedResNet`; `embedding_features`: size of the condition's embedding, zero for none;
        `gain`: of the whole branch at first.
        """
        key_film, *keys = jax.random.split(key, len(dilations) + 1)
        gains = [2**0.5] * (len(dilations) - 1) + [gain * 2**0.5]
        self.norms = tuple(make_norm(norm, width) for _ in dilations)
        self.convs = tuple(
            Conv(width, width, 3, len(periodic), periodic=periodic, dilation=dilation, gain=g, key=k)
            for dilation, g, k in zip(dilations, gains, keys, strict=True)
        )
        self.film = FiLM(embedding_features, width, key=key_film) if embedding_features else None
        self.activation = activation(activation_name)

    @jax.named_scope("pdejax.DilatedBlock")
    def __call__(
        self, x: Float[Array, "batch *space channel"], embedding: Float[Array, "batch features"] | None = None
    ) -> Float[Array, "batch *space channel"]:
        """**Arguments:** `x`: field; `embedding`: of the condition. **Returns:** the field after the block."""
        y = x
        for i, (norm, conv) in enumerate(zip(self.norms, self.convs, strict=True)):
            y = conv(norm(y))
            if i == 0 and self.film is not None and embedding is not None:
                y = self.film(y, embedding)
            y = self.activation(y)
        return x + y


@register("network", "dilated_resnet")
class DilatedResNet(eqx.Module):
    """Residual network of dilated convolutions on one grid of any size; it commutes with all shifts of periodic axes.

    Source: Stachenfeld et al., Learned Coarse Models for Efficient Turbulence Simulation, ICLR 2022 (arXiv:2112.15275).
    """

    needs_grid: ClassVar[bool] = True

    lifting: Conv
    embed: ChannelMLP | None
    blocks: tuple[DilatedBlock, ...]
    projection: Conv
    periodic: tuple[bool, ...] = eqx.field(static=True)

    @checked
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        ndim: int,
        *,
        width: Count = 48,
        depth: Depth = 4,
        dilations: Counts = (1, 2, 4, 8, 4, 2, 1),
        activation: Annotated[str | Callable, NameOf("activation")] = "relu",
        norm: Norm = "none",
        periodic: Annotated[bool | Sequence[bool] | None, PerAxis()] = None,
        condition_features: int = 0,
        key: Key,
    ):
        """**Arguments:**

        - `in_channels`, `out_channels`: channels of the fields.
        - `ndim`: number of space axes.
        - `width`: channels of the blocks.
        - `depth`: number of blocks.
        - `dilations`: points between the three points of a kernel, for each convolution of a block.
        - `activation`: the name of a registered one, or a function.
        - `norm`: before each convolution of the blocks: `"none"`, `"instance"` or `"group"` (one group).
        - `periodic`: whether the axes are, one for all or one per axis; as the data are if omitted, else all. Beyond a
            bounded one the field is zero.
        - `condition_features`: size of the condition vector; zero for none.
        - `key`: random key of the weights. (Keyword only argument.)

        **Raises:** `ValueError` for unknown names or sizes that do not fit.
        """
        self.periodic = as_flags(True if periodic is None else periodic, ndim)
        key_lift, key_embed, key_project, key_blocks = jax.random.split(key, 4)
        self.lifting = Conv(in_channels, width, 3, ndim, periodic=self.periodic, key=key_lift)
        mlp = lambda: ChannelMLP(condition_features, width, width, activation_name=activation, key=key_embed)
        self.embed = mlp() if condition_features else None
        self.blocks = tuple(
            DilatedBlock(
                width,
                dilations,
                periodic=self.periodic,
                norm=norm,
                activation_name=activation,
                embedding_features=width if condition_features else 0,
                gain=depth**-0.5,  # all blocks together add about what comes in
                key=block_key,
            )
            for block_key in jax.random.split(key_blocks, depth)
        )
        self.projection = Conv(width, out_channels, 3, ndim, periodic=self.periodic, key=key_project)

    def __call__(
        self,
        x: Float[Array, "batch *space channel_in"],
        *,
        condition: Float[Array, "batch features"] | None = None,
        key: Key | None = None,
    ) -> Float[Array, "batch *space channel_out"]:
        """**Arguments:**

        - `x`: field on any grid.
        - `condition`: vector for each sample; exactly when the network was built with `condition_features`.
        - `key`: not used, the network is deterministic.

        **Returns:** the field with `out_channels` channels.

        **Raises:** `ValueError` for a field of other dimension, or a condition that is missing, not expected or of
        another shape.
        """
        channels = self.lifting.weight.shape[-2]
        check_call(x, self.periodic, channels, condition, features_of(self.embed), network="DilatedResNet")
        embedding = None if self.embed is None or condition is None else self.embed(condition)
        y = self.lifting(x)
        for block in self.blocks:
            y = block(y, embedding)
        return self.projection(y)
