"""The Fourier neural operator."""

from collections.abc import Callable, Sequence
from typing import Annotated, ClassVar, Literal

import equinox as eqx
import jax
from jaxtyping import Array, Float

from pdejax.core import Count, Depth, Key, NameOf, NotNegative, PerAxis, Positive, checked, register, resample
from pdejax.networks.layers.activations import activation
from pdejax.networks.layers.channel_mlp import ChannelMLP, features_of
from pdejax.networks.layers.checks import as_flags, check_call, check_shape, per_axis
from pdejax.networks.layers.coordinates import located, position_features, position_of
from pdejax.networks.layers.film import FiLM
from pdejax.networks.layers.linear import Linear
from pdejax.networks.layers.norm import GroupNorm, Norm, make_norm
from pdejax.networks.layers.padding import crop_bounded, pad_bounded, padded_shape
from pdejax.networks.layers.resolution import Factors, as_scaling, grids
from pdejax.networks.layers.skip import Identity, Skip, SoftGating, make_skip
from pdejax.networks.spectral.conv import SpectralConv
from pdejax.networks.spectral.kernel import Kernel
from pdejax.networks.spectral.modes import as_modes, usable


class FNOBlock(eqx.Module):
    """One layer of a Fourier neural operator: a = s(norm(K x) + skip(x)), y = s(norm(MLP(a) + gate(x))).

    The condition modulates the argument of the first activation s; the last block of a network has no second
    one, and the first one only if asked for. Without a channel MLP y = a, and the last block has no activation at all.
    """

    spectral: SpectralConv
    skip: Linear | SoftGating | Identity
    norm: GroupNorm | Identity
    film: FiLM | None
    mlp: ChannelMLP | None
    mlp_skip: Linear | SoftGating | Identity
    mlp_norm: GroupNorm | Identity
    activation: Callable = eqx.field(static=True)
    inner: bool = eqx.field(static=True)
    outer: bool = eqx.field(static=True)

    def __init__(
        self,
        width: int,
        modes: Sequence[int],
        *,
        kernel: Kernel = "auto",
        skip: Skip = "linear",
        norm: Norm = "none",
        channel_mlp_ratio: float = 0.5,
        channel_mlp_skip: Skip = "soft_gating",
        activation_name: str | Callable = "gelu",
        embedding_features: int = 0,
        final_activation: bool = True,
        last: bool = False,
        key: Key,
    ):
        """**Arguments:** as of `FNO`; `embedding_features`: size of the condition's embedding, zero for none;
        `last`: whether no block follows.
        """
        keys = jax.random.split(key, 5)
        self.spectral = SpectralConv(width, width, modes, kernel=kernel, key=keys[0])
        self.skip = make_skip(skip, width, key=keys[1])
        self.norm = make_norm(norm, width)
        self.film = FiLM(embedding_features, width, key=keys[2]) if embedding_features else None
        hidden = max(round(channel_mlp_ratio * width), 1) if channel_mlp_ratio else 0
        # gain one: what the branch adds to the soft-gated input is about what the activations take away
        mlp = lambda: ChannelMLP(width, width, hidden, activation_name=activation_name, gain=1.0, key=keys[3])
        self.mlp = mlp() if hidden else None
        self.mlp_skip = make_skip(channel_mlp_skip, width, key=keys[4]) if hidden else Identity()
        self.mlp_norm = make_norm(norm, width) if hidden else Identity()
        self.activation = activation(activation_name)
        self.inner, self.outer = not last or (final_activation and hidden > 0), not last and hidden > 0

    @jax.named_scope("pdejax.FNOBlock")
    def __call__(
        self,
        x: Float[Array, "batch *space channel"],
        embedding: Float[Array, "batch features"] | None = None,
        *,
        shape: Sequence[int] | None = None,
    ) -> Float[Array, "batch *space_out channel"]:
        """**Arguments:** `x`: field; `embedding`: of the condition; `shape`: grid of the result, as `x` if omitted."""
        around = x if shape is None else resample(x, shape)
        y = self.norm(self.spectral(x, shape=shape)) + self.skip(around)
        if self.film is not None and embedding is not None:
            y = self.film(y, embedding)
        y = self.activation(y) if self.inner else y
        if self.mlp is not None:
            y = self.mlp_norm(self.mlp(y) + self.mlp_skip(around))
        return self.activation(y) if self.outer else y


@register("network", "fno")
class FNO(eqx.Module):
    """Fourier neural operator in one, two or three dimensions, evaluated on any grid.

    Source: Li et al., ICLR 2021 (arXiv:2010.08895); block order, channel MLP and soft gating as in neuraloperator 2.0.
    """

    needs_grid: ClassVar[bool] = True

    lifting: ChannelMLP
    embed: ChannelMLP | None
    blocks: tuple[FNOBlock, ...]
    projection: ChannelMLP
    periodic: tuple[bool, ...] = eqx.field(static=True)
    positions: tuple[str, ...] = eqx.field(static=True)
    padding: float = eqx.field(static=True)
    scaling: tuple[tuple[float, ...], ...] | None = eqx.field(static=True)
    min_points: tuple[int, ...] = eqx.field(static=True)

    @checked
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        ndim: int,
        *,
        modes: Annotated[int | Sequence[int], PerAxis()] = 16,
        width: Count = 64,
        depth: Depth = 4,
        activation: Annotated[str | Callable, NameOf("activation")] = "gelu",
        skip: Skip = "linear",
        norm: Norm = "none",
        channel_mlp_ratio: NotNegative = 0.5,
        channel_mlp_skip: Skip = "soft_gating",
        lifting_ratio: Positive = 2.0,
        projection_ratio: Positive = 2.0,
        periodic: Annotated[bool | Sequence[bool] | None, PerAxis()] = None,
        embedding: Literal["auto", "none", "coordinates", "fraction"] = "auto",
        padding: NotNegative = 0.0,
        scaling: Sequence[Factors] | None = None,
        final_activation: bool = True,
        kernel: Kernel = "auto",
        min_points: Annotated[int | Sequence[int], PerAxis()] = 1,
        condition_features: int = 0,
        key: Key,
    ):
        """**Arguments:**

        - `in_channels`, `out_channels`: channels of the fields.
        - `ndim`: number of space axes.
        - `modes`: frequencies 0, 1, .., modes-1 kept per axis (and their negatives); one number or one per axis. A grid
            of n points holds n // 2 + 1: on a coarser one the weights of the others rest, see `check_grid`.
        - `width`: channels of the blocks.
        - `depth`: number of blocks.
        - `activation`: the name of a registered one, or a function.
        - `skip`: around the spectral convolution: `"linear"`, `"identity"` or `"soft_gating"`.
        - `norm`: after it and after the channel MLP: `"none"`, `"instance"` or `"group"` (one group).
        - `channel_mlp_ratio`: hidden channels of the blocks' MLP over `width`, at least one; zero leaves it out.
        - `channel_mlp_skip`: around it, from the block's input; as `skip`.
        - `lifting_ratio`, `projection_ratio`: hidden channels of the first and last MLP over `width`.
        - `periodic`: whether the axes are; one for all, or one per axis; as the data are if omitted, else all.
        - `embedding`: which axes' coordinates are input channels: `"auto"` the bounded ones', `"coordinates"` all
            (sin and cos on periodic ones), `"fraction"` all as x in [0, 1), `"none"`. With a periodic axis'
            coordinates the network no longer commutes with shifts along it.
        - `padding`: distance, inside the blocks, between the end of a bounded axis and its periodic image, as a part
            of the axis; filled with zeros.
        - `scaling`: for each block the factor between the points of its output and of its input, or one per axis, as
            in `[1, 0.5, 1, 2]`: the block resamples the field's interpolant. Periodic axes only.
        - `final_activation`: whether the last block too has the activation before its channel MLP, which
            neuraloperator leaves out.
        - `kernel`: of the spectral convolutions: `"auto"`, `"fft"` or `"dft"`.
        - `min_points`: coarser grids are refused; one number or one per axis.
        - `condition_features`: size of the condition vector; zero for none.
        - `key`: random key of the weights. (Keyword only argument.)

        **Raises:** `ValueError` for unknown names, sizes that do not fit, or a padding without a bounded axis.
        """
        self.periodic = as_flags(True if periodic is None else periodic, ndim)
        if padding > 0 and all(self.periodic):
            raise ValueError(f"padding is a part of the bounded axes, got {padding} with periodic {self.periodic}")
        self.positions = tuple(position_of(embedding, wraps) for wraps in self.periodic)
        self.padding = padding
        self.scaling = as_scaling(scaling, depth, self.periodic)
        self.min_points = per_axis("min_points", min_points, ndim)
        key_lift, key_embed, key_project, key_blocks = jax.random.split(key, 4)
        mlp = lambda i, o, hidden, key: ChannelMLP(i, o, max(round(hidden), 1), activation_name=activation, key=key)
        self.lifting = mlp(in_channels + position_features(self.positions), width, lifting_ratio * width, key_lift)
        self.embed = mlp(condition_features, width, width, key_embed) if condition_features else None
        self.blocks = tuple(
            FNOBlock(
                width,
                as_modes(modes, ndim),
                kernel=kernel,
                skip=skip,
                norm=norm,
                channel_mlp_ratio=channel_mlp_ratio,
                channel_mlp_skip=channel_mlp_skip,
                activation_name=activation,
                embedding_features=width if condition_features else 0,
                final_activation=final_activation,
                last=i == depth - 1,
                key=block_key,
            )
            for i, block_key in enumerate(jax.random.split(key_blocks, depth))
        )
        self.projection = mlp(width, out_channels, projection_ratio * width, key_project)

    def __call__(
        self,
        x: Float[Array, "batch *space channel_in"],
        *,
        condition: Float[Array, "batch features"] | None = None,
        shape: Sequence[int] | None = None,
        key: Key | None = None,
    ) -> Float[Array, "batch *space_out channel_out"]:
        """**Arguments:**

        - `x`: field on any grid.
        - `condition`: vector for each sample; exactly when the network was built with `condition_features`.
        - `shape`: grid of the result; that of `x` times the product of all `scaling` if omitted. Only if all axes are
            periodic.
        - `key`: not used, the network is deterministic.

        **Returns:** the field with `out_channels` channels.

        **Raises:** `ValueError` for a field or a shape of other dimension, fewer than `min_points`, a shape of a
        bounded axis, or a condition that is missing, not expected or of another shape.
        """
        self._check_call(x, condition, shape)
        space = x.shape[1:-1]
        embedding = None if self.embed is None or condition is None else self.embed(condition)
        y = self.lifting(located(x, self.positions))
        y = pad_bounded(y, self.padding, self.periodic)
        for block, grid in zip(self.blocks, self._grids(y.shape[1:-1], shape), strict=True):
            y = block(y, embedding, shape=grid)
        return self.projection(crop_bounded(y, space, self.periodic))

    def check_grid(self, space: Sequence[int]) -> None:
        """Whether a grid to train on reaches all weights.

        **Arguments:** `space`: points per axis of the input.

        **Raises:** `ValueError` for modes that no grid in the network holds.
        """
        padded = padded_shape(space, self.padding, self.periodic)
        grids = [padded, *self._grids(padded, None)]
        for block, before, after in zip(self.blocks, grids, grids[1:], strict=False):
            kept, most = block.spectral.modes, usable(block.spectral.modes, before, after)
            for points, wanted, there in zip(map(min, before, after), kept, most, strict=True):
                if wanted > there:
                    raise ValueError(f"modes should be at most {there} on an axis of {points} points, which has no "
                                     f"higher ones: their weights would never be trained, got {wanted}")  # fmt: skip

    def _grids(self, space: Sequence[int], shape: Sequence[int] | None) -> Sequence[Sequence[int]]:
        """The grid after each block."""
        scaled = [tuple(space)] * len(self.blocks) if self.scaling is None else grids(space, self.scaling)
        return scaled if shape is None else [*scaled[:-1], tuple(shape)]

    def _check_call(self, x: Array, condition: Array | None, shape: Sequence[int] | None) -> None:
        channels = self.lifting.hidden.weight.shape[-2] - position_features(self.positions)
        check_call(x, self.periodic, channels, condition, features_of(self.embed), network="FNO")
        if shape is not None:
            check_shape(shape, len(self.periodic))
        for grid in (x.shape[1:-1], shape or x.shape[1:-1]):
            if any(n < least for n, least in zip(grid, self.min_points, strict=True)):
                raise ValueError(f"this FNO is for grids of at least {self.min_points} points, got {tuple(grid)}")
        if shape is None:
            return
        if not all(self.periodic):
            raise ValueError(f"an output shape needs periodic axes only, got shape {shape}, periodic {self.periodic}")
