"""Perceptrons as functions of the coordinates of a box, and what makes periods and parities hold exactly for them.

The box is scaled to [-1, 1] inside. Along a periodic axis the network sees cosines and sines only, along an even axis
even functions only; an odd function is an even one times a simple odd one, so the output is multiplied by that.
"""

import abc
import dataclasses
import functools
from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from pdejax.core import (
    AnyPoints,
    Count,
    Depth,
    Key,
    Positive,
    TensorGrid,
    Whole,
    as_points,
    checked,
    known,
    register,
)
from pdejax.networks.fields.axis import PARITIES, Box, check_box
from pdejax.networks.fields.taylor import (
    COS,
    SIN,
    SMOOTH,
    Bundle,
    Jet,
    Order,
    Smooth,
    SmoothName,
    as_orders,
    beside,
    closure,
    compose,
    linear,
    nested_jet,
    product,
    scale,
)
from pdejax.networks.layers.checks import check_positive, per_axis
from pdejax.networks.layers.random import normal


@dataclasses.dataclass(frozen=True)
class Interval:
    """A bounded axis, seen as xi in [-1, 1], or as xi^2 if the field has a parity about the middle."""

    low: float
    high: float
    parity: str = "none"

    @property
    def count(self) -> int:
        """Features of a coordinate."""
        return 1

    def _scaled(self, x: Array) -> tuple[Array, Array]:
        slope = 2 / (self.high - self.low)
        return slope * (x - (self.low + self.high) / 2), jnp.full_like(x, slope)

    def features(self, x: Float[Array, " point"], order: int) -> Float[Array, "point count"]:
        """Derivative of the features of a coordinate, of order at most two."""
        xi, slope = self._scaled(x)
        plain, even = (xi, slope, 0 * xi), (xi * xi, 2 * xi * slope, 2 * slope**2)
        return (plain if self.parity == "none" else even)[order][:, None]

    def factor(self, x: Float[Array, " point"], order: int) -> Float[Array, " point"]:
        """Derivative of what the output is multiplied by."""
        xi, slope = self._scaled(x)
        return ((xi, slope, 0 * xi) if self.parity == "odd" else (jnp.ones_like(x), 0 * xi, 0 * xi))[order]


@dataclasses.dataclass(frozen=True)
class Circle:
    """A periodic axis, seen as cos(k theta) and sin(k theta), k = 1 .. `harmonics`; cosines only if it has a parity."""

    low: float
    high: float
    parity: str = "none"
    harmonics: int = 1

    @property
    def count(self) -> int:
        """Features of a coordinate."""
        return self.harmonics * (2 if self.parity == "none" else 1)

    def _wave(self, x: Array, k: int, order: int, phase: float = 0.0) -> Array:
        """Derivative of cos(k theta + phase), theta being zero in the middle."""
        rate = 2 * np.pi * k / (self.high - self.low)
        angle = rate * (x - (self.low + self.high) / 2) + phase
        return rate**order * (jnp.cos(angle), -jnp.sin(angle), -jnp.cos(angle))[order]

    def features(self, x: Float[Array, " point"], order: int) -> Float[Array, "point count"]:
        """Derivative of the features of a coordinate, of order at most two."""
        phases = (0.0, -np.pi / 2) if self.parity == "none" else (0.0,)
        waves = [self._wave(x, k, order, phase) for phase in phases for k in range(1, self.harmonics + 1)]
        return jnp.stack(waves, -1)

    def factor(self, x: Float[Array, " point"], order: int) -> Float[Array, " point"]:
        """Derivative of what the output is multiplied by."""
        if self.parity == "odd":
            return self._wave(x, 1, order, -np.pi / 2)
        return jnp.ones_like(x) if order == 0 else jnp.zeros_like(x)


class Embedding(eqx.Module):
    """What a network sees of the coordinates: features of each axis, and waves of random frequencies of them."""

    frequencies: Float[Array, "count wave"] | None
    axes: tuple[Interval | Circle, ...] = eqx.field(static=True)

    def __init__(
        self,
        box: Box,
        *,
        periodic: bool | Sequence[bool] = False,
        parity: str | Sequence[str] = "none",
        harmonics: int = 1,
        fourier_features: int = 0,
        fourier_scale: float = 1.0,
        key: Key,
    ):
        """**Arguments:** as of `MLPField`.

        **Raises:** `ValueError` for values that do not fit the axes, or an odd number of Fourier features.
        """
        flags, signs = per_axis("periodic", periodic, len(box)), per_axis("parity", parity, len(box))
        check_positive(harmonics=harmonics)
        if unknown := [sign for sign in signs if sign not in PARITIES]:
            raise ValueError(known("parity", unknown[0], PARITIES))
        if fourier_features % 2 or fourier_features < 0:
            raise ValueError(f"fourier_features are pairs of a cosine and a sine, got {fourier_features}")
        axis = lambda low, high, wraps, sign: Circle(low, high, sign, harmonics) if wraps else Interval(low, high, sign)
        self.axes = tuple(axis(*ends, *kind) for ends, *kind in zip(box, flags, signs, strict=True))
        shape = (sum(axis.count for axis in self.axes), fourier_features // 2)
        self.frequencies = normal(key, shape, fourier_scale) if fourier_features else None

    @property
    def count(self) -> int:
        """Channels of the result."""
        return sum(axis.count for axis in self.axes) if self.frequencies is None else 2 * self.frequencies.shape[1]

    def __call__(self, points: Float[Array, "point axis"], orders: tuple[Order, ...]) -> Bundle:
        """**Arguments:** `points`; `orders`: a `closure`. **Returns:** what the network's first layer takes."""
        bundle = beside([self._along(i, points[:, i], orders) for i in range(len(self.axes))])
        if self.frequencies is None:
            return bundle
        waves = linear(bundle, self.frequencies)
        return beside([compose(COS, waves), compose(SIN, waves)])

    def _along(self, i: int, x: Array, orders: tuple[Order, ...]) -> Bundle:
        axis = self.axes[i]
        zero = jnp.zeros((x.shape[0], axis.count), x.dtype)
        alone = lambda order: sum(order) == order[i]
        data = [axis.features(x, order[i]) if alone(order) else zero for order in orders]
        return Bundle(jnp.stack(data), orders)

    def symmetric(self, points: Float[Array, "point axis"], bundle: Bundle) -> Bundle:
        """A network's output with the parities of all axes."""
        if all(axis.parity != "odd" for axis in self.axes):
            return bundle
        factors = lambda order: [axis.factor(points[:, i], order[i]) for i, axis in enumerate(self.axes)]
        data = [functools.reduce(jnp.multiply, factors(order))[:, None] for order in bundle.orders]
        return product(Bundle(jnp.stack(data), bundle.orders), bundle)


class Dense(eqx.Module):
    """An affine map, whose columns may have trainable factors: W = V diag(exp(s)).

    Source of the factors: Wang et al., Random weight factorization improves training, arXiv:2210.01274.
    """

    weight: Float[Array, "channel out"]
    bias: Float[Array, " out"]
    log_factor: Float[Array, " out"] | None

    def __init__(self, in_channels: int, out_channels: int, *, factorised: bool = False, key: Key):
        """**Arguments:** `in_channels`, `out_channels`: sizes; `factorised`: whether there are factors, exp(s) with s
        normal about 1 with deviation 0.1; the map is the same at first; `key`: random key. Glorot normal weights.
        """
        keys = jax.random.split(key)
        weight = normal(keys[0], (in_channels, out_channels), (2 / (in_channels + out_channels)) ** 0.5)
        self.log_factor = 1 + normal(keys[1], (out_channels,), 0.1) if factorised else None
        self.weight = weight if self.log_factor is None else weight * jnp.exp(-self.log_factor)[None]
        self.bias = jnp.zeros(out_channels, weight.dtype)

    def __call__(self, x: Bundle) -> Bundle:
        """**Arguments:** `x`: a bundle. **Returns:** the bundle with the new channels."""
        weight = self.weight if self.log_factor is None else self.weight * jnp.exp(self.log_factor)[None]
        return linear(x, weight, self.bias)


class AbstractNetworkField(eqx.Module):
    """A field that is a network: derivatives to order two go along with the value, higher ones are nested."""

    embedding: eqx.AbstractVar[Embedding]

    @abc.abstractmethod
    def channels_of(self, x: Bundle) -> Bundle:
        """From the embedding of points to the channels, before parities."""

    def __call__(self, points: AnyPoints) -> Float[Array, "point channel"]:
        """**Arguments:** `points`: scattered or a grid. **Returns:** the field there."""
        value = (0,) * len(self.embedding.axes)
        return self.jet(points, [value])[value]

    def jet(self, points: AnyPoints, orders: Sequence[Sequence[int]]) -> Jet:
        """Derivatives of the field.

        **Arguments:** `points`: scattered or a grid; `orders`: multi-indices, one entry per axis.

        **Returns:** for each order an array (point, channel).

        **Raises:** `ValueError` for orders that do not fit the axes.
        """
        points, wanted = as_points(points, len(self.embedding.axes)), as_orders(orders, len(self.embedding.axes))
        if max(map(sum, wanted)) > 2:
            return nested_jet(self, points, wanted)
        scattered = points.points() if isinstance(points, TensorGrid) else points
        x = scattered.astype(jax.tree.leaves(self)[0].dtype)
        return self.embedding.symmetric(x, self.channels_of(self.embedding(x, closure(wanted)))).pick(wanted)


@register("field", "mlp")
class MLPField(AbstractNetworkField):
    """A perceptron of the coordinates."""

    embedding: Embedding
    layers: tuple[Dense, ...]
    activation: Smooth = eqx.field(static=True)

    @checked
    def __init__(
        self,
        channels: int,
        box: Sequence[Sequence[float]],
        *,
        width: Count = 64,
        depth: Depth = 4,
        activation: SmoothName = "tanh",
        periodic: bool | Sequence[bool] = False,
        parity: str | Sequence[str] = "none",
        harmonics: Count = 1,
        fourier_features: Whole = 0,
        fourier_scale: Positive = 1.0,
        factorised: bool = False,
        key: Key,
    ):
        """**Arguments:**

        - `channels`: of the field.
        - `box`: (low, high) of each axis.
        - `width`, `depth`: units of the hidden layers, and how many there are.
        - `activation`: one of `SMOOTH`; `"gelu"` is the one by tanh, `"gelu_exact"` the one by the normal distribution.
        - `periodic`, `parity`: of each axis, or one for all; parities, `"none"`, `"even"` or `"odd"`, are about the
            middle. They hold exactly.
        - `harmonics`: multiples of the lowest frequency that the network sees along periodic axes.
        - `fourier_features`: cosines and sines of random combinations of the coordinates, trainable; zero for none.
        - `fourier_scale`: standard deviation of their frequencies.
        - `factorised`: whether the columns of all weights have trainable factors.
        - `key`: random key. (Keyword only argument.)

        **Raises:** `ValueError` for unknown names or values that do not fit the axes.
        """
        keys = jax.random.split(key, depth + 2)
        waves = {"fourier_features": fourier_features, "fourier_scale": fourier_scale}
        symmetry = {"periodic": periodic, "parity": parity, "harmonics": harmonics}
        self.embedding = Embedding(check_box(box), **symmetry, **waves, key=keys[0])
        sizes = [self.embedding.count, *[width] * depth, channels]
        pairs = zip(sizes[:-1], sizes[1:], keys[1:], strict=True)
        self.layers = tuple(Dense(i, o, factorised=factorised, key=k) for i, o, k in pairs)
        self.activation = SMOOTH[activation]

    @jax.named_scope("pdejax.MLPField")
    def channels_of(self, x: Bundle) -> Bundle:
        for layer in self.layers[:-1]:
            x = compose(self.activation, layer(x))
        return self.layers[-1](x)


@register("field", "siren")
class SIREN(AbstractNetworkField):
    """A perceptron with sines: sin(omega0 (W x + b)) in every hidden layer.

    Source: Sitzmann et al., NeurIPS 2020 (arXiv:2006.09661), section 3.2 and its supplement.
    """

    embedding: Embedding
    layers: tuple[Dense, ...]
    omega0: float = eqx.field(static=True)

    @checked
    def __init__(
        self,
        channels: int,
        box: Sequence[Sequence[float]],
        *,
        width: Count = 64,
        depth: Depth = 4,
        omega0: Positive = 30.0,
        periodic: bool | Sequence[bool] = False,
        parity: str | Sequence[str] = "none",
        harmonics: Count = 1,
        key: Key,
    ):
        """**Arguments:** as of `MLPField`; `omega0`: factor of all arguments of sines, the higher the finer is what the
        field shows at first.

        **Raises:** `ValueError` for values that do not fit the axes.
        """
        keys = jax.random.split(key, depth + 2)
        symmetry = {"periodic": periodic, "parity": parity, "harmonics": harmonics}
        self.embedding = Embedding(check_box(box), **symmetry, key=keys[0])
        sizes = [self.embedding.count, *[width] * depth, channels]
        bounds = [1 / sizes[0], *((6 / n) ** 0.5 / omega0 for n in sizes[1:-1])]
        rows = zip(sizes[:-1], sizes[1:], bounds, keys[1:], strict=True)
        self.layers = tuple(_uniform(*row) for row in rows)
        self.omega0 = omega0

    @jax.named_scope("pdejax.SIREN")
    def channels_of(self, x: Bundle) -> Bundle:
        for layer in self.layers[:-1]:
            x = compose(SIN, scale(self.omega0, layer(x)))
        return self.layers[-1](x)


def _uniform(in_channels: int, out_channels: int, bound: float, key: Key) -> Dense:
    """Uniform weights within the bound, and biases within 1 / sqrt(in_channels)."""
    keys = jax.random.split(key)
    draw = lambda key, shape, bound: jax.random.uniform(key, (int(np.prod(shape)),), minval=-bound, maxval=bound)
    weight = draw(keys[0], (in_channels, out_channels), bound).reshape(in_channels, out_channels)
    bias = draw(keys[1], (out_channels,), in_channels**-0.5)
    return eqx.tree_at(lambda d: (d.weight, d.bias), Dense(in_channels, out_channels, key=key), (weight, bias))
