"""A field made of Gaussians, with three ways to evaluate it and its derivatives, equal but for rounding.

- *separable*: on a tensor grid, with diagonal covariances, only 1-D factors are computed; one matrix product sums them.
- *gemm*: at scattered points the exponents are one matrix product of monomials with coefficients, and any derivative is
  a polynomial times the Gaussian: one exponential and one more matrix product give all derivatives. The monomials
  cancel: in single precision the field is off by 3e-4 of its size where Gaussians are as narrow as 0.005 of the box.
- *direct*: the derivatives of every Gaussian at every point, as they are written on paper; it takes every rule.
"""

import functools
import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from pdejax.core import (
    AnyPoints,
    Count,
    Counts,
    Key,
    NotNegative,
    PerAxis,
    Points,
    Positive,
    TensorGrid,
    as_points,
    checked,
    known,
    register,
)
from pdejax.networks.fields.axis import AxisRule, Box, Walls, axis_rules, check_box, spread, walled
from pdejax.networks.fields.taylor import SMOOTH, Bundle, Jet, Order, as_orders, closure, compose, linear, nested_jet
from pdejax.networks.layers.checks import per_axis
from pdejax.networks.layers.linear import Linear
from pdejax.networks.layers.random import normal

PATHS = ("auto", "separable", "gemm", "direct")
IMAGES = 20  # of one Gaussian, up to which an exponential for each costs less than the factors of all axes
Polynomial = dict[Order, Array]  # coefficients by powers of the coordinates
_dot = functools.partial(jnp.matmul, precision="highest")  # exponents do not bear the rounding of bfloat16


class _Set(eqx.Module):
    """One set of Gaussians with its features."""

    centres: Float[Array, "n axis"]
    log_widths: Float[Array, "n axis"]
    weights: Float[Array, "n feature"]
    shears: Float[Array, "n pair"] | None

    def precision(self) -> Float[Array, "n axis axis2"]:
        """D^-1 T^T T D^-1, D being the widths and T unit lower triangular."""
        n, ndim = self.centres.shape
        lower = jnp.broadcast_to(jnp.eye(ndim, dtype=self.centres.dtype), (n, ndim, ndim))
        if self.shears is not None:
            lower = lower.at[:, *np.tril_indices(ndim, -1)].set(self.shears)
        root = lower * jnp.exp(-self.log_widths)[:, None]
        return jnp.einsum("nki,nkj->nij", root, root, precision="highest")


def _unit(ndim: int, *axes: int) -> Order:
    return tuple(axes.count(i) for i in range(ndim))


def _sum(terms: Iterable[tuple[Order, Array]]) -> Polynomial:
    out: Polynomial = {}
    for power, coefficient in terms:
        out[power] = out[power] + coefficient if power in out else coefficient
    return out


def _slope(p: Polynomial, axis: int) -> Polynomial:
    lower = lambda power: tuple(n - (i == axis) for i, n in enumerate(power))
    return {lower(power): power[axis] * c for power, c in p.items() if power[axis]}


def _times(p: Polynomial, q: Polynomial) -> Polynomial:
    add = lambda a, b: tuple(map(sum, zip(a, b, strict=True)))
    return _sum((add(a, b), c * d) for (a, c), (b, d) in itertools.product(p.items(), q.items()))


def _monomial(x: Float[Array, "*n axis"], power: Order) -> Array:
    factors = [x[..., i] for i, n in enumerate(power) for _ in range(n)]
    return functools.reduce(jnp.multiply, factors, jnp.ones_like(x[..., 0]))


def _exponent(gaussians: _Set, centres: Array | None) -> Polynomial:
    """-(x - centre)^T P (x - centre) / 2 as a polynomial in x, or in the distance x if there are no centres."""
    precision = gaussians.precision()
    ndim = precision.shape[-1]
    pairs = [(i, j) for i in range(ndim) for j in range(i + 1) if i == j or gaussians.shears is not None]
    quadratic = [(_unit(ndim, i, j), -precision[:, i, j] / (1 + (i == j))) for i, j in pairs]
    if centres is None:
        return _sum(quadratic)
    pull = jnp.einsum("nij,nj->ni", precision, centres, precision="highest")
    constant = -jnp.sum(pull * centres, -1) / 2
    return _sum([*quadratic, *((_unit(ndim, i), pull[:, i]) for i in range(ndim)), (_unit(ndim), constant)])


def _derivative(exponent: Polynomial, order: Order) -> Polynomial:
    """p with D^order exp(E) = p exp(E), by the recursion d(p exp(E)) = (dp + p dE) exp(E)."""
    p = {_unit(len(order)): jnp.ones_like(next(iter(exponent.values())))}
    for axis in (axis for axis, n in enumerate(order) for _ in range(n)):
        p = _sum([*_slope(p, axis).items(), *_times(p, _slope(exponent, axis)).items()])
    return p


def _images(rules: Sequence[AxisRule], centres: Float[Array, "n axis"]) -> list[tuple[float, Array]]:
    """Signs and centres (n, axis) of all images."""
    per_axis = [rule.images(centres[:, i]) for i, rule in enumerate(rules)]
    signed = lambda images: (math.prod(sign for sign, _ in images), jnp.stack([c for _, c in images], -1))
    return [signed(images) for images in itertools.product(*per_axis)]


def _products(factors: Sequence[Array], start: Array) -> Array:
    """start (.., point0, n) times 1-D factors (point, n): the points of all of them in C order, (.., points, n)."""
    for factor in factors:
        grown = start[..., None, :] * factor.reshape(*(1,) * (start.ndim - 1), *factor.shape)
        start = grown.reshape(*start.shape[:-2], -1, start.shape[-1])
    return start


def _factors(
    gaussians: _Set, rules: Sequence[AxisRule], axes: Sequence[Array] | Array, orders: Sequence[Order]
) -> list:
    """For each axis the derivatives (point, n) of its factors, as high as they are needed."""
    widths = jnp.exp(gaussians.log_widths)
    high = [max(order[i] for order in orders) for i in range(len(rules))]
    return [rule.factor(axes[i], gaussians.centres[:, i], widths[:, i], high[i]) for i, rule in enumerate(rules)]


def _pick(factors: Sequence, order: Order) -> list[Array]:
    return [factor[n] for factor, n in zip(factors, order, strict=True)]


def _cut(shape: Sequence[int], features: int) -> int:
    """After how many axes to part a grid, so that both factors of the matrix product are small."""
    cost = lambda i: math.prod(shape[:i]) + features * math.prod(shape[i:])
    return min(range(1, len(shape) + 1), key=cost)


def _separable(gaussians: _Set, rules: Sequence[AxisRule], grid: TensorGrid, orders: Sequence[Order]) -> Array:
    n, features = gaussians.weights.shape
    factors, cut = _factors(gaussians, rules, grid.axes, orders), _cut(grid.shape, features)
    one = jnp.ones((1, n), gaussians.weights.dtype)

    def value(order: Order) -> Array:
        left = _products(_pick(factors, order)[:cut], one)
        right = _products(_pick(factors, order)[cut:], gaussians.weights.T[:, None])
        return _dot(left, right.reshape(-1, n).T).reshape(-1, features, right.shape[1]).swapaxes(1, 2)

    return jnp.stack([value(order).reshape(-1, features) for order in orders])


def _gemm(
    gaussians: _Set, rules: Sequence[AxisRule], points: Array, orders: Sequence[Order], middle: tuple[float, ...]
) -> Array:
    # monomials about the middle of the box: far from the origin squares would cancel
    origin = jnp.asarray(middle, points.dtype)[None]
    x = jnp.stack([rule.place(points[:, i]) for i, rule in enumerate(rules)], -1) - origin
    images = _images(rules, gaussians.centres)
    parts = [_exponent(gaussians, centre - origin) for _, centre in images]
    exponent = {power: jnp.concatenate([part[power] for part in parts]) for power in parts[0]}
    weights = jnp.concatenate([sign * gaussians.weights for sign, _ in images])
    monomials = jnp.stack([_monomial(x, power) for power in exponent], -1)
    bumps = jnp.exp(_dot(monomials, jnp.stack(list(exponent.values()))))
    terms = [(i, *term) for i, order in enumerate(orders) for term in _derivative(exponent, order).items()]
    columns = jnp.stack([coefficient[:, None] * weights for _, _, coefficient in terms], 1)
    table = _dot(bumps, columns.reshape(weights.shape[0], -1)).reshape(x.shape[0], *columns.shape[1:])
    parts = [(i, _monomial(x, power)[:, None] * table[:, j]) for j, (i, power, _) in enumerate(terms)]
    total = lambda i: functools.reduce(jnp.add, [part for k, part in parts if k == i])
    return jnp.stack([total(i) for i in range(len(orders))])


def _basis(
    gaussians: _Set, rules: Sequence[AxisRule], points: Points, orders: Sequence[Order]
) -> Float[Array, "order point n"]:
    """Derivatives of every Gaussian at every point."""
    if gaussians.shears is not None:
        x = points.points() if isinstance(points, TensorGrid) else points
        return _sheared(gaussians, rules, x, orders)
    if isinstance(points, TensorGrid):
        factors = _factors(gaussians, rules, points.axes, orders)
        one = jnp.ones((1, len(gaussians.centres)), gaussians.centres.dtype)
        return jnp.stack([_products(_pick(factors, order), one) for order in orders])
    factors = _factors(gaussians, rules, points.T, orders)
    return jnp.stack([functools.reduce(jnp.multiply, _pick(factors, order)) for order in orders])


def _sheared(gaussians: _Set, rules: Sequence[AxisRule], points: Array, orders: Sequence[Order]) -> Array:
    exponent = _exponent(gaussians, None)
    x = jnp.stack([rule.place(points[:, i]) for i, rule in enumerate(rules)], -1)

    def image(sign: float, centres: Array) -> Array:
        away = x[:, None] - centres[None]
        at = lambda p: functools.reduce(jnp.add, [c[None] * _monomial(away, power) for power, c in p.items()])
        bump = sign * jnp.exp(at(exponent))
        return jnp.stack([at(_derivative(exponent, order)) * bump for order in orders])

    return functools.reduce(jnp.add, [image(*one) for one in _images(rules, gaussians.centres)])


class _Head(eqx.Module):
    """Two linear maps with a tanh between them."""

    hidden: Linear
    out: Linear

    def __init__(self, features: int, hidden: int, channels: int, *, key: Key):
        keys = jax.random.split(key)
        glorot = lambda i, o, key: Linear(i, o, gain=(2 * i / (i + o)) ** 0.5, key=key)
        self.hidden, self.out = glorot(features, hidden, keys[0]), glorot(hidden, channels, keys[1])

    def __call__(self, x: Bundle) -> Bundle:
        hidden = compose(SMOOTH["tanh"], linear(x, self.hidden.weight, self.hidden.bias))
        return linear(hidden, self.out.weight, self.out.bias)


@register("field", "gaussians")
class GaussianField(eqx.Module):
    """A function of the coordinates of a box: sums of Gaussians, and a head that makes channels of these features.

    All parameters are in the units of the coordinates. Source: Kang et al., Physics-informed Gaussians, ICLR 2025.
    """

    centres: Float[Array, "set n axis"]
    log_widths: Float[Array, "set n axis"]
    weights: Float[Array, "set n feature"]
    shears: Float[Array, "set n pair"] | None
    head: _Head | None
    rules: tuple[AxisRule, ...] = eqx.field(static=True)
    box: Box = eqx.field(static=True)

    @checked
    def __init__(
        self,
        channels: int,
        box: Sequence[Sequence[float]],
        *,
        count: Annotated[Count | Counts, PerAxis()] = 400,
        features: Count | None = None,
        shared: bool = True,
        covariance: Literal["diagonal", "dense"] = "diagonal",
        head: Literal["linear", "mlp"] = "mlp",
        hidden: Count = 16,
        width: Annotated[Positive | Sequence[Positive] | None, PerAxis()] = None,
        margin: NotNegative = 0.0,
        scale: NotNegative = 0.01,
        periodic: bool | Sequence[bool] = False,
        parity: str | Sequence[str] = "none",
        walls: Annotated[Walls | Sequence[Walls], PerAxis()] = "none",
        rules: Sequence[AxisRule] | None = None,
        key: Key,
    ):
        """**Arguments:**

        - `channels`: of the field.
        - `box`: (low, high) of each axis.
        - `count`: how many Gaussians a set has, at uniformly random places; or one number per axis, on a lattice.
        - `features`: sums of Gaussians that the head takes, four if omitted; with a linear head as many as `channels`.
        - `shared`: whether all features are sums of the same Gaussians (the paper's formula), or each has a set of its
            own (its released code).
        - `covariance`: `"diagonal"` or `"dense"`, which adds shears, zero at first.
        - `head`: `"linear"`, the features are the channels, or `"mlp"`, a layer of `hidden` tanh units.
        - `hidden`: units of that layer.
        - `width`: of all Gaussians at first as a part of the axis, one number or one per axis; if omitted 0.05, and on
            a lattice 2.5 of its spacings.
        - `margin`: how far centres lie beyond the box, as a part of the axis, where its rule lets them.
        - `scale`: standard deviation of the weights at first.
        - `periodic`, `parity`: of each axis, or one for all; parities, `"none"`, `"even"` or `"odd"`, are about the
            middle. A period holds to double rounding for widths up to 1.5 times the first ones, and in any case up to
            period / 8.5, and so does a parity beside it; one of a bounded axis holds for all widths.
        - `walls`: ends of each axis at which the field is exactly zero, `"none"`, `"left"`, `"right"` or `"both"`, one
            for all or one per axis, on axes that are neither periodic nor have a parity.
        - `rules`: in place of these three the rule of each axis, as it stands: `Free()`, `Periodic`, `Mirror`, `Wall`.
        - `key`: random key. (Keyword only argument.)

        **Raises:** `ValueError` for unknown names, numbers that do not fit the axes, rules beside what they stand in
        place of, or rules that dense covariances do not take.
        """
        self.box = check_box(box)
        ndim = len(self.box)
        flags, signs = per_axis("periodic", periodic, ndim), per_axis("parity", parity, ndim)
        plain = axis_rules(self.box, flags, signs)
        ends = per_axis("walls", walls, ndim)
        if rules is not None and (any(flags) or {*signs, *ends} != {"none"}):
            found = f"periodic={periodic!r}, parity={parity!r}, walls={walls!r}"
            raise ValueError(f"rules stand in place of periodic, parity and walls: give either, got rules and {found}")
        self.rules = walled(plain, self.box, ends) if rules is None else tuple(rules)
        _check(self.rules, ndim, covariance)
        features = _feature_count(features, channels, head)
        sets = 1 if shared else features
        keys = jax.random.split(key, 3)
        places, widths = _layout(self.rules, self.box, count, margin, width, sets, keys[0])
        if rules is None:
            self.rules = tuple(rule.covering(w) for rule, w in zip(self.rules, widths, strict=True))
        n = places.shape[1]
        self.centres = places
        self.log_widths = jnp.broadcast_to(jnp.log(jnp.asarray(widths, places.dtype))[None, None], places.shape)
        self.weights = normal(keys[1], (sets, n, features if shared else 1), scale)
        self.shears = None if covariance == "diagonal" else jnp.zeros((sets, n, ndim * (ndim - 1) // 2), places.dtype)
        self.head = None if head == "linear" else _Head(features, hidden, channels, key=keys[2])

    def __call__(self, points: AnyPoints, *, path: str = "auto") -> Float[Array, "point channel"]:
        """**Arguments:** `points`: scattered or a grid; `path`: as of `jet`. **Returns:** the field there."""
        value = (0,) * len(self.box)
        return self.jet(points, [value], path=path)[value]

    @jax.named_scope("pdejax.GaussianField")
    def jet(self, points: AnyPoints, orders: Sequence[Sequence[int]], *, path: str = "auto") -> Jet:
        """Derivatives of the field.

        **Arguments:**

        - `points`: scattered or a grid.
        - `orders`: multi-indices, one entry per axis. Beyond total order two an MLP head costs nested differentiation.
        - `path`: `"separable"`, `"gemm"`, `"direct"`, or `"auto"`: the first of them that the points and the rules
            allow. In single precision the exponents of `"gemm"` are exact to 1e-7 times (half the box / width)^2.

        **Returns:** for each order an array (point, channel).

        **Raises:** `ValueError` for a path that does not go, or orders that do not fit the axes.
        """
        points, wanted = as_points(points, len(self.box)), as_orders(orders, len(self.box))
        if self.head is None:
            return dict(zip(wanted, self._features(points, wanted, path), strict=True))
        if max(map(sum, wanted)) > 2:
            return nested_jet(lambda points: self(points, path=path), points, wanted)
        needed = closure(wanted)
        return self.head(Bundle(self._features(points, needed, path), needed)).pick(wanted)

    def design(self, points: Points, orders: Sequence[Sequence[int]]) -> dict[Order, Float[Array, "point n"]]:
        """What the weights are multiplied by: the derivatives of each Gaussian, for a linear solve.

        **Arguments:** as of `jet`.

        **Raises:** `ValueError` unless the Gaussians are shared and the head is linear.
        """
        if self.head is not None or len(self.weights) > 1:
            raise ValueError('only a field with head "linear" and shared=True is a matrix times its weights')
        wanted = as_orders(orders, len(self.box))
        basis = self._each_set(lambda gaussians: _basis(gaussians, self.rules, self._as_own(points), wanted))
        return dict(zip(wanted, basis[0], strict=True))

    def _features(self, points: Points, orders: Sequence[Order], path: str) -> Float[Array, "order point feature"]:
        one = self._each_set(self._evaluation(self._as_own(points), orders, path))
        return jnp.moveaxis(one, 0, 2).reshape(*one.shape[1:3], -1)

    def _evaluation(self, points: Points, orders: Sequence[Order], path: str) -> Callable[[_Set], Array]:
        """The function of a set that gives its features."""
        path = self._path(points, path)
        if path == "separable" and isinstance(points, TensorGrid):
            return lambda gaussians: _separable(gaussians, self.rules, points, orders)
        if path == "direct":
            return lambda gaussians: _dot(_basis(gaussians, self.rules, points, orders), gaussians.weights[None])
        scattered = points.points() if isinstance(points, TensorGrid) else points
        middle = tuple((low + high) / 2 for low, high in self.box)
        return lambda gaussians: _gemm(gaussians, self.rules, scattered, orders, middle)

    def _path(self, points: Points, path: str) -> str:
        """The path to take."""
        if path not in PATHS:
            raise ValueError(known("path", path, PATHS))
        grid, images = isinstance(points, TensorGrid), math.prod(rule.image_count for rule in self.rules)
        if path == "auto" and grid and self.shears is None:
            return "separable"
        if path == "auto":
            return "gemm" if 0 < images <= IMAGES else "direct"
        if path == "separable" and (not grid or self.shears is not None):
            raise ValueError(
                "the separable path needs a TensorGrid and diagonal covariances: ask for auto, gemm or direct"
            )
        if path == "gemm" and not images:
            raise ValueError("the gemm path needs rules by images, and a Wall is none: ask for auto or direct")
        return path

    def _each_set(self, function: Callable[[_Set], Array]) -> Array:
        # one after the other: what belongs to a set stays in the cache, 1.5 times faster than all in one batch
        shears = lambda i: None if self.shears is None else self.shears[i]
        one = lambda i: _Set(self.centres[i], self.log_widths[i], self.weights[i], shears(i))
        return jnp.stack([function(one(i)) for i in range(len(self.centres))])

    def _as_own(self, points: Points) -> Points:
        """The points in the precision of the parameters."""
        return jax.tree.map(lambda x: x.astype(self.centres.dtype), points)


def _layout(
    rules: Sequence[AxisRule],
    box: Box,
    count: int | Sequence[int],
    margin: float,
    width: float | Sequence[float] | None,
    sets: int,
    key: Key,
) -> tuple[Float[Array, "set n axis"], tuple[float, ...]]:
    """Centres and the width along each axis."""
    lengths = [high - low for low, high in box]
    if isinstance(count, int):
        spans = np.array([r.span(*ends, margin * s) for r, ends, s in zip(rules, box, lengths, strict=True)]).T
        start, size = spans[0], spans[1] - spans[0]
        parts = jax.random.uniform(key, (sets * count * len(box),)).reshape(sets, count, len(box))
        centres = jnp.asarray(start, parts.dtype)[None, None] + jnp.asarray(size, parts.dtype)[None, None] * parts
        natural = [0.05 * s for s in lengths]
    else:
        counts = per_axis("count", count, len(box))
        axes = [spread(r, *b, margin * s, n) for r, b, s, n in zip(rules, box, lengths, counts, strict=True)]
        grid = TensorGrid(tuple(jnp.asarray(places, jnp.result_type(float)) for places, _ in axes)).points()
        centres = jnp.broadcast_to(grid[None], (sets, *grid.shape))
        natural = [2.5 * spacing for _, spacing in axes]
    if width is None:
        return centres, tuple(natural)
    return centres, tuple(w * s for w, s in zip(per_axis("width", width, len(box)), lengths, strict=True))


def _feature_count(features: int | None, channels: int, head: str) -> int:
    natural = channels if head == "linear" else 4
    if head == "linear" and features not in (None, channels):
        raise ValueError(f"features are the {channels} channels with head=linear: leave it out, got {features}")
    return natural if features is None else features


def _check(rules: Sequence[AxisRule], ndim: int, covariance: str) -> None:
    if len(rules) != ndim:
        raise ValueError(f"a box of {ndim} axes needs as many rules, got {len(rules)}")
    if covariance == "dense" and any(rule.reflects or not rule.image_count for rule in rules):
        raise ValueError(f"dense covariances take free and periodic axes without parity, got {tuple(rules)}")
