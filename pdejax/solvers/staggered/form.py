"""The rate of change of an incompressible flow, with velocities on faces and scalars in the middles of cells."""

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import sympy
from jaxtyping import Array, Float

from pdejax.core import Grid, Scaling
from pdejax.equations import COORDINATES, TIME, Equation, evaluate, jet
from pdejax.solvers._arrays import batch_axis, expand_rank, traced, working
from pdejax.solvers.staggered.ends import Sides, read_sides
from pdejax.solvers.staggered.flow import FieldTerms, flow_terms
from pdejax.solvers.staggered.poisson import solve_poisson

FEWEST = 4  # cells along an axis
CORRECTIONS = 3  # of faces, after which cells made of them are those they were made of, to (kh/2)^8

Faces = tuple[Array, ...]
"""One array a field, `(batch, *space)`: of a velocity on the faces across its axis, those of the walls left out, and of
a periodic axis those at the low sides of cells; of a scalar in the middles of cells."""


class StaggeredForm(eqx.Module):
    """What the fields of a flow change by; made by `staggered_form`.

    - `parameters`: numbers or arrays `(batch, 1, ...)` by name; `length`: a factor on the lengths of the grid.
    """

    parameters: dict[str, Any]
    length: Any
    equation: Equation = eqx.field(static=True)
    grid: Grid = eqx.field(static=True)
    sides: tuple[tuple[Sides, ...], ...] = eqx.field(static=True)

    @property
    def terms(self) -> tuple[FieldTerms, ...]:
        """The equation sorted."""
        return flow_terms(self.equation)

    def spacing(self, axis: int) -> Any:
        """Size of a cell along an axis."""
        return self.grid.spacing[axis] * self.length

    # states

    def to_faces(self, u: Float[Array, "*batch_and_space channel"]) -> Faces:
        """Faces without divergence of a state in cells: means of neighbours, corrected so that their means are the
        state again, then projected.

        **Raises:** `ValueError` if the state does not have the grid's shape or the equation's channels.
        """
        return self.projected(self.interpolated(u))

    def interpolated(self, u: Float[Array, "*batch_and_space channel"]) -> Faces:
        """The same before it is projected."""
        expected = (*self.grid.shape, self.equation.channels)
        if u.shape[-len(expected) :] != expected:
            raise ValueError(f"expected a state (*batch, {', '.join(map(str, expected))}), got shape {u.shape}")
        cells = jnp.moveaxis(working(u).reshape((-1, *expected)), -1, 0)
        return tuple(self._from_cells(cell, one.axis) for cell, one in zip(cells, self.terms, strict=True))

    def _from_cells(self, cell: Array, axis: int | None) -> Array:
        if axis is None:
            return cell
        q = self.onto_faces(cell, axis)
        for _ in range(CORRECTIONS):
            q = q + self.onto_faces(cell - self.onto_cells(q, axis), axis)
        return q

    def to_state(self, q: Faces, like: Any) -> Array:
        """The state in cells, of a velocity the mean of two faces, shaped and typed as `like`."""
        cells = [x if one.axis is None else self.onto_cells(x, one.axis) for x, one in zip(q, self.terms, strict=True)]
        return jnp.stack(cells, axis=-1).reshape(like.shape).astype(like.dtype)

    def projected(self, q: Faces) -> Faces:
        """The same without divergence: less the gradient of a pressure, with no flow through walls."""
        p, out = solve_poisson(self.divergence(q), self.grid), list(q)
        for number, one in enumerate(self.terms):
            if one.axis is not None:
                h, place = self.grid.spacing[one.axis], 1 + one.axis
                below = jnp.roll(p, 1, place) if self._periodic(one.axis) else part(p, one.axis, slice(None, -1))
                above = p if self._periodic(one.axis) else part(p, one.axis, slice(1, None))
                out[number] = q[number] - (above - below) / h
        return tuple(out)

    def divergence(self, q: Faces) -> Array:
        """At the cells of a box as large as `grid` says, `(batch, *space)`."""
        total: Any = 0.0
        for x, one in zip(q, self.terms, strict=True):
            if one.axis is not None:
                total = total + _difference(self.faces(x, one.axis), one.axis) / self.grid.spacing[one.axis]
        return total

    # from place to place

    def _periodic(self, axis: int) -> bool:
        return self.grid.periodic_axes[axis]

    def faces(self, q: Array, axis: int) -> Array:
        """All faces across an axis, from the lowest to the highest."""
        if self._periodic(axis):
            return jnp.concatenate([q, part(q, axis, slice(None, 1))], axis=1 + axis)
        wall = jnp.zeros_like(part(q, axis, slice(None, 1)))
        return jnp.concatenate([wall, q, wall], axis=1 + axis)

    def onto_cells(self, q: Array, axis: int) -> Array:
        """Means of the two faces of a cell."""
        return _mean(self.faces(q, axis), axis)

    def onto_faces(self, cell: Array, axis: int) -> Array:
        """Means of the two cells of a face."""
        if self._periodic(axis):
            cell = jnp.concatenate([part(cell, axis, slice(-1, None)), cell], axis=1 + axis)
        return _mean(cell, axis)

    def _moved(self, x: Array, start: int | None, to: int | None) -> Array:
        """From the place of one field to that of another, by the axes of their faces."""
        if start == to:
            return x
        x = x if start is None else self.onto_cells(x, start)
        return x if to is None else self.onto_faces(x, to)

    def padded(self, q: Faces, number: int, axis: int, time: Any) -> Array:
        """A field with one more value at both ends of an axis: its neighbours there, on the wall or behind it."""
        x, sides, own = q[number], self.sides[number][axis], self.terms[number].axis
        first, last = part(x, axis, slice(None, 1)), part(x, axis, slice(-1, None))
        if sides is None:
            return jnp.concatenate([last, x, first], axis=1 + axis)
        if own == axis:
            return self.faces(x, axis)
        values = self.values(time, own)
        beyond = []
        for side, edge in zip(sides, (first, last), strict=True):
            there = evaluate(side.expression, values)
            beyond.append(edge + self.spacing(axis) * there if side.slope else 2 * there - edge)
        return jnp.concatenate([beyond[0], x, beyond[1]], axis=1 + axis)

    def values(self, time: Any, at: int | None) -> dict[sympy.Symbol, Any]:
        """Parameters, time, and places of the middles of cells, or of the faces across an axis."""
        found: dict[Any, Any] = {sympy.Symbol(name, real=True): value for name, value in self.parameters.items()}
        found[TIME] = time
        for axis, (n, h, origin) in enumerate(zip(self.grid.shape, self.grid.spacing, self.grid.origin, strict=True)):
            first = 0.5 if axis != at else float(not self._periodic(axis))
            count = n - (axis == at and not self._periodic(axis))
            shape = [-1 if i == axis else 1 for i in range(self.grid.ndim)]
            x = (origin + h * (first + np.arange(count))).reshape((1, *shape))
            found[COORDINATES[axis]] = jnp.asarray(x, jnp.result_type(float)) * self.length
        return found

    # rates

    def rate(self, q: Faces, time: Any) -> Faces:
        """The rate of change, but for the gradient of the pressure, at a time that is a number or `(batch,)`."""
        time = batch_axis(jnp.asarray(time), self.grid.ndim)
        return tuple(self._rate(q, number, time) for number in range(len(q)))

    def _rate(self, q: Faces, number: int, time: Any) -> Array:
        """Inertia and diffusion by what flows through the sides of the cell around each value."""
        terms, x = self.terms[number], q[number]
        values = self.values(time, terms.axis)
        for other, field in enumerate(self.equation.fields):
            if terms.source.has(jet(field)):
                values[jet(field)] = self._moved(q[other], self.terms[other].axis, terms.axis)
        total = jnp.zeros_like(x) + evaluate(terms.source, values)
        inertia = evaluate(terms.inertia, values)
        for axis in range(self.grid.ndim):
            h, padded = self.spacing(axis), self.padded(q, number, axis, time)
            if terms.inertia != 0:
                through = self._velocity(q, axis, number, time) * _mean(padded, axis)
                total = total - inertia * _difference(through, axis) / h
            if terms.diffusion[axis] != 0:
                slopes = _difference(padded, axis) / h
                total = total + evaluate(terms.diffusion[axis], values) * _difference(slopes, axis) / h
            if terms.drift[axis] != 0:
                wide = part(padded, axis, slice(2, None)) - part(padded, axis, slice(None, -2))
                total = total + evaluate(terms.drift[axis], values) * wide / (2 * h)
        return total

    def _velocity(self, q: Faces, axis: int, number: int, time: Any) -> Array:
        """The velocity along an axis, half way between neighbouring values of a field along it."""
        own, along = self.terms[number].axis, self.equation.fields.index(self.equation.solenoidal[axis])
        if own == axis:
            return _mean(self.padded(q, number, axis, time), axis)
        faces = self.faces(q[along], axis)
        return faces if own is None else self.onto_faces(faces, own)

    def finite(self, q: Faces) -> Array:
        """Whether all is a number, of each trajectory, `(batch,)`."""
        space = tuple(range(1, 1 + self.grid.ndim))
        return jnp.all(jnp.stack([jnp.all(jnp.isfinite(x), axis=space) for x in q]), axis=0)


def staggered_form(
    equation: Equation, grid: Grid, parameters: Mapping[str, Any] | None, scaling: Scaling
) -> StaggeredForm:
    """The rate of change of a flow on a grid of cells.

    **Arguments:** `equation`; `grid`: of cells; `parameters`: numbers or arrays `(batch,)`; `scaling`: its `length` is
    a factor on the lengths of the grid.

    **Raises:** `ValueError` if these do not fit together.
    """
    check_fits(equation, grid)
    given = equation.resolve(parameters)
    check_diffusion(equation, given)
    column = lambda value: expand_rank(batch_axis(working(value), grid.ndim), 1 + grid.ndim)
    values = {name: column(value) for name, value in given.items()}
    return StaggeredForm(values, column(scaling.length), equation, grid, read_sides(equation, grid))


def check_fits(equation: Equation, grid: Grid) -> None:
    """**Raises:** `ValueError` if equation and grid do not fit together."""
    if grid.ndim != equation.ndim:
        raise ValueError(f"the equation {equation.terms} has {equation.ndim} space axes, the grid {grid.ndim}")
    flow_terms(equation)
    if not grid.cells:
        raise ValueError("solver staggered keeps fields in cells, and this is a grid of points: set domain.cells=true, "
                         "Grid(..., cells=True)")  # fmt: skip
    if min(grid.shape) < FEWEST:
        raise ValueError(f"solver staggered needs at least {FEWEST} cells along each axis, got {list(grid.shape)}")
    read_sides(equation, grid)


def check_diffusion(equation: Equation, parameters: Mapping[str, Any]) -> None:
    """**Raises:** `ValueError` for a negative factor of second derivatives, which has no solutions forwards in time."""
    if any(map(traced, parameters.values())):
        return
    values = {sympy.Symbol(name, real=True): np.asarray(value, float) for name, value in parameters.items()}
    for term, one in zip(equation.terms, flow_terms(equation), strict=True):
        for e in one.diffusion:
            found = np.asarray(evaluate(e, {s: v for s, v in values.items() if s in e.free_symbols}))
            if not np.all(found >= 0):
                raise ValueError(f"equation {term!r}: the factor {e} of second derivatives should not be negative, "
                                 f"got {np.min(found):g}")  # fmt: skip


def part(x: Array, axis: int, which: slice) -> Array:
    """A slice along an axis of space, `(batch, *space)`."""
    return x[(slice(None),) * (1 + axis) + (which,)]


def _mean(x: Array, axis: int) -> Array:
    return (part(x, axis, slice(None, -1)) + part(x, axis, slice(1, None))) / 2


def _difference(x: Array, axis: int) -> Array:
    return part(x, axis, slice(1, None)) - part(x, axis, slice(None, -1))
