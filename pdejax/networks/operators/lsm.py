"""The latent spectral model."""

import functools
from collections.abc import Sequence
from math import prod
from typing import Annotated, ClassVar, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from pdejax.core import Count, Counts, Key, PerAxis, checked, register
from pdejax.networks.layers.channel_mlp import ChannelMLP, features_of
from pdejax.networks.layers.checks import as_flags, check_call, per_axis
from pdejax.networks.layers.coordinates import located, position_features, position_of
from pdejax.networks.layers.double_conv import DoubleConv
from pdejax.networks.layers.linear import Linear
from pdejax.networks.layers.norm import Norm
from pdejax.networks.layers.pool import linear_upsample, max_pool
from pdejax.networks.spectral.neural_spectral_block import NeuralSpectralBlock


@register("network", "lsm")
class LSM(eqx.Module):
    """Latent spectral model: a U-Net whose skip connections pass a neural spectral block at every scale.

    At the finest scale each axis is cut into 2^(scales-1) patches, at the next one into half as many, and at the
    coarsest one into one; the points per patch are the same at all scales. Nine tenths of the weights are those of
    the U-Net, so that an LSM is to be reported beside the same network with `spectral=False`.

    The authors normalise over the batch, which makes a prediction depend on its batch mates; this network normalises
    each sample. Its weights are as many as theirs.

    Source: Wu et al., Solving High-Dimensional PDEs with Latent Spectral Models, ICML 2023 (arXiv:2301.12664).
    """

    needs_grid: ClassVar[bool] = True

    lifting: Linear
    embed: ChannelMLP | None
    encoder: tuple[DoubleConv, ...]
    blocks: tuple[NeuralSpectralBlock, ...]
    decoder: tuple[DoubleConv, ...]
    mixing: Linear
    projection: ChannelMLP
    periodic: tuple[bool, ...] = eqx.field(static=True)
    positions: tuple[str, ...] = eqx.field(static=True)
    patch_size: tuple[int, ...] | None = eqx.field(static=True)

    @checked
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        ndim: int,
        *,
        width: Count = 64,
        scales: Count = 5,
        patch_size: Annotated[Count | Counts | None, PerAxis()] = None,
        tokens: Count = 4,
        bases: Count = 12,
        heads: Count = 8,
        spectral: bool = True,
        norm: Norm = "group",
        projection_width: Count = 128,
        periodic: Annotated[bool | Sequence[bool] | None, PerAxis()] = None,
        embedding: Literal["auto", "none", "coordinates"] = "auto",
        condition_features: int = 0,
        key: Key,
    ):
        """**Arguments:**

        - `in_channels`, `out_channels`: channels of the fields.
        - `ndim`: number of space axes.
        - `width`: channels at the finest scale; they double with each scale but the last.
        - `scales`: number of grids, each of half the points per axis.
        - `patch_size`: points of a patch, one number or one per axis; the smallest that fits the grid if omitted.
        - `tokens`, `bases`, `heads`: of the neural spectral blocks.
        - `spectral`: whether there are such blocks.
        - `norm`: after each convolution of the U-Net: `"none"`, `"group"` (one group) or `"instance"`, which makes the
            network deaf to the mean and the amplitude of its input where no coordinate is an input too.
        - `projection_width`: hidden channels of the last map.
        - `periodic`: whether the axes are, one for all or one per axis; as the data are if omitted, else none. A
            bounded one is padded with zeros, as published. Along a periodic one convolutions and interpolations wrap:
            if its coordinate is no input, the U-Net commutes with shifts by 2^(scales-1) points, and its patches leave
            of these the shift by half the axis.
        - `embedding`: which axes' coordinates are input channels: `"auto"` the bounded ones', `"coordinates"` all
            (sin and cos on periodic ones), `"none"`.
        - `condition_features`: size of the condition vector; zero for none.
        - `key`: random key of the weights. (Keyword only argument.)

        **Raises:** `ValueError` for unknown names or sizes that do not fit.
        """
        self.periodic = as_flags(False if periodic is None else periodic, ndim)
        if spectral and width % heads:
            raise ValueError(f"heads should divide width={width}, got {heads}")
        self.patch_size = None if patch_size is None else per_axis("patch_size", patch_size, ndim)
        self.positions = tuple(position_of(embedding, wraps) for wraps in self.periodic)
        keys = jax.random.split(key, 5)
        conv_keys, up_keys, block_keys = (jax.random.split(k, scales) for k in keys[:3])
        double_conv = functools.partial(
            DoubleConv, periodic=self.periodic, norm=norm, embedding_features=width if condition_features else 0
        )
        # the coarsest scale has the width of the one before, which gets it back by linear interpolation
        widths = [width * 2 ** min(s, max(scales - 2, 0)) for s in range(scales)]
        finer = [width, *widths[:-1]]
        downs = zip(finer, widths, conv_keys, strict=True)
        ups = list(zip(finer, widths, up_keys, strict=True))[-2::-1]
        self.lifting = Linear(in_channels + position_features(self.positions), width, key=keys[3])
        self.encoder = tuple(double_conv(f, w, hidden_channels=w, key=k) for f, w, k in downs)
        self.decoder = tuple(double_conv(2 * w, f, hidden_channels=w, key=k) for f, w, k in ups)
        block = functools.partial(NeuralSpectralBlock, tokens=tokens, bases=bases, heads=heads)
        self.blocks = tuple(block(w, key=k) for w, k in zip(widths, block_keys, strict=True) if spectral)
        mixing, projection, embed = jax.random.split(keys[4], 3)
        self.mixing = Linear(width, width, key=mixing)
        self.projection = ChannelMLP(width, out_channels, projection_width, key=projection)
        self.embed = ChannelMLP(condition_features, width, width, key=embed) if condition_features else None

    @jax.named_scope("pdejax.LSM")
    def __call__(
        self,
        x: Float[Array, "batch *space channel_in"],
        *,
        condition: Float[Array, "batch features"] | None = None,
        key: Key | None = None,
    ) -> Float[Array, "batch *space channel_out"]:
        """**Arguments:**

        - `x`: field on a grid. Zeros are put behind a bounded axis until its points are a multiple of those of
            2^(scales-1) patches, and taken away from the result; those of a periodic axis must be.
        - `condition`: vector for each sample; exactly when the network was built with `condition_features`.
        - `key`: not used, the network is deterministic.

        **Returns:** the field with `out_channels` channels.

        **Raises:** `ValueError` for a grid that does not fit, or a condition that is missing, not expected or of
        another shape.
        """
        channels = self.lifting.weight.shape[-2] - position_features(self.positions)
        check_call(x, self.periodic, channels, condition, features_of(self.embed), network="LSM")
        space = x.shape[1:-1]
        patch, padded = self.patches(space)
        embedding = None if self.embed is None or condition is None else self.embed(condition)
        y = self.lifting(located(x, self.positions))
        y = jnp.pad(y, [(0, 0), *((0, after - n) for n, after in zip(space, padded, strict=True)), (0, 0)])
        y = self.mixing(self._backbone(y, patch, embedding))
        return self.projection(y[(slice(None), *(slice(n) for n in space))])

    def patches(self, shape: Sequence[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Points of a patch per axis, and the grid it is cut from, for a field on the grid `shape`.

        **Raises:** `ValueError` if a periodic axis would have to be padded or the coarsest grid would be one point.
        """
        count = 2 ** (len(self.encoder) - 1)
        patch = self.patch_size or tuple(-(-n // count) for n in shape)
        padded = tuple(-(-n // (count * p)) * count * p for n, p in zip(shape, patch, strict=True))
        for n, p, after, wraps in zip(shape, patch, padded, self.periodic, strict=True):
            if wraps and n != after:
                unit = f"{count * p} points ({count} patches of {p})" if self.patch_size else f"{count} points"
                raise ValueError(f"a periodic axis of this LSM needs a multiple of {unit}, got {n}: try {after}")
        if prod(padded) == count ** len(padded):
            scales = len(self.encoder)
            raise ValueError(
                f"the coarsest of {scales} scales of a grid {tuple(shape)} is one point: take fewer scales"
            )
        return patch, padded

    def _backbone(
        self, y: Float[Array, "batch *space channel"], patch: Sequence[int], embedding: Array | None
    ) -> Float[Array, "batch *space channel"]:
        features = []
        for scale, layer in enumerate(self.encoder):
            y = layer(max_pool(y) if scale else y, embedding)
            features.append(y)
        if self.blocks:
            features = [block(y, patch) for block, y in zip(self.blocks, features, strict=True)]
        y = features.pop()
        for layer in self.decoder:
            y = layer(jnp.concatenate([features.pop(), linear_upsample(y, self.periodic)], -1), embedding)
        return y
