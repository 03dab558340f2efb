"""Gaussians on tensor lattices, one lattice for each slab of time: a field whose weights least squares find at once."""

import string
from collections.abc import Sequence
from typing import Annotated, Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from pdejax.core import (
    AnyPoints,
    Count,
    Counts,
    Key,
    NotNegative,
    PerAxis,
    Positive,
    TensorGrid,
    Whole,
    as_points,
    checked,
    register,
)
from pdejax.networks.fields.axis import AxisRule, Box, Free, axis_rules, check_box
from pdejax.networks.fields.taylor import Order, as_orders
from pdejax.networks.layers.checks import per_axis
from pdejax.networks.layers.random import normal

WIDE = 10.0  # width of the wide Gaussians, in lengths of a slab
CHUNK = 256  # points or times evaluated at once, each of which needs the weights of its slab


@register("field", "gaussian_lattice")
class GaussianLattice(eqx.Module):
    """u(t, x, ..) = sum of w_ij.. T_i(t) X_j(x) .., products of 1-D Gaussians, with others in every slab of time.

    A field of `GaussianField`'s kind with diagonal covariances and a linear head, whose centres form a lattice in each
    slab. It is evaluated by one matrix product per axis. Slabs part the first axis; a steady field has one.
    """

    centres: tuple[Float[Array, "slab _"], ...]
    widths: tuple[Float[Array, "slab _"], ...]
    weights: Float[Array, "slab *n channel"]
    edges: Float[Array, " edge"]
    rules: tuple[AxisRule, ...] = eqx.field(static=True)
    box: Box = eqx.field(static=True)
    overlap: tuple[float, ...] = eqx.field(static=True)
    beyond: tuple[int, ...] = eqx.field(static=True)
    wide: bool = eqx.field(static=True)

    @checked
    def __init__(
        self,
        channels: int,
        box: Sequence[Sequence[float]],
        *,
        counts: Annotated[Count | Counts, PerAxis()],
        slabs: Count = 1,
        overlap: Annotated[Positive | Sequence[Positive], PerAxis()] = 2.5,
        beyond: Annotated[Whole | Sequence[Whole], PerAxis()] = 1,
        wide: bool | None = None,
        scale: NotNegative = 0.0,
        periodic: bool | Sequence[bool] = False,
        parity: str | Sequence[str] = "none",
        key: Key,
    ):
        """**Arguments:**

        - `channels`: of the field.
        - `box`: (low, high) of each axis.
        - `counts`: Gaussians per axis, on the first axis those of one slab; on an axis with a parity those of one half.
        - `slabs`: how many there are.
        - `overlap`: widths over the distance of neighbouring centres, one number or one per axis.
        - `beyond`: centres that lie outside, at each end that is neither periodic nor a mirror, one number or one per
            axis.
        - `wide`: whether two Gaussians of ten lengths of a slab join those of the first axis, at the ends of each slab,
            whose span holds nearly what is constant and linear; if omitted, where there are several slabs.
        - `scale`: standard deviation of the weights at first.
        - `periodic`, `parity`: of each axis, or one for all; parities, `"none"`, `"even"` or `"odd"`, are about the
            middle. They hold to double rounding, as those of `GaussianField` do. The first axis has neither if there
            are several slabs, of which one would have to know another.
        - `key`: random key. (Keyword only argument.)

        **Raises:** `ValueError` for counts below one, values that do not fit the axes, or several slabs of an axis
        with a period or a parity.
        """
        self.box = check_box(box)
        ndim = len(self.box)
        flags, signs = per_axis("periodic", periodic, ndim), per_axis("parity", parity, ndim)
        rules = axis_rules(self.box, flags, signs)
        if slabs > 1 and not isinstance(rules[0], Free):
            found = f"slabs={slabs} with periodic={flags[0]} and parity={signs[0]!r}"
            raise ValueError(f"slabs part the first axis, which then has neither a period nor a parity, got {found}")
        self.overlap, self.beyond = per_axis("overlap", overlap, ndim), per_axis("beyond", beyond, ndim)
        counts = per_axis("counts", counts, ndim)
        self.wide = slabs > 1 if wide is None else wide
        edges = np.linspace(*self.box[0], slabs + 1)
        spans = [np.asarray([rule.span(*ends, 0.0)]) for rule, ends in zip(rules, self.box, strict=True)]
        spans[0] = np.stack([edges[:-1], edges[1:]], -1) if slabs > 1 else spans[0]
        axes = [self._axis(rules[i], i, counts[i], spans[i].repeat(slabs // len(spans[i]), 0)) for i in range(ndim)]
        self.rules = tuple(rule.covering(float(widths.max())) for rule, (_, widths) in zip(rules, axes, strict=True))
        real = jnp.result_type(float)
        self.edges = jnp.asarray(edges, real)
        self.centres = tuple(jnp.asarray(centres, real) for centres, _ in axes)
        self.widths = tuple(jnp.asarray(widths, real) for _, widths in axes)
        self.weights = normal(key, (slabs, *(c.shape[1] for c in self.centres), channels), scale)

    def _axis(self, rule: AxisRule, axis: int, count: int, spans: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Equidistant centres and widths of every slab, (slab, n)."""
        at = reference_centres(rule, count, self.beyond[axis])
        low, length = spans[:, :1], spans[:, 1:] - spans[:, :1]
        centres = low + length * at[None]
        widths = np.broadcast_to(self.overlap[axis] * length * (at[1] - at[0] if count > 1 else 1), centres.shape)
        if axis or not self.wide:
            return centres, widths
        return np.concatenate([centres, spans], 1), np.concatenate([widths, WIDE * length.repeat(2, 1)], 1)

    @property
    def slabs(self) -> int:
        """How many there are."""
        return self.weights.shape[0]

    def __call__(self, points: AnyPoints) -> Float[Array, "point channel"]:
        """**Arguments:** `points`: scattered or a grid. **Returns:** the field there."""
        value = (0,) * len(self.box)
        return self.jet(points, [value])[value]

    def jet(self, points: AnyPoints, orders: Sequence[Order]) -> dict[Order, Float[Array, "point channel"]]:
        """Partial derivatives by order along each axis, any order.

        **Arguments:** `points`: scattered or a grid; `orders`: one entry per axis.
        """
        points, orders = as_points(points, len(self.box)), as_orders(orders, len(self.box))
        values = self._on_grid(points, orders) if isinstance(points, TensorGrid) else self._scattered(points, orders)
        return dict(zip(orders, values, strict=True))

    def slab(self, number: Any) -> "Slab":
        """The lattice of one slab, whose number may be traced."""
        pick = lambda x: lax.dynamic_index_in_dim(x, number, keepdims=False)
        return Slab(tuple(map(pick, self.centres)), tuple(map(pick, self.widths)), pick(self.weights))

    def _slab_of(self, first: Float[Array, " point"]) -> Array:
        return jnp.searchsorted(self.edges[1:-1], first).astype(jnp.int32)

    def _on_grid(self, grid: TensorGrid, orders: Sequence[Order]) -> list[Array]:
        evaluate = lambda slab, axes: slab.on_grid(self.rules, axes, orders)
        if self.slabs == 1:
            values = evaluate(self.slab(0), grid.axes)
        else:
            at = lambda t: evaluate(self.slab(self._slab_of(t[None])[0]), (t[None], *grid.axes[1:]))
            values = lax.map(at, grid.axes[0], batch_size=min(16, grid.axes[0].shape[0]))
        return [v.reshape(grid.size, -1) for v in values]

    def _scattered(self, points: Array, orders: Sequence[Order]) -> list[Array]:
        if self.slabs == 1:
            return self.slab(0).at_points(self.rules, points, orders)
        at = lambda x: [v[0] for v in self.slab(self._slab_of(x[:1])[0]).at_points(self.rules, x[None], orders)]
        return lax.map(at, points, batch_size=CHUNK)

    def gaussians(self) -> tuple[Float[Array, "n axis"], Float[Array, "n axis"], Float[Array, "n channel"]]:
        """Centres, widths and weights of all Gaussians of all slabs, one by one."""
        meshed = lambda axes: jnp.stack(jnp.meshgrid(*axes, indexing="ij"), -1).reshape(-1, len(self.box))
        parts = [self.slab(i) for i in range(self.slabs)]
        centres = jnp.concatenate([meshed(p.centres) for p in parts])
        widths = jnp.concatenate([meshed(p.widths) for p in parts])
        return centres, widths, self.weights.reshape(-1, self.weights.shape[-1])


class Slab(eqx.Module):
    """One lattice: centres and widths by axis, and the weights of their products."""

    centres: tuple[Float[Array, " _"], ...]
    widths: tuple[Float[Array, " _"], ...]
    weights: Float[Array, "*n channel"]

    def factors(self, rules: Sequence[AxisRule], axes: Sequence[Array], orders: Sequence[Order]) -> list:
        """For each axis the derivatives (point, n) of its Gaussians, as high as they are needed."""
        high = [max(order[i] for order in orders) for i in range(len(rules))]
        parts = zip(rules, axes, self.centres, self.widths, high, strict=True)
        return [rule.factor(x, centre, width, top) for rule, x, centre, width, top in parts]

    def on_grid(self, rules: Sequence[AxisRule], axes: Sequence[Array], orders: Sequence[Order]) -> list[Array]:
        """Derivatives on a tensor grid, each (*shape, channel)."""
        factors = self.factors(rules, axes, orders)
        return [contract([f[n] for f, n in zip(factors, order, strict=True)], self.weights) for order in orders]

    def at_points(self, rules: Sequence[AxisRule], points: Array, orders: Sequence[Order]) -> list[Array]:
        """Derivatives at scattered points, each (point, channel)."""
        factors = self.factors(rules, [points[:, i] for i in range(len(rules))], orders)
        return [_sums([f[n] for f, n in zip(factors, order, strict=True)], self.weights) for order in orders]


def contract(factors: Sequence[Float[Array, "_ _"]], weights: Float[Array, "*n channel"]) -> Array:
    """Sum over all centres with the factors of a tensor grid, axis by axis: (*point, channel)."""
    for i, factor in enumerate(factors):
        weights = jnp.moveaxis(jnp.tensordot(factor, weights, axes=(1, i), precision="highest"), 0, i)
    return weights


def _sums(factors: Sequence[Float[Array, "_ _"]], weights: Float[Array, "*n channel"]) -> Array:
    names = string.ascii_lowercase[: len(factors)]
    first, *rest = factors
    out = jnp.einsum(f"pa,{names}z->p{names[1:]}z", first, weights, precision="highest")
    for i, factor in enumerate(rest, 1):
        out = jnp.einsum(f"p{names[i]},p{names[i:]}z->p{names[i + 1 :]}z", factor, out, precision="highest")
    return out


def _open_ends(rule: AxisRule) -> int:
    """At how many ends centres may lie outside."""
    inner, outer = rule.span(0.0, 1.0, 0.0), rule.span(0.0, 1.0, 1.0)
    return int(outer[0] < inner[0]) + int(outer[1] > inner[1])


def reference_centres(rule: AxisRule, count: int, beyond: int) -> np.ndarray:
    """Equidistant centres in the reference coordinate of an axis, 0 and 1 being the ends of its span, (count,).

    Where `beyond` would leave none inside, they lie a whole span apart.
    """
    cells = count - 1 + sum(h / 2 for h in rule.half_cells) - beyond * _open_ends(rule)
    if cells < 1 and _open_ends(rule) == 2:
        return np.arange(count) + (2 - count) / 2
    open_left = rule.span(0.0, 1.0, 1.0)[0] < rule.span(0.0, 1.0, 0.0)[0]
    start = -beyond if open_left else rule.half_cells[0] / 2
    return (start + np.arange(count)) / max(cells, 1)
