"""Convolutions whose derivatives are as fast inside a loop as outside."""

from collections.abc import Sequence
from functools import partial, reduce
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.custom_derivatives import SymbolicZero
from jaxtyping import Array, Float


def _axes(ndim: int) -> str:
    return "XYZ"[:ndim]


@partial(jax.custom_jvp, nondiff_argnums=(2, 3))
def _convolve(x: Array, weight: Array, stride: int, dilation: int) -> Array:
    space = _axes(x.ndim - 2)
    return lax.conv_general_dilated(
        x,
        weight,
        (stride,) * len(space),
        "VALID",
        rhs_dilation=(dilation,) * len(space),
        dimension_numbers=(f"N{space}C", f"{space}IO", f"N{space}C"),
    )


def _window(ndim: int, stride: int, dilation: int) -> dict[str, Any]:
    return {"window_strides": (stride,) * ndim, "padding": "VALID", "rhs_dilation": (dilation,) * ndim}


def _by_field(dx: Array, weight: Array, stride: int, dilation: int) -> Array:
    """The part of the tangent that is linear in that of the field."""
    space = _axes(dx.ndim - 2)
    return lax.conv_general_dilated(
        dx,
        jnp.swapaxes(weight, -1, -2),
        **_window(len(space), stride, dilation),
        dimension_numbers=(f"N{space}C", f"{space}OI", f"N{space}C"),
    )


def _by_weight(x: Array, dweight: Array, stride: int, dilation: int) -> Array:
    """The part of the tangent that is linear in that of the weight."""
    space = _axes(x.ndim - 2)
    out = lax.conv_general_dilated(
        jnp.moveaxis(x, (0, -1), (-1, 0)),
        jnp.moveaxis(dweight, -2, 0),
        **_window(len(space), stride, dilation),
        dimension_numbers=(f"C{space}N", f"I{space}O", f"{space}NC"),
    )
    return jnp.moveaxis(out, -2, 0)


def _tangent(stride: int, dilation: int, primals: tuple[Any, Any], tangents: tuple[Any, Any]) -> tuple[Array, Array]:
    """Both tangents are laid out so that what JAX makes of them in reverse mode has the order of axes of `_convolve`.

    XLA's CPU compiler reorders the axes of a convolution for its fast kernel only outside of loops; what JAX derives
    from `_convolve` itself needs that, and takes 50 times as long in a scan over updates. A tangent that is known to be
    zero, as that of the weight in a derivative of the field alone, costs no convolution.
    """
    (x, weight), (dx, dweight) = primals, tangents
    y = _convolve(x, weight, stride, dilation)
    parts = [] if isinstance(dx, SymbolicZero) else [_by_field(dx, weight, stride, dilation)]
    parts += [] if isinstance(dweight, SymbolicZero) else [_by_weight(x, dweight, stride, dilation)]
    return y, reduce(jnp.add, parts) if parts else jnp.zeros_like(y)


_convolve.defjvp(_tangent, symbolic_zeros=True)


def _by_planes(x: Array, weight: Array, stride: int, dilation: int) -> Array:
    """The convolution over three axes as a sum of some over two, which XLA's CPU kernel does three times as fast."""
    size = (x.shape[1] - dilation * (weight.shape[0] - 1) - 1) // stride + 1
    total = jnp.zeros((), x.dtype)
    for i in range(weight.shape[0]):
        planes = lax.slice_in_dim(x, i * dilation, i * dilation + (size - 1) * stride + 1, stride, axis=1)
        y = _convolve(planes.reshape(-1, *x.shape[2:]), weight[i], stride, dilation)
        total = total + y.reshape(-1, size, *y.shape[1:])
    return total


def convolve(
    x: Float[Array, "batch *padded channel_in"],
    weight: Float[Array, "*kernel channel_in channel_out"],
    stride: int = 1,
    dilation: int = 1,
) -> Float[Array, "batch *space channel_out"]:
    """The sums over the kernel's points at all places where the whole kernel is inside the field.

    **Arguments:** `x`: field; `weight`: the kernel; `stride`, `dilation`: points of the field between two points of the
    result and of the kernel.
    """
    in_planes = x.ndim == 5 and jax.default_backend() == "cpu"
    return (_by_planes if in_planes else _convolve)(x, weight, stride, dilation)


def convolve_depthwise(
    x: Float[Array, "batch *space channel"],
    weight: Float[Array, "*kernel 1 channel"],
    periodic: Sequence[bool],
    dilation: int = 1,
) -> Float[Array, "batch *space channel"]:
    """Convolution of each channel with a kernel of its own, by FFT; periodic, or with zeros beyond the ends.

    XLA's CPU kernel for it takes ten times as long, its derivatives a hundred times.

    **Arguments:** `x`: field; `weight`: the kernels; `periodic`: whether each axis is; `dilation`: points of the field
    between two points of the kernel.
    """
    shape, axes = x.shape[1:-1], tuple(range(1, x.ndim - 1))
    reach = dilation * (weight.shape[0] - 1)
    room = [n if wraps else n + reach for n, wraps in zip(shape, periodic, strict=True)]
    places = [(reach // 2 - dilation * np.arange(weight.shape[0])) % n for n in room]
    kernel = jnp.zeros((*room, x.shape[-1]), weight.dtype).at[np.ix_(*places)].add(weight[..., 0, :])
    kernel_hat = jnp.fft.rfftn(kernel, axes=tuple(range(len(shape))))
    y = jnp.fft.irfftn(jnp.fft.rfftn(x, room, axes) * kernel_hat[None], room, axes)
    return y[(slice(None), *map(slice, shape))]
