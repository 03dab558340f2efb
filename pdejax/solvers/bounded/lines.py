"""A right-hand side at Chebyshev points, with conditions at the ends: a matrix and what is not in it."""

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import sympy
from jaxtyping import Array, Float

from pdejax.core import Grid, Scaling
from pdejax.equations import AXES, TIME, Equation, Jet, Nonlocal, evaluate, jets, symbols
from pdejax.solvers._arrays import batch_axis, expand_rank, traced, working
from pdejax.solvers.bounded.points import Line
from pdejax.solvers.bounded.rows import Eliminated, Given, conditions_of

MOST_SINGLE = 32  # points of which a matrix may be made in single precision
ORDER = 2  # of derivatives: more of them need more conditions than one at each end

Term = tuple[int, int, int, sympy.Expr]  # equation, field, derivative, coefficient


class LineForm(eqx.Module):
    """What evolves at the points without a condition, all fields in one vector `(*batch, unknown)`.

    A field is one that meets the conditions with zeros, and a polynomial that meets what is given; the rates of the
    former are `matrix @ unknowns + rest(unknowns, t)`. The matrix holds all terms that are linear in the fields,
    also those whose coefficients depend on the place; it is of NumPy, float64, unless a parameter is traced. Made by
    `line_form`.
    """

    matrix: Any
    derivatives: dict[int, Array]
    whole: tuple[Array, ...]
    lifts: tuple[Array, ...]
    values: dict[str, Any]
    length: Any
    line: Line = eqx.field(static=True)
    free: tuple[tuple[int, ...], ...] = eqx.field(static=True)
    given: tuple[tuple[Given, ...], ...] = eqx.field(static=True)
    terms: tuple[Term, ...] = eqx.field(static=True)
    products: tuple[sympy.Expr, ...] = eqx.field(static=True)
    fields: tuple[str, ...] = eqx.field(static=True)

    @property
    def exact(self) -> bool:
        """Whether the matrix is all there is."""
        return not self._lifted and all(e == 0 for e in self.products)

    @property
    def _lifted(self) -> bool:
        return any(one.expression != 0 for field in self.given for one in field)

    def unknowns(self, u: Float[Array, "*batch point channel"], time: Any) -> Array:
        """Of a state at the Chebyshev points; what it is at points with conditions is not looked at."""
        lifted = self._lift(u.ndim - 1, time)
        return self.gathered([working(u[..., i]) - lifted[i] for i in range(len(self.fields))])

    def state(self, y: Float[Array, "*batch unknown"], time: Any) -> Float[Array, "*batch point channel"]:
        """At all Chebyshev points."""
        return jnp.stack([a + b for a, b in zip(self._spread(y), self._lift(y.ndim, time), strict=True)], -1)

    def gathered(self, fields: list[Any]) -> Array:
        """The unknowns of fields `(*batch, point)`."""
        return jnp.concatenate([u[..., np.array(free)] for u, free in zip(fields, self.free, strict=True)], -1)

    def _spread(self, y: Array) -> list[Array]:
        parts = jnp.split(y, np.cumsum([len(free) for free in self.free])[:-1], -1)
        return [_apply(matrix, part) for matrix, part in zip(self.whole, parts, strict=True)]

    def rest(self, y: Float[Array, "*batch unknown"], time: Any) -> Float[Array, "*batch unknown"]:
        """All that is not in the matrix."""
        rank, lifted = y.ndim, self._lift(y.ndim, time)
        values = self._values(rank, time)
        fields = [a + b for a, b in zip(self._spread(y), lifted, strict=True)]
        for j in {j for e in self.products for j in jets(e)}:
            values[j] = self._derivative(fields[self.fields.index(j.field)], j.alpha[0])
        zero = jnp.zeros_like(fields[0])
        out = [zero + working(evaluate(e, values)) for e in self.products]
        if self._lifted:
            for row, field, order, coefficient in self.terms:
                out[row] += working(evaluate(coefficient, values)) * self._derivative(lifted[field] + zero, order)
            out = [a - b for a, b in zip(out, self._lift(rank, time, rate=True), strict=True)]
        return self.gathered(out)

    def _derivative(self, u: Array, order: int) -> Array:
        if not order:
            return u
        return _apply(self.derivatives[order], u) / expand_rank(self.length, u.ndim) ** order

    def _values(self, rank: int, time: Any) -> dict[Any, Any]:
        values = {sympy.Symbol(name, real=True): expand_rank(v, rank) for name, v in self.values.items()}
        return {**values, TIME: expand_rank(batch_axis(working(time), 1), rank)}

    def _lift(self, rank: int, time: Any, *, rate: bool = False) -> list[Any]:
        """What meets the conditions of each field, or its rate of change."""
        values, out = self._values(rank, time), []
        for given, lifts in zip(self.given, self.lifts, strict=True):
            total: Any = expand_rank(jnp.zeros(self.line.size), rank)
            for i, one in enumerate(given):
                expression = one.expression.diff(TIME) if rate else one.expression
                if expression != 0:
                    there = working(evaluate(expression, values))
                    there = there * expand_rank(self.length, rank) if one.slope else there
                    total = total + there * expand_rank(lifts[:, i], rank)
            out.append(total)
        return out


def _apply(matrix: Array, u: Array) -> Array:
    return jnp.matmul(u, matrix.T, precision="highest")


def line_form(
    equation: Equation,
    grid: Grid,
    points: int,
    parameters: Mapping[str, Any] | None = None,
    scaling: Scaling | None = None,
) -> LineForm:
    """A right-hand side on an axis with ends.

    **Arguments:** `equation`; `grid`: of one axis that is not periodic; `points`: Chebyshev points, ends included;
    `parameters`: numbers or arrays `(batch,)`; `scaling`: its `length` is a factor on the length of the grid.

    **Raises:** `ValueError` if grid, ends and equation do not fit.
    """
    _check(equation, grid, points)
    scaling = Scaling() if scaling is None else scaling
    line, fields = Line(grid, points), equation.fields
    given = tuple(conditions_of(equation, grid, field) for field in fields)
    terms, products = split(equation)
    _check_count(equation, terms, products, given)
    parts = [Eliminated(line.nodes, one) for one in given]
    length = _column(scaling.length)
    values = {name: _column(value) for name, value in equation.resolve(parameters).items()}
    xp: Any = jnp if traced(length) else np
    values[AXES[0]] = length * _ranked(working(line.nodes.nodes) if xp is jnp else line.nodes.nodes, np.ndim(length))
    matrix = _matrix(line, parts, terms, values, length)
    orders = {term[2] for term in terms} | {j.alpha[0] for e in products for j in jets(e)}
    return LineForm(
        matrix=matrix,
        derivatives={order: working(line.nodes.derivative(order)) for order in sorted(orders - {0})},
        whole=tuple(working(part.whole) for part in parts),
        lifts=tuple(working(part.lifts) for part in parts),
        values=jax.tree.map(working, values),
        length=working(length),
        line=line,
        free=tuple(tuple(part.free.tolist()) for part in parts),
        given=given,
        terms=terms,
        products=products,
        fields=fields,
    )


def _check(equation: Equation, grid: Grid, points: int) -> None:
    if equation.ndim != 1 or grid.ndim != 1:
        raise ValueError(f"Chebyshev points in time are for one axis, got {equation.ndim} of the equation and "
                         f"{grid.ndim} of the grid; sines and cosines (basis: fourier) take more")  # fmt: skip
    if grid.periodic:
        raise ValueError("Chebyshev points are for an axis with ends, got a periodic one: etdrk takes it")
    if grid.cells:
        raise ValueError("Chebyshev points need points, and a grid of cells holds averages: set domain.cells=false, "
                         "cells=False")  # fmt: skip
    if points < 4:
        raise ValueError(f"at least 4 Chebyshev points are needed, got {points}")


def split(equation: Equation) -> tuple[tuple[Term, ...], tuple[sympy.Expr, ...]]:
    """Terms that are linear in a field, with coefficients that do not depend on time, and for each equation the rest.

    **Raises:** `ValueError` for what a point does not know, and for derivatives of a higher order.
    """
    terms, rest = [], []
    for row, form in enumerate(equation.forms):
        left = sympy.S.Zero
        for term in sympy.Add.make_args(sympy.expand(form.flat())):
            found = [s for s in symbols(term) if isinstance(s, Jet)]
            if any(isinstance(s, Nonlocal) for s in symbols(term)) or any(j.mark for j in found):
                raise ValueError(f"Chebyshev points take derivatives and products, not means and transforms as in "
                                 f"{equation.terms[row]!r}")  # fmt: skip
            if any(j.alpha[0] > ORDER for j in found):
                raise ValueError(f"Chebyshev points take derivatives up to the second, with one condition at each end, "
                                 f"got {equation.terms[row]!r}")  # fmt: skip
            slope = term.diff(found[0]) if len(found) == 1 else None
            if slope is None or jets(slope) or TIME in symbols(slope):
                left += term
            else:
                terms.append((row, equation.fields.index(found[0].field), found[0].alpha[0], slope))
        rest.append(left)
    return tuple(terms), tuple(rest)


def _check_count(
    equation: Equation, terms: tuple[Term, ...], products: tuple[sympy.Expr, ...], given: tuple[tuple[Given, ...], ...]
) -> None:
    """As many conditions as orders of derivatives; those of fields without any are theirs to keep."""
    orders = dict.fromkeys(equation.fields, 0)
    for _, field, order, _ in terms:
        orders[equation.fields[field]] = max(orders[equation.fields[field]], order)
    for j in (j for e in products for j in jets(e)):
        orders[j.field] = max(orders[j.field], j.alpha[0])
    needed = sum(orders.values())
    found = sum(len(one) for one, field in zip(given, equation.fields, strict=True) if orders[field])
    if found != needed:
        raise ValueError(f"the equation {'; '.join(equation.terms)} needs {needed} condition(s) at the ends of x, as "
                         f"many as it has orders of derivatives, and its ends give {found}; outflow gives none, value "
                         "and slope one each")  # fmt: skip


def _matrix(
    line: Line, parts: list[Eliminated], terms: tuple[Term, ...], values: Mapping[str, Any], length: Any
) -> Any:
    """`(batch?, unknown, unknown)`."""
    later = any(map(traced, (*values.values(), length)))
    if later and line.size > MOST_SINGLE and not jax.config.jax_enable_x64:  # type: ignore[attr-defined]
        raise ValueError(f"parameters that are traced (jit, vmap, grad) make the matrix of {line.size} Chebyshev "
                         f"points in single precision, which is for {MOST_SINGLE} at most: compute in double "
                         "precision (jax.enable_x64) or give numbers")  # fmt: skip
    xp: Any = jnp if later else np
    ready = working if later else lambda x: x
    rank = max(np.ndim(v) for v in (*values.values(), length))
    known = {sympy.Symbol(name, real=True): expand_rank(ready(v), rank) for name, v in values.items()}
    rows, blocks, length = range(len(parts)), {}, expand_rank(ready(length), rank)
    for row, field, order, coefficient in terms:
        factor = evaluate(coefficient, known) / length**order
        factor = factor * ready(np.ones((1,) * (rank - 1) + (line.size,)))
        matrix = line.nodes.derivative(order) @ parts[field].whole if order else parts[field].whole
        block = factor[..., parts[row].free, None] * ready(_ranked(matrix[parts[row].free], rank + 1))
        blocks[row, field] = blocks[row, field] + block if (row, field) in blocks else block
    shape = np.broadcast_shapes((), *(b.shape[:-2] for b in blocks.values()))
    zero = lambda i, j: ready(np.zeros((len(parts[i].free), len(parts[j].free))))
    spread = lambda b: xp.broadcast_to(b, (*shape, *b.shape[-2:]))
    whole = [[spread(blocks.get((i, j), zero(i, j))) for j in rows] for i in rows]
    return xp.concatenate([xp.concatenate(row, -1) for row in whole], -2)


def _column(value: Any) -> Any:
    """A parameter as a number or `(batch, 1)`."""
    if traced(value):
        return batch_axis(working(value), 1)
    value = np.asarray(value, np.float64)
    return batch_axis(value, 1) if value.ndim else float(value)


def _ranked(matrix: Any, rank: int) -> Any:
    return matrix.reshape((1,) * (rank - matrix.ndim) + matrix.shape)
