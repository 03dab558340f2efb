"""Derivatives in forward direction: a bundle of value, first and second derivatives goes through a network at once.

All entries of a bundle lie in one array, so that a linear layer is one matrix product for all of them. Activations take
it along by the chain rule with f, f' and f'' in closed form. Higher orders come from nested forward differentiation.
"""

import dataclasses
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from pdejax.core import Points, TensorGrid

Order = tuple[int, ...]
Jet = dict[Order, Float[Array, "point channel"]]


@dataclasses.dataclass(frozen=True)
class Smooth:
    """A pointwise function together with its first two derivatives.

    **Arguments:** `value`: f; `jet`: x -> (f, f', f'').
    """

    value: Callable[[Array], Array]
    jet: Callable[[Array], tuple[Array, Array, Array]]


def _tanh(x: Array) -> tuple[Array, Array, Array]:
    y = jnp.tanh(x)
    slope = 1 - y * y
    return y, slope, -2 * y * slope


def _silu(x: Array) -> tuple[Array, Array, Array]:
    s = jax.nn.sigmoid(x)
    slope = s * (1 - s)
    return x * s, s + x * slope, slope * (2 + x * (1 - 2 * s))


_TANH_SLOPE, _TANH_CUBE = (2 / jnp.pi) ** 0.5, 0.044715  # of gelu by tanh, as in `jax.nn.gelu`


def _gelu(x: Array) -> tuple[Array, Array, Array]:
    t = jnp.tanh(_TANH_SLOPE * (x + _TANH_CUBE * x**3))
    inner, bend = _TANH_SLOPE * (1 + 3 * _TANH_CUBE * x * x), 6 * _TANH_SLOPE * _TANH_CUBE * x
    slope = (1 - t * t) * inner
    return x * (1 + t) / 2, (1 + t + x * slope) / 2, slope + x * ((1 - t * t) * bend - 2 * t * slope * inner) / 2


def _gelu_exact(x: Array) -> tuple[Array, Array, Array]:
    below = jax.scipy.special.ndtr(x)
    density = jnp.exp(-x * x / 2) * (2 * jnp.pi) ** -0.5
    return x * below, below + x * density, density * (2 - x * x)


SIN = Smooth(jnp.sin, lambda x: (jnp.sin(x), jnp.cos(x), -jnp.sin(x)))
COS = Smooth(jnp.cos, lambda x: (jnp.cos(x), -jnp.sin(x), -jnp.cos(x)))
SmoothName = Literal["tanh", "sin", "silu", "gelu", "gelu_exact"]
SMOOTH: Mapping[SmoothName, Smooth] = {
    "tanh": Smooth(jnp.tanh, _tanh),
    "sin": SIN,
    "silu": Smooth(jax.nn.silu, _silu),
    "gelu": Smooth(jax.nn.gelu, _gelu),
    "gelu_exact": Smooth(lambda x: x * jax.scipy.special.ndtr(x), _gelu_exact),
}


def as_orders(orders: Sequence[Sequence[int]], ndim: int) -> tuple[Order, ...]:
    """Multi-indices of derivatives as tuples.

    **Raises:** `ValueError` if there is none, or one has not `ndim` entries or a negative one.
    """
    out = tuple(tuple(int(n) for n in order) for order in orders)
    if not out or any(len(order) != ndim or min(order) < 0 for order in out):
        raise ValueError(f"derivatives are given by {ndim} numbers each, one order per axis, got {out}")
    return out


def closure(orders: Sequence[Order]) -> tuple[Order, ...]:
    """The derivatives that those asked for depend on, by total order: the value first."""
    below = {low for order in orders for low in itertools.product(*(range(n + 1) for n in order))}
    return tuple(sorted(below, key=lambda order: (sum(order), [-n for n in order])))


class Bundle(eqx.Module):
    """Derivatives of total order at most two of several functions at points, of which `orders` is a `closure`."""

    data: Float[Array, "order point channel"]
    orders: tuple[Order, ...] = eqx.field(static=True)

    def pick(self, orders: Sequence[Order]) -> Jet:
        """The derivatives asked for."""
        return {order: self.data[self.orders.index(order)] for order in orders}

    def split(self) -> tuple[Array, Array, Array]:
        """Value (1, ..), first derivatives and second ones."""
        first = sum(sum(order) < 2 for order in self.orders)
        return self.data[:1], self.data[1:first], self.data[first:]

    def factors(self) -> tuple[Array, Array]:
        """For each second derivative the first ones along its two axes."""
        axes = [[i for i, n in enumerate(order) for _ in range(n)] for order in self.orders if sum(order) == 2]
        unit = lambda axis: tuple(int(i == axis) for i in range(len(self.orders[0])))
        along = lambda axis: self.data[self.orders.index(unit(axis))]
        pairs = [(along(i), along(j)) for i, j in axes]
        empty = self.data[:0]
        return (jnp.stack([p[0] for p in pairs]), jnp.stack([p[1] for p in pairs])) if pairs else (empty, empty)


def linear(bundle: Bundle, weight: Float[Array, "channel out"], bias: Float[Array, " out"] | None = None) -> Bundle:
    """`x @ weight + bias`, where the constant concerns the value only."""
    rows = bundle.data.reshape(-1, bundle.data.shape[-1])
    data = (rows @ weight).reshape(*bundle.data.shape[:-1], weight.shape[-1])
    if bias is not None:
        first = (jnp.arange(len(bundle.orders)) == 0).astype(data.dtype)
        data = data + first[:, None, None] * bias[None, None]
    return Bundle(data, bundle.orders)


def compose(function: Smooth, bundle: Bundle) -> Bundle:
    """f(x): first derivatives f' x_i, second ones f' x_ij + f'' x_i x_j."""
    if len(bundle.orders) == 1:
        return Bundle(function.value(bundle.data), bundle.orders)
    value, first, second = bundle.split()
    left, right = bundle.factors()
    f, slope, bend = function.jet(value)
    return Bundle(jnp.concatenate([f, slope * first, slope * second + bend * left * right]), bundle.orders)


def product(a: Bundle, b: Bundle) -> Bundle:
    """a b, with channels paired, or one channel on either side."""
    (u, u_i, u_ij), (v, v_i, v_ij) = a.split(), b.split()
    (u_l, u_r), (v_l, v_r) = a.factors(), b.factors()
    second = u_ij * v + u_l * v_r + u_r * v_l + u * v_ij
    return Bundle(jnp.concatenate([u * v, u_i * v + u * v_i, second]), a.orders)


def add(a: Bundle, b: Bundle) -> Bundle:
    """a + b."""
    return Bundle(a.data + b.data, a.orders)


def scale(factor: Array | float, bundle: Bundle) -> Bundle:
    """The bundle times a number."""
    return Bundle(factor * bundle.data, bundle.orders)


def beside(bundles: Sequence[Bundle]) -> Bundle:
    """The channels of all bundles."""
    return Bundle(jnp.concatenate([b.data for b in bundles], -1), bundles[0].orders)


def _direction(points: Points, axis: int) -> Points:
    """The tangent that moves all points along an axis."""
    if isinstance(points, TensorGrid):
        return TensorGrid(tuple(jnp.full_like(x, i == axis) for i, x in enumerate(points.axes)))
    return jnp.broadcast_to((jnp.arange(points.shape[-1]) == axis).astype(points.dtype), points.shape)


def _along(function: Callable, axis: int) -> Callable:
    return lambda points: jax.jvp(function, (points,), (_direction(points, axis),))[1]


def nested_jet(function: Callable[[Points], Array], points: Points, orders: Sequence[Order]) -> Jet:
    """Derivatives of any order of any function of points, by forward differentiation within itself.

    **Arguments:** `function`: points -> (point, channel), each point on its own; `points`: scattered or a grid;
    `orders`: multi-indices, one entry per axis.

    **Returns:** for each order the derivative, (point, channel). Work doubles with each order.
    """
    out = {}
    for order in orders:
        derivative = function
        for axis in (axis for axis, n in enumerate(order) for _ in range(n)):
            derivative = _along(derivative, axis)
        out[order] = derivative(points)
    return out
