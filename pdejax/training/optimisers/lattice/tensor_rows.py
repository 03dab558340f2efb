"""Least-squares rows on tensor grids for coefficients of tensor bases: products and normal matrices axis by axis."""

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from pdejax.core import Scalar, TensorGrid
from pdejax.equations import Jets, Order, Residual, linearised
from pdejax.networks import contract

Factors = tuple[tuple[Float[Array, "_ _"], ...], ...]
"""For each axis the derivatives of its functions by order."""


class RowSet(eqx.Module):
    """What must vanish on a tensor grid.

    - `grid`; `factors`: of the bases on its axes; `root`: square roots of the weights of its points, (*shape,).
    - `shift`: derivatives that are subtracted from those of the field, by order; none where nothing is.
    - `scale`: of each equation's rows.
    """

    grid: TensorGrid
    factors: Factors
    root: Float[Array, "*shape"]
    scale: Float[Array, " equation"]
    shift: dict[Order, Array]
    residual: Residual = eqx.field(static=True)

    def pick(self, order: Order) -> list[Float[Array, "_ _"]]:
        """The factors of one derivative."""
        return [f[n] for f, n in zip(self.factors, order, strict=True)]

    def jet(self, coefficients: Array) -> Jets:
        """The derivatives of the field at the points, flattened."""
        values = {o: contract(self.pick(o), coefficients) for o in self.residual.orders}
        flat = {o: v.reshape(-1, v.shape[-1]) for o, v in values.items()}
        return {o: v - self.shift[o] if o in self.shift else v for o, v in flat.items()}

    def linear(self, coefficients: Array, parameters: Mapping[str, Any]) -> "LinearRows":
        """Rows and their derivatives at these coefficients."""
        rows, slopes = linearised(self.residual, self.jet(coefficients), self.grid.points(), parameters)
        size = self.scale[None] * self.root.reshape(-1, 1)
        return LinearRows(self, size * rows, {o: size[..., None] * s for o, s in slopes.items()})

    def rows(self, coefficients: Array, parameters: Mapping[str, Any]) -> Float[Array, "point equation"]:
        """The rows alone."""
        rows = self.residual(self.jet(coefficients), self.grid.points(), parameters)
        return self.scale[None] * self.root.reshape(-1, 1) * rows


class LinearRows(NamedTuple):
    """Rows of a set and their slopes by the entries of the jet, weights and scales included."""

    rows_of: RowSet
    rows: Float[Array, "point equation"]
    slopes: dict[Order, Float[Array, "point equation channel"]]

    def times(self, direction: Array) -> Float[Array, "point equation"]:
        """The derivative of the rows along a direction of coefficients."""
        parts = []
        for order, slope in self.slopes.items():
            values = contract(self.rows_of.pick(order), direction)
            parts.append(jnp.einsum("pec,pc->pe", slope, values.reshape(-1, values.shape[-1])))
        return sum(parts[1:], parts[0])

    def transposed(self, rows: Float[Array, "point equation"]) -> Array:
        """The transpose of that."""
        shape, parts = self.rows_of.grid.shape, []
        for order, slope in self.slopes.items():
            values = jnp.einsum("pec,pe->pc", slope, rows).reshape(*shape, -1)
            parts.append(contract([f.T for f in self.rows_of.pick(order)], values))
        return sum(parts[1:], parts[0])

    def pairs(self, a: int, b: int) -> "Pairs":
        """Products of the slopes by the derivatives of two channels, half of them if they are the same one.

        All axes but the first are summed over: each (point, function^2 * ..) by the derivatives along the first.
        """
        shape, orders = self.rows_of.grid.shape, list(self.slopes)
        pairs: Pairs = {}
        for i, j in itertools.product(range(len(orders)), repeat=2):
            if a == b and j < i:  # the other half is the transpose
                continue
            weight = 0.5 if a == b and i == j else 1.0
            product = jnp.sum(self.slopes[orders[i]][..., a] * self.slopes[orders[j]][..., b], axis=-1)
            pairs[orders[i], orders[j]] = weight * product.reshape(*shape, 1)
        for axis in reversed(range(1, len(shape))):
            pairs = _contracted(pairs, self.rows_of.factors[axis], axis)
        return pairs


Pairs = dict[tuple[Order, Order], Array]


def _contracted(pairs: Pairs, factor: Sequence[Float[Array, "point function"]], axis: int) -> Pairs:
    """Sums over the points of the last axis that is left: (.., point, rest) becomes (.., function^2 * rest)."""
    grouped: dict[tuple[Order, Order], list[tuple[Array, Array]]] = {}
    for (a, b), value in pairs.items():
        part = _products(factor[a[axis]], factor[b[axis]]), value
        grouped.setdefault((a[:axis], b[:axis]), []).append(part)
    return {key: _summed(parts) for key, parts in grouped.items()}


def _products(p: Float[Array, "point function"], q: Float[Array, "point function"]) -> Float[Array, "point pair"]:
    return (p[:, :, None] * q[:, None, :]).reshape(p.shape[0], -1)


def _summed(parts: Sequence[tuple[Float[Array, "_ pair"], Float[Array, "*left _ rest"]]]) -> Array:
    """The sum of all parts over their points, by one product: sums of products would each need a result."""
    both, value = jnp.concatenate([p for p, _ in parts]), jnp.concatenate([v for _, v in parts], axis=-2)
    left, (count, rest) = value.shape[:-2], value.shape[-2:]
    if rest == 1:
        found = value.reshape(-1, count) @ both
    else:
        found = jnp.matmul(both.T[None], value.reshape(-1, count, rest)).reshape(-1, both.shape[1] * rest)
    return found.reshape(*left[:-1], left[-1], -1) if left else found.reshape(-1)


def _block(sets: Sequence[LinearRows], a: int, b: int) -> Float[Array, "n n"]:
    """The normal matrix of two channels."""
    parts = []
    for one in sets:
        first = one.rows_of.factors[0]
        parts += [(_products(first[p[0]], first[q[0]]), value) for (p, q), value in one.pairs(a, b).items()]
    sizes = [f[0].shape[1] for f in sets[0].rows_of.factors]
    block = _summed(parts).reshape([n for size in sizes for n in (size, size)])
    left, right = range(0, block.ndim, 2), range(1, block.ndim, 2)
    square = lambda rows, columns: block.transpose(*rows, *columns).reshape(math.prod(sizes), -1)
    return square(left, right) + square(right, left) if a == b else square(left, right)


def normal_matrix(sets: Sequence[LinearRows]) -> Float[Array, "n n"]:
    """The normal matrix of all sets, coefficients in the order (*function, channel)."""
    channels = next(iter(sets[0].slopes.values())).shape[-1]
    upper = {(a, b): _block(sets, a, b) for a in range(channels) for b in range(a, channels)}
    if channels == 1:
        return upper[0, 0]
    full = [[upper[a, b] if a <= b else upper[b, a].T for b in range(channels)] for a in range(channels)]
    stacked = jnp.stack([jnp.stack(row, axis=-1) for row in full], axis=1)  # (n, a, n, b)
    return stacked.reshape(stacked.shape[0] * channels, -1)


def total_square(rows: Sequence[Float[Array, "_ _"]]) -> Scalar:
    """The sum of the squares of all rows."""
    return sum((jnp.sum(jnp.square(r)) for r in rows[1:]), jnp.sum(jnp.square(rows[0])))
