"""The modern U-Net."""

import functools
from collections.abc import Callable, Sequence
from typing import Annotated, ClassVar, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from pdejax.core import Count, Counts, Depth, Key, NameOf, PerAxis, checked, register
from pdejax.networks.layers.activations import activation as activation_named
from pdejax.networks.layers.channel_mlp import ChannelMLP, features_of
from pdejax.networks.layers.checks import as_flags, check_call
from pdejax.networks.layers.conv import Conv
from pdejax.networks.layers.film import FiLM
from pdejax.networks.layers.linear import Linear
from pdejax.networks.layers.norm import GroupNorm
from pdejax.networks.layers.scale import RepeatUp
from pdejax.networks.layers.skip import Identity

Modulation = Literal["scale_shift", "shift"]


class ResidualBlock(eqx.Module):
    """y = conv(s(film(norm(conv(s(norm(x))))))) + skip(x), where the last convolution is zero at first.

    The condition scales and shifts the normalised field before the second activation s; or it shifts the field before
    it is normalised, as in the published network.
    """

    norm: GroupNorm
    conv: Conv
    second_norm: GroupNorm
    second_conv: Conv
    film: FiLM | None
    skip: Linear | Identity
    activation: Callable = eqx.field(static=True)

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        periodic: Sequence[bool],
        groups: int,
        activation_name: str | Callable,
        embedding_features: int,
        modulation: Modulation,
        key: Key,
    ):
        """**Arguments:** as of `UNet`; `embedding_features`: size of the condition's embedding, zero for none."""
        keys = jax.random.split(key, 4)
        conv = functools.partial(Conv, out_channels=out_channels, kernel_size=3, ndim=len(periodic), periodic=periodic)
        self.norm, self.second_norm = GroupNorm(in_channels, groups), GroupNorm(out_channels, groups)
        self.conv = conv(in_channels, gain=2**0.5, key=keys[0])
        self.second_conv = conv(out_channels, gain=0.0, key=keys[1])
        film = functools.partial(FiLM, scales=modulation == "scale_shift")
        self.film = film(embedding_features, out_channels, key=keys[2]) if embedding_features else None
        keeps = in_channels == out_channels
        self.skip = Identity() if keeps else Linear(in_channels, out_channels, key=keys[3])
        self.activation = activation_named(activation_name)

    @jax.named_scope("pdejax.ResidualBlock")
    def __call__(
        self, x: Float[Array, "batch *space channel_in"], embedding: Float[Array, "batch features"] | None = None
    ) -> Float[Array, "batch *space channel_out"]:
        """**Arguments:** `x`: field; `embedding`: of the condition. **Returns:** the field with the new channels."""
        y = self.conv(self.activation(self.norm(x)))
        if self.film is None or embedding is None:
            y = self.second_norm(y)
        elif self.film.scales:
            y = self.film(self.second_norm(y), embedding)
        else:
            y = self.second_norm(self.film(y, embedding))
        return self.second_conv(self.activation(y)) + self.skip(x)


@register("network", "unet")
class UNet(eqx.Module):
    """U-Net with residual blocks, in one, two or three dimensions and on grids of any size, odd ones included.

    It is zero at first. On periodic axes all of whose levels but the last have an even number of points it commutes
    with shifts by 2^(levels-1) points, up-sampling included, where transposed convolutions padded with zeros do not.

    Source: Gupta and Brandstetter, TMLR 2023 (arXiv:2209.15616); as in Lippe et al., PDE-Refiner, NeurIPS 2023
    (arXiv:2308.05732), but for the up-sampling and, with `scale_shift`, for the scale that the condition has.
    """

    needs_grid: ClassVar[bool] = True

    lifting: Conv
    embed: ChannelMLP | None
    encoder: tuple[tuple[ResidualBlock, ...], ...]
    down: tuple[Conv, ...]
    middle: tuple[ResidualBlock, ResidualBlock]
    decoder: tuple[tuple[ResidualBlock, ...], ...]
    up: tuple[RepeatUp, ...]
    norm: GroupNorm
    projection: Conv
    activation: Callable = eqx.field(static=True)
    periodic: tuple[bool, ...] = eqx.field(static=True)

    @checked
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        ndim: int,
        *,
        width: Count = 64,
        multipliers: Counts = (1, 2, 4, 8),
        depth: Depth = 2,
        groups: Count = 1,
        activation: Annotated[str | Callable, NameOf("activation")] = "gelu",
        modulation: Modulation = "scale_shift",
        periodic: Annotated[bool | Sequence[bool] | None, PerAxis()] = None,
        condition_features: int = 0,
        key: Key,
    ):
        """**Arguments:**

        - `in_channels`, `out_channels`: channels of the fields.
        - `ndim`: number of space axes.
        - `width`: channels of the first convolution.
        - `multipliers`: channels of each level over `width`, the finest first; each level halves the grid.
        - `depth`: residual blocks per level on the way down; on the way up there is one more, for each skip.
        - `groups`: of channels that are normalised together, a divisor of all widths.
        - `activation`: the name of a registered one, or a function.
        - `modulation`: by the condition, `scale_shift` of normalised fields or `shift` before they are normalised.
        - `periodic`: whether the axes are, one for all or one per axis; as the data are if omitted, else all. Beyond a
            bounded one the field is zero.
        - `condition_features`: size of the condition vector; zero for none.
        - `key`: random key of the weights. (Keyword only argument.)

        **Raises:** `ValueError` for unknown names or sizes that do not fit.
        """
        self.periodic = as_flags(True if periodic is None else periodic, ndim)
        if width % groups:
            raise ValueError(f"groups should divide width={width}, got {groups}")
        widths = [width * multiplier for multiplier in multipliers]
        befores = [width, *widths[:-1]]
        keys = iter(jax.random.split(key, len(widths) * (2 * depth + 3) + 3))
        embedding_features = 4 * width if condition_features else 0
        block = functools.partial(
            ResidualBlock,
            periodic=self.periodic,
            groups=groups,
            activation_name=activation,
            embedding_features=embedding_features,
            modulation=modulation,
        )
        conv = functools.partial(Conv, kernel_size=3, ndim=ndim, periodic=self.periodic)
        self.lifting = conv(in_channels, width, key=next(keys))
        self.encoder = tuple(
            tuple(block(i, w, key=next(keys)) for i in [before, *[w] * (depth - 1)])
            for before, w in zip(befores, widths, strict=True)
        )
        self.down = tuple(conv(w, w, stride=2, key=next(keys)) for w in widths[:-1])
        self.middle = (block(widths[-1], widths[-1], key=next(keys)), block(widths[-1], widths[-1], key=next(keys)))
        # coarsest first; a level's last skip is what came into it, and its last block leaves for the finer level
        self.decoder = tuple(
            (
                *(block(2 * w, w, key=next(keys)) for _ in range(depth)),
                block(w + before, before, key=next(keys)),
            )
            for before, w in list(zip(befores, widths, strict=True))[::-1]
        )
        self.up = tuple(RepeatUp(w, periodic=self.periodic, key=next(keys)) for w in widths[-2::-1])
        self.norm = GroupNorm(width, groups)
        self.projection = conv(width, out_channels, gain=0.0, key=next(keys))
        mlp = lambda key: ChannelMLP(
            condition_features, embedding_features, embedding_features, activation_name=activation, key=key
        )
        self.embed = mlp(next(keys)) if condition_features else None
        self.activation = activation_named(activation)

    @jax.named_scope("pdejax.UNet")
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
        check_call(x, self.periodic, channels, condition, features_of(self.embed), network="UNet")
        embedding = None if self.embed is None or condition is None else self.embed(condition)
        y = self.lifting(x)
        skips = [y]
        for level, blocks in enumerate(self.encoder):
            if level:
                y = self.down[level - 1](y)
                skips.append(y)
            for block in blocks:
                y = block(y, embedding)
                skips.append(y)
        for block in self.middle:
            y = block(y, embedding)
        for level, blocks in enumerate(self.decoder):
            if level:
                y = self.up[level - 1](y, skips[-1].shape[1:-1])
            for block in blocks:
                y = block(jnp.concatenate([y, skips.pop()], -1), embedding)
        return self.projection(self.activation(self.norm(y)))
