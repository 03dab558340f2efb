"""The spectral convolution: a linear map of every kept Fourier mode."""

import copy
from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from pdejax.core import Key, checked
from pdejax.networks.layers.checks import check_shape
from pdejax.networks.layers.random import normal
from pdejax.networks.spectral import dft as dft
from pdejax.networks.spectral import fft as fft
from pdejax.networks.spectral.kernel import Kernel, choose_kernel
from pdejax.networks.spectral.modes import as_modes, restrict, usable, weight_shape


def mix(re: Array, im: Array, weight_re: Array, weight_im: Array) -> tuple[Array, Array]:
    """Complex product X W per mode, in real arithmetic.

    Real and imaginary part are stacked along the batch, so that X W = X Wr + (iX) Wi: two batched products forward
    and four backward, none of which is followed by a sum of arrays as large as the weight.
    """
    dot = lambda a, b: jnp.matmul(a, b, precision=jax.lax.Precision.HIGHEST)
    *modes, batch, channel = re.shape
    # the two are told apart by an axis of their own: a batch of unknown size is not where one can cut
    pair = lambda a, b: jnp.stack([a, b], -3).reshape(*modes, 2 * batch, channel)
    y = dot(pair(re, im), weight_re) + dot(pair(-im, re), weight_im)
    y = y.reshape(*modes, 2, batch, y.shape[-1])
    return y[..., 0, :, :], y[..., 1, :, :]


class SpectralConv(eqx.Module):
    """A convolution on the periodic box, given by a matrix for each Fourier mode |k| < modes of every axis.

    It acts on the trigonometric interpolant of the sampled field and samples the result, so that its weights belong
    to no resolution: any grid, odd or even, finer or coarser, may come in and go out, and of a grid that is too
    coarse for all modes those are used that it holds.

    Source: Li et al., Fourier Neural Operator for Parametric PDEs, ICLR 2021, equation (4).
    """

    weight_re: Array
    weight_im: Array
    bias: Array | None
    modes: tuple[int, ...] = eqx.field(static=True)
    kernel: Kernel = eqx.field(static=True)

    @checked
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        modes: Sequence[int],
        *,
        use_bias: bool = True,
        kernel: Kernel = "auto",
        key: Key,
    ):
        """**Arguments:**

        - `in_channels`, `out_channels`: channels before and after.
        - `modes`: per axis the number of frequencies 0, 1, .., modes-1; the negative ones come with them.
        - `use_bias`: whether a constant is added to each channel.
        - `kernel`: how the modes are computed: `"fft"`, `"dft"` (truncated transform by matrix products) or
            `"auto"`, the faster one for the device and the sizes.
        - `key`: random key of the weights. (Keyword only argument.)

        **Raises:** `ValueError` for an unknown kernel or impossible modes.
        """
        self.modes = as_modes(tuple(modes), len(modes))
        self.kernel = kernel
        shape = (*weight_shape(self.modes), in_channels, out_channels)
        # E|W|^2 = 1 / in_channels keeps the variance of a field whose energy lies in the kept modes
        re, im = normal(key, (2, *shape), (2 * in_channels) ** -0.5)
        # the mean is real and ignores the imaginary weight: its real one carries the whole variance
        self.weight_re, self.weight_im = re.at[(0,) * len(self.modes)].multiply(2**0.5), im
        self.bias = jnp.zeros(out_channels) if use_bias else None

    @jax.named_scope("pdejax.SpectralConv")
    def __call__(
        self, x: Float[Array, "batch *space channel_in"], *, shape: Sequence[int] | None = None
    ) -> Float[Array, "batch *space_out channel_out"]:
        """**Arguments:**

        - `x`: field on any periodic grid.
        - `shape`: points per axis of the grid of the result; that of `x` when omitted.

        **Returns:** the convolved field.

        **Raises:** `ValueError` for a field or a shape of another dimension.
        """
        shape_in, ndim = x.shape[1:-1], len(self.modes)
        if len(shape_in) != ndim:
            raise ValueError(
                f"a SpectralConv with modes {self.modes} needs {ndim} space axes, got a field "
                f"(batch, *space, channel) of shape {x.shape}"
            )
        shape_out = shape_in if shape is None else tuple(shape)
        check_shape(shape_out, ndim)
        counts = usable(self.modes, shape_in, shape_out)
        weight = restrict(self.weight_re, self.modes, counts), restrict(self.weight_im, self.modes, counts)
        kernel = choose_kernel(shape_in, counts) if self.kernel == "auto" else self.kernel
        transform = fft if kernel == "fft" else dft
        y = transform.inverse(*mix(*transform.forward(x, counts), *weight), shape_out)
        return y if self.bias is None else y + self.bias.reshape((1,) * (y.ndim - 1) + (-1,))


def with_kernel(model: Any, kernel: Kernel) -> Any:
    """The same network, or an operator around one, whose spectral convolutions find their modes in another way.

    **Arguments:** `model`: any pytree; `kernel`: `"fft"`, `"dft"` or `"auto"`, see `SpectralConv`.
    """
    held = lambda x: isinstance(x, SpectralConv)

    def changed(layer: Any) -> Any:
        if not held(layer):
            return layer
        other = copy.copy(layer)
        object.__setattr__(other, "kernel", kernel)  # a static field, which no tree operation reaches
        return other

    return jax.tree.map(changed, model, is_leaf=held)
