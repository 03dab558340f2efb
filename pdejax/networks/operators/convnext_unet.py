"""The U-Net of ConvNeXt blocks."""

import functools
import itertools
from collections.abc import Sequence
from typing import Annotated, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from pdejax.core import Count, Depth, Key, PerAxis, Positive, checked, register
from pdejax.networks.layers.channel_mlp import ChannelMLP, features_of
from pdejax.networks.layers.checks import as_flags, check_call
from pdejax.networks.layers.conv import Conv
from pdejax.networks.layers.film import FiLM
from pdejax.networks.layers.linear import Linear
from pdejax.networks.layers.scale import PatchUp


class PointNorm(eqx.Module):
    """Mean zero and variance one over the channels of every point; then a scale and a shift.

    Source: Ba et al., Layer Normalization, arXiv:1607.06450.
    """

    scale: Array
    shift: Array

    def __init__(self, channels: int):
        """**Arguments:** `channels`: size of the last axis."""
        self.scale, self.shift = jnp.ones(channels), jnp.zeros(channels)

    def __call__(self, x: Float[Array, "*batch channel"]) -> Float[Array, "*batch channel"]:
        """**Arguments:** `x`: any array with channels last. **Returns:** the normalised array."""
        y = x - jnp.mean(x, -1, keepdims=True)
        y = y / jnp.sqrt(jnp.mean(y**2, -1, keepdims=True) + 1e-6)
        affine = lambda a: a.reshape((1,) * (x.ndim - 1) + (-1,))
        return y * affine(self.scale) + affine(self.shift)


class ConvNeXtBlock(eqx.Module):
    """y = x + gamma MLP(film(norm(conv(x)))) with a depthwise convolution; the layer scale gamma is small at first.

    Source: Liu et al., A ConvNet for the 2020s, CVPR 2022 (arXiv:2201.03545).
    """

    conv: Conv
    norm: PointNorm
    film: FiLM | None
    mlp: ChannelMLP
    gamma: Array

    def __init__(
        self,
        width: int,
        *,
        periodic: Sequence[bool],
        kernel_size: int,
        expansion: int,
        layer_scale: float,
        embedding_features: int,
        key: Key,
    ):
        """**Arguments:** as of `ConvNeXtUNet`; `embedding_features`: size of the condition's embedding, or zero."""
        keys = jax.random.split(key, 3)
        self.conv = Conv(width, width, kernel_size, len(periodic), periodic=periodic, depthwise=True, key=keys[0])
        self.norm = PointNorm(width)
        self.film = FiLM(embedding_features, width, key=keys[1]) if embedding_features else None
        self.mlp = ChannelMLP(width, width, expansion * width, key=keys[2])
        self.gamma = jnp.full(width, layer_scale)

    @jax.named_scope("pdejax.ConvNeXtBlock")
    def __call__(
        self, x: Float[Array, "batch *space channel"], embedding: Float[Array, "batch features"] | None = None
    ) -> Float[Array, "batch *space channel"]:
        """**Arguments:** `x`: field; `embedding`: of the condition. **Returns:** the field after the block."""
        y = self.norm(self.conv(x))
        if self.film is not None and embedding is not None:
            y = self.film(y, embedding)
        return x + self.mlp(y) * self.gamma.reshape((1,) * (x.ndim - 1) + (-1,))


class _Stage(eqx.Module):
    """Blocks on one grid, and on the way up the map of field and skip together that comes before them."""

    merge: Linear | None
    blocks: tuple[ConvNeXtBlock, ...]

    def __call__(self, x: Array, skip: Array | None, embedding: Array | None) -> Array:
        y = x if self.merge is None or skip is None else self.merge(jnp.concatenate([x, skip], -1))
        for block in self.blocks:
            y = block(y, embedding)
        return y


class _Down(eqx.Module):
    norm: PointNorm
    conv: Conv

    def __call__(self, x: Array) -> Array:
        return self.conv(self.norm(x))


class _Up(eqx.Module):
    norm: PointNorm
    patches: PatchUp

    def __call__(self, x: Array, shape: Sequence[int]) -> Array:
        return self.patches(self.norm(x), shape)


@register("network", "convnext_unet")
class ConvNeXtUNet(eqx.Module):
    """U-Net of ConvNeXt blocks in one, two or three dimensions and on grids of any size, odd ones included.

    On periodic axes all of whose stages have an even number of points it commutes with shifts by 2^stages points.

    Skips are the fields before each stage's blocks; as published the finest one is not used.

    Source: Ohana et al., The Well, NeurIPS 2024 (arXiv:2412.00568), CNextU-net, whose code puts zeros beyond the
    ends of periodic axes and takes sizes that 2^stages divides.
    """

    needs_grid: ClassVar[bool] = True

    lifting: Conv
    embed: ChannelMLP | None
    encoder: tuple[_Stage, ...]
    down: tuple[_Down, ...]
    neck: _Stage
    decoder: tuple[_Stage, ...]
    up: tuple[_Up, ...]
    projection: Conv
    periodic: tuple[bool, ...] = eqx.field(static=True)

    @checked
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        ndim: int,
        *,
        width: Count = 42,
        stages: Count = 4,
        depth: Depth = 2,
        neck_depth: Depth = 1,
        kernel_size: Count = 7,
        expansion: Count = 4,
        layer_scale: Positive = 1e-6,
        periodic: Annotated[bool | Sequence[bool] | None, PerAxis()] = None,
        condition_features: int = 0,
        key: Key,
    ):
        """**Arguments:**

        - `in_channels`, `out_channels`: channels of the fields.
        - `ndim`: number of space axes.
        - `width`: channels of the first stage; they double when the grid is halved.
        - `stages`: how often it is.
        - `depth`, `neck_depth`: blocks of each stage, on the way down and up, and on the coarsest grid.
        - `kernel_size`: points per axis of the depthwise convolutions.
        - `expansion`: hidden channels of the blocks' MLP over their width.
        - `layer_scale`: factor of the blocks at first.
        - `periodic`: whether the axes are, one for all or one per axis; as the data are if omitted, else all. Beyond a
            bounded one the field is zero.
        - `condition_features`: size of the condition vector; zero for none.
        - `key`: random key of the weights. (Keyword only argument.)

        **Raises:** `ValueError` for sizes that do not fit.
        """
        self.periodic = as_flags(True if periodic is None else periodic, ndim)
        widths = [width * 2**stage for stage in range(stages + 1)]
        steps = list(itertools.pairwise(widths))
        keys = iter(jax.random.split(key, stages * (2 * depth + 3) + neck_depth + 2))
        block = functools.partial(
            ConvNeXtBlock,
            periodic=self.periodic,
            kernel_size=kernel_size,
            expansion=expansion,
            layer_scale=layer_scale,
            embedding_features=width if condition_features else 0,
        )
        conv = functools.partial(Conv, ndim=ndim, periodic=self.periodic)
        stage = lambda w, count, merge=None: _Stage(merge, tuple(block(w, key=next(keys)) for _ in range(count)))
        self.lifting = conv(in_channels, width, kernel_size=3, key=next(keys))
        self.encoder = tuple(stage(w, depth) for w in widths[:-1])
        self.down = tuple(
            _Down(PointNorm(w), conv(w, coarse, kernel_size=2, stride=2, key=next(keys))) for w, coarse in steps
        )
        self.neck = stage(widths[-1], neck_depth)
        # coarsest first
        merges = (None, *(Linear(2 * w, w, key=next(keys)) for w in widths[-2:0:-1]))
        self.decoder = tuple(stage(w, depth, m) for w, m in zip(widths[:0:-1], merges, strict=True))
        self.up = tuple(_Up(PointNorm(w), PatchUp(w, fine, ndim, key=next(keys))) for fine, w in steps[::-1])
        self.projection = conv(width, out_channels, kernel_size=3, key=next(keys))
        mlp = lambda: ChannelMLP(condition_features, width, width, key=next(keys))
        self.embed = mlp() if condition_features else None

    @jax.named_scope("pdejax.ConvNeXtUNet")
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
        check_call(x, self.periodic, channels, condition, features_of(self.embed), network="ConvNeXtUNet")
        embedding = None if self.embed is None or condition is None else self.embed(condition)
        y = self.lifting(x)
        entries = []
        for stage, down in zip(self.encoder, self.down, strict=True):
            entries.append(y)
            y = down(stage(y, None, embedding))
        y, skip = self.neck(y, None, embedding), None
        for stage, up in zip(self.decoder, self.up, strict=True):
            y = stage(y, skip, embedding)
            skip = entries.pop()
            y = up(y, skip.shape[1:-1])
        return self.projection(y)
