"""The rows of a slab: the equation inside, conditions on faces, and the end of the slab before."""

import dataclasses
import functools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from pdejax.core import Scalar, TensorGrid
from pdejax.equations import BoundaryValueProblem, Jets, Order, Residual, SymbolicResidual
from pdejax.networks import AxisRule, Slab
from pdejax.training.optimisers.lattice.tensor_basis import AxisBasis, at_face
from pdejax.training.optimisers.lattice.tensor_rows import RowSet


@dataclasses.dataclass(frozen=True)
class Matching:
    """The residual of meeting an earlier state.

    **Arguments:** `orders`: of the derivatives that meet, and `channels`: of the field that has each.
    """

    orders: tuple[Order, ...]
    channels: tuple[int, ...]

    @property
    def equations(self) -> int:
        """How many derivatives meet."""
        return len(self.orders)

    def __call__(self, derivatives: Jets, points: Array, parameters: Mapping[str, Any]) -> Array:
        parts = [derivatives[o][:, c] for o, c in zip(self.orders, self.channels, strict=True)]
        return jnp.stack(parts, axis=-1)


def matching(problem: BoundaryValueProblem) -> Matching:
    """What slabs pass on: of each field all derivatives in time below the highest in the equation."""
    residual, orders, channels = problem.residual, [], []
    for channel, field in enumerate(problem.fields):
        if isinstance(residual, SymbolicResidual):
            highest = residual.highest(field, 0)
        else:
            highest = max(o[0] for o in residual.orders)
        for n in range(highest):
            orders.append((n, *(0 for _ in problem.axes[1:])))
            channels.append(channel)
    return Matching(tuple(orders), tuple(channels))


@dataclasses.dataclass(frozen=True)
class RowMaker:
    """Makes row sets of a slab.

    **Arguments:** `problem`; `rules`; `axes`: centres and widths by axis; `bases`; `lengths`: of each axis by which a
    derivative is measured: the distance of Gaussians in space, the length of the slab in time; `parameters`.
    """

    problem: BoundaryValueProblem
    rules: tuple[AxisRule, ...]
    axes: Sequence[tuple[Array, Array]]
    bases: Sequence[AxisBasis]
    lengths: Sequence[Scalar]
    parameters: Mapping[str, Any]

    def all(self, weight: float, opening: Any, start: Scalar, before: Slab | None) -> list[RowSet]:
        """The equation first, then conditions, then the meeting with the slab before.

        **Arguments:** `weight`: of all but the equation; `opening`: whether this is the first slab; `start`: its time;
        `before`: the slab before, if there are several.

        **Raises:** `ValueError` for a condition at a later time than the start.
        """
        real = self.bases[0].points.dtype
        first = jnp.where(opening, 1.0, 0.0).astype(real)
        sets = [self.rows(self.problem.residual, {}, 1.0)]
        for condition in self.problem.conditions:
            own = weight * condition.weight**0.5
            for face in condition.faces:
                held = {self.problem.axes.index(a): jnp.asarray(v, real) for a, v in face.items()}
                if "t" in face:
                    self._check_start(condition.name, face["t"])
                    sets.append(self.rows(condition.residual, {**held, 0: start}, own * first))
                else:
                    sets.append(self.rows(condition.residual, held, own))
        return sets if before is None else [*sets, self._meeting(before, start, weight * (1 - first))]

    def _check_start(self, name: str, time: float) -> None:
        if not np.isclose(time, self.problem.box[0][0]):
            raise ValueError(f"optimiser lattice_newton marches in time: condition {name!r} at t={time:g} is not at "
                             f"the start")  # fmt: skip

    def _meeting(self, before: Slab, start: Scalar, weight: Scalar) -> RowSet:
        residual = matching(self.problem)
        space = [b.points for b in self.bases[1:]]
        values = before.on_grid(self.rules, (start[None], *space), residual.orders)
        shift = {o: v.reshape(-1, v.shape[-1]) for o, v in zip(residual.orders, values, strict=True)}
        return self.rows(residual, {0: start}, weight, shift)

    def rows(
        self, residual: Residual, face: Mapping[int, Scalar], weight: Any, shift: Mapping[Order, Array] | None = None
    ) -> RowSet:
        """The rows of a residual inside, or on a face: axes by their number held at a place."""
        points, factors, weights = [], [], []
        for i, basis in enumerate(self.bases):
            if i in face:
                points.append(face[i][None])
                factors.append(at_face(self.rules[i], *self.axes[i], basis, face[i]))
                weights.append(jnp.ones(1, basis.weights.dtype))
            else:
                points.append(basis.points)
                factors.append(basis.values)
                weights.append(basis.weights)
        root = jnp.sqrt(functools.reduce(lambda a, b: jnp.tensordot(a, b, axes=0), weights))
        scale = weight * jnp.ones(residual.equations, root.dtype)
        return RowSet(TensorGrid(tuple(points)), tuple(factors), root, scale, dict(shift or {}), residual)

    def in_units_of_the_field(self, rows: RowSet, coefficients: Array) -> RowSet:
        """Rows over the largest of their slopes by a derivative times what the derivative makes of a change."""
        plain = eqx.tree_at(lambda r: r.scale, rows, jnp.ones_like(rows.scale))
        linear, sizes = plain.linear(coefficients, self.parameters), []
        for order, slope in linear.slopes.items():
            factor = math.prod((self.lengths[i] ** -n for i, n in enumerate(order) if n), start=1.0)
            sizes.append(factor * jnp.sqrt(jnp.max(jnp.sum(jnp.square(slope), axis=0), axis=-1)))
        size = jnp.max(jnp.stack(sizes), axis=0) / jnp.sqrt(jnp.sum(jnp.square(rows.root)))
        return eqx.tree_at(lambda r: r.scale, rows, rows.scale / jnp.where(size > 0, size, 1))
