"""Convolution over a grid whose axes are periodic or bounded."""

from collections.abc import Sequence

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from pdejax.core import Key
from pdejax.networks.layers.checks import check_positive
from pdejax.networks.layers.convolve import convolve, convolve_depthwise
from pdejax.networks.layers.random import normal


class Conv(eqx.Module):
    """Convolution in one, two or three dimensions; point i of the result stands at point i * stride of the field.

    Beyond the ends of a periodic axis the field continues periodically, however short the axis; beyond those of a
    bounded axis it is zero. An axis of n points becomes one of ceil(n / stride).
    """

    weight: Array
    bias: Array | None
    periodic: tuple[bool, ...] = eqx.field(static=True)
    stride: int = eqx.field(static=True)
    dilation: int = eqx.field(static=True)
    depthwise: bool = eqx.field(static=True)

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        ndim: int,
        *,
        periodic: Sequence[bool],
        stride: int = 1,
        dilation: int = 1,
        depthwise: bool = False,
        use_bias: bool = True,
        gain: float = 1.0,
        key: Key,
    ):
        """**Arguments:**

        - `in_channels`, `out_channels`: size of the last axis before and after.
        - `kernel_size`: points of the kernel along every axis; an even one has one point more behind than before.
        - `ndim`: number of space axes.
        - `periodic`: whether each axis is.
        - `stride`: points of the field from one point of the result to the next.
        - `dilation`: points of the field from one point of the kernel to the next.
        - `depthwise`: whether each channel has a kernel of its own and none mix; then no stride is possible.
        - `use_bias`: whether a constant is added, zero at first.
        - `gain`: factor between the standard deviations before and after; zero for a layer that starts as zero.
        - `key`: random key of the weight. (Keyword only argument.)

        **Raises:** `ValueError` for sizes that do not fit.
        """
        if len(periodic) != ndim or not 1 <= ndim <= 3:
            raise ValueError(f"a convolution has 1 to 3 axes and one flag for each, got {ndim} and {tuple(periodic)}")
        check_positive(in_channels=in_channels, out_channels=out_channels)
        check_positive(kernel_size=kernel_size, stride=stride, dilation=dilation)
        if depthwise and (in_channels != out_channels or stride > 1):
            found = f"{in_channels} to {out_channels} channels with stride {stride}"
            raise ValueError(f"a depthwise convolution keeps channels and grid, got {found}")
        mixed = 1 if depthwise else in_channels
        shape = (*(kernel_size,) * ndim, mixed, out_channels)
        self.weight = normal(key, shape, gain * (kernel_size**ndim * mixed) ** -0.5)
        self.bias = jnp.zeros(out_channels) if use_bias else None
        self.periodic = tuple(periodic)
        self.stride, self.dilation, self.depthwise = stride, dilation, depthwise

    def __call__(self, x: Float[Array, "batch *space channel_in"]) -> Float[Array, "batch *space_out channel_out"]:
        """**Arguments:** `x`: field. **Returns:** the field with the new channels, on every `stride`-th point."""
        if self.depthwise:
            y = convolve_depthwise(x, self.weight, self.periodic, self.dilation)
        else:
            y = convolve(self._continued(x), self.weight, self.stride, self.dilation)
        return y if self.bias is None else y + self.bias.reshape((1,) * (x.ndim - 1) + (-1,))

    def _continued(self, x: Array) -> Array:
        """The field with what the kernel needs beyond its ends."""
        reach = self.dilation * (self.weight.shape[0] - 1)
        ends = (reach // 2, reach - reach // 2)
        pad = lambda x, wanted, mode: jnp.pad(
            x, [(0, 0), *(ends if wraps is wanted else (0, 0) for wraps in self.periodic), (0, 0)], mode=mode
        )
        return pad(pad(x, True, "wrap"), False, "constant")
