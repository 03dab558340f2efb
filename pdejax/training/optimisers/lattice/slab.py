"""One pass over a slab: Gaussians are placed, made orthonormal, and their weights found."""

import dataclasses
import functools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from pdejax.core import Scalar, TensorGrid
from pdejax.equations import BoundaryValueProblem, Jets, Order, SymbolicResidual
from pdejax.methods import PhysicsField
from pdejax.networks import WIDE, AxisRule, GaussianLattice, Periodic, Slab, contract, per_axis
from pdejax.training.optimisers.lattice.rows import RowMaker
from pdejax.training.optimisers.lattice.tensor_basis import (
    AxisBasis,
    Placement,
    clustered_placement,
    even_placement,
    fitted_placement,
    fourth_difference,
    kept_products,
    lattice_axis,
    orthonormal,
    quadrature,
)
from pdejax.training.optimisers.lattice.tensor_newton import Factor, TensorNewton
from pdejax.training.optimisers.lattice.tensor_rows import RowSet

SNAPSHOTS = 2  # times of a slab, its end among them, at which the solution's derivatives are looked at
ROUNDING = 8.5  # widths from its centre where a Gaussian is below double rounding
COARSE = 17  # places on the axes beside the one that is looked at


class Passed(NamedTuple):
    """What a pass gives: the lattice with its slab solved, and measures of it."""

    lattice: GaussianLattice
    square: Scalar
    error: Scalar
    steps: Int[Array, ""]
    factor: Factor


@dataclasses.dataclass(frozen=True)
class LatticePass:
    """A pass over the slab `number` of the model's lattice.

    **Arguments:** `settings`: a `LatticeNewton`; `model`; `number`: may be traced; `first`: whether the slab has no
    solution of its own.
    """

    settings: Any
    model: PhysicsField
    number: Any
    first: Any

    # ---- what is given

    @property
    def problem(self) -> BoundaryValueProblem:
        return self.model.problem

    @property
    def lattice(self) -> GaussianLattice:
        field: Any = self.model.field
        return field

    @property
    def rules(self) -> tuple[AxisRule, ...]:
        return self.lattice.rules

    @functools.cached_property
    def ends(self) -> tuple[Scalar, Scalar]:
        """Start and end of the slab on the first axis."""
        pick = lambda i: lax.dynamic_index_in_dim(self.lattice.edges, i, keepdims=False)
        return pick(self.number), pick(self.number + 1)

    @functools.cached_property
    def own(self) -> Slab:
        return self.lattice.slab(self.number)

    @functools.cached_property
    def before(self) -> Slab:
        return self.lattice.slab(jnp.maximum(self.number - 1, 0))

    @functools.cached_property
    def _stated(self) -> SymbolicResidual | None:
        """The expressions of all fields' initial values, if the conditions state them."""
        if not self.problem.timed:
            return None
        values = [self.problem.start(field) for field in self.problem.fields]
        known = tuple(v for v in values if v is not None)
        return SymbolicResidual(known, self.problem.fields, self.problem.axes) if len(known) == len(values) else None

    def start(self, axes: Sequence[Array]) -> Float[Array, "*space channel"]:
        """The state at the start of the slab on a grid of space; zero where nothing is known of it."""
        grid = TensorGrid((self.ends[0][None], *axes))
        zero: Order = (0,) * len(self.problem.axes)
        held = self.before.on_grid(self.rules, grid.axes, [zero])[0][0]
        if self._stated is None:
            return jnp.where(self.number == 0, 0, held)
        points = grid.points()
        jets: Jets = {zero: jnp.zeros((points.shape[0], self.problem.channels), points.dtype)}
        stated = self._stated(jets, points, self.model.parameters).reshape(held.shape)
        return jnp.where(self.number == 0, stated, held)

    # ---- placement

    @functools.cached_property
    def placements(self) -> tuple[Placement, ...]:
        """Where Gaussians and points go, per axis."""
        timed = self.problem.timed
        space = [self._placement(i) for i in range(timed, len(self.problem.axes))]
        return (even_placement(*self.ends), *space) if timed else tuple(space)

    def _placement(self, axis: int) -> Placement:
        rule = self.rules[axis]
        low, high = rule.span(*self.problem.box[axis], 0.0)
        if self.problem.axes[axis] in self.settings.adaptive:
            return self._fitted(axis, np.linspace(low, high, self.settings.fine))
        amount = per_axis("cluster", self.settings.cluster, self.problem.ndim)[axis - self.problem.timed]
        inner, outer = rule.span(0.0, 1.0, 0.0), rule.span(0.0, 1.0, 1.0)
        return clustered_placement(low, high, (amount * (outer[0] < inner[0]), amount * (outer[1] > inner[1])))

    def _fitted(self, axis: int, fine: np.ndarray) -> Placement:
        real = self.lattice.edges.dtype
        places, rule = jnp.asarray(fine, real), self.rules[axis]
        others = [jnp.asarray(self._coarse(i), real) for i in range(len(self.problem.axes))]
        seconds = [*self._own_seconds(axis, places, others)]
        if self.problem.timed:
            seconds.append(self._start_second(axis, places, others[1:]))
        inner, outer = rule.span(0.0, 1.0, 0.0), rule.span(0.0, 1.0, 1.0)
        ends = {
            "wraps": self.problem.periodic[axis] and not rule.reflects,
            "sign": -1.0 if self.problem.parity[axis] == "odd" else 1.0,
            "open_ends": (outer[0] < inner[0], outer[1] > inner[1]),
        }
        fourths = [fourth_difference(s, places[1] - places[0], **ends) for s in seconds]
        largest = [jnp.max(jnp.abs(f).reshape(len(fine), -1), axis=1) for f in fourths]
        s = self.settings
        shape = {"floor": s.floor, "grading": s.grading, "smallest": s.smallest}
        if isinstance(rule, Periodic):  # no wider than its images cover
            shape["largest"] = rule.copies * rule.period / (ROUNDING * self.lattice.overlap[axis])
        count = self.own.centres[axis].shape[0]
        return fitted_placement(places, largest, self.size, count=count, wraps=ends["wraps"], **shape)

    def _coarse(self, axis: int) -> np.ndarray:
        low, high = self.rules[axis].span(*self.problem.box[axis], 0.0)
        return low + (high - low) * quadrature(self.rules[axis], COARSE)[0]

    @functools.cached_property
    def size(self) -> Scalar:
        """Of the field: its largest value at the start, or of a steady solution; one where nothing is known."""
        axes = [jnp.asarray(self._coarse(i), self.lattice.edges.dtype) for i in range(len(self.problem.axes))]
        if self.problem.timed:
            found = jnp.max(jnp.abs(self.start(axes[1:])))
        else:
            found = jnp.max(jnp.abs(self.own.on_grid(self.rules, axes, [(0,) * len(axes)])[0]))
        return jnp.where(found > 0, found, 1)

    def _own_seconds(self, axis: int, places: Array, others: Sequence[Array]) -> list[Float[Array, " fine *rest"]]:
        """The second derivative of the slab's own solution at times of it, zero before there is one."""
        axes = [places if i == axis else o for i, o in enumerate(others)]
        if self.problem.timed:
            share = jnp.arange(1, SNAPSHOTS + 1, dtype=places.dtype) / SNAPSHOTS
            axes[0] = self.ends[0] + (self.ends[1] - self.ends[0]) * share
        second = tuple(2 * (i == axis) for i in range(len(axes)))
        own = jnp.where(self.first, 0, self.own.on_grid(self.rules, axes, [second])[0])
        shots = list(own) if self.problem.timed else [own]
        return [jnp.moveaxis(shot, axis - self.problem.timed, 0) for shot in shots]

    def _start_second(self, axis: int, places: Array, others: Sequence[Array]) -> Float[Array, " fine *rest"]:
        """Of the state at the start: exact of an earlier slab, by differences of a stated one, kinks included."""
        space, step, rule = axis - 1, places[1] - places[0], self.rules[axis]
        axes = [places if i == space else o for i, o in enumerate(others)]
        second = (0, *(2 * (i == space) for i in range(len(axes))))
        held = self.before.on_grid(self.rules, (self.ends[0][None], *axes), [second])[0][0]
        around = jnp.concatenate([places[:1] - step, places, places[-1:] + step])
        axes[space] = rule.place(around) if self.problem.periodic[axis] else jnp.clip(around, *self.problem.box[axis])
        values = jnp.moveaxis(self.start(axes), space, 0)
        stated = (values[2:] - 2 * values[1:-1] + values[:-2]) / step**2
        if not self.problem.periodic[axis]:  # nothing is stated outside: a clipped place is no neighbour
            left, right = (
                a == b for a, b in zip(rule.span(*self.problem.box[axis], 0.0), self.problem.box[axis], strict=True)
            )
            first, last = stated[1:2] if left else stated[:1], stated[-2:-1] if right else stated[-1:]
            stated = jnp.concatenate([first, stated[1:-1], last])
        return jnp.where(self.number == 0, stated, jnp.moveaxis(held, space, 0))

    # ---- bases

    @functools.cached_property
    def axes(self) -> tuple[tuple[Array, Array], ...]:
        """Centres and widths of the slab's Gaussians by axis."""
        lattice, found = self.lattice, []
        for i, placement in enumerate(self.placements):
            wide = 2 * (i == 0 and lattice.wide)
            count = self.own.centres[i].shape[0] - wide
            centres, widths = lattice_axis(self.rules[i], placement, count, lattice.beyond[i], lattice.overlap[i])
            if wide:
                ends = placement.place(jnp.asarray([0.0, 1.0], centres.dtype))
                centres = jnp.concatenate([centres, ends])
                widths = jnp.concatenate([widths, jnp.full(2, WIDE, widths.dtype) * (ends[1] - ends[0])])
            found.append((centres, widths))
        return tuple(found)

    @functools.cached_property
    def bases(self) -> tuple[AxisBasis, ...]:
        """Orthonormal functions of each axis, on points that are weighted by the room they have."""
        oversampling = per_axis("oversampling", self.settings.oversampling, len(self.axes))
        residuals = [self.problem.residual, *(c.residual for c in self.problem.conditions)]
        bases = []
        for i, (rule, placement) in enumerate(zip(self.rules, self.placements, strict=True)):
            centres, widths = self.axes[i]
            at, shares = quadrature(rule, math.ceil(oversampling[i] * centres.shape[0]))
            points, weights = self._points(placement, at, shares)
            order = max(o[i] for r in residuals for o in r.orders)
            bases.append(orthonormal(rule, centres, widths, points, weights, order, self.settings.cutoff))
        return tuple(bases)

    @staticmethod
    def _points(placement: Placement, at: np.ndarray, shares: np.ndarray) -> tuple[Array, Array]:
        where = jnp.asarray(at, placement.places.dtype)
        weights = jnp.asarray(shares, where.dtype) * placement.spacing(where)
        return placement.place(where), weights / jnp.sum(weights)

    def _lengths(self) -> list[Scalar]:
        spacing = lambda c: jnp.median(jnp.diff(c)) if c.shape[0] > 1 else jnp.ones((), c.dtype)
        lengths = [spacing(centres) for centres, _ in self.axes]
        return [self.ends[1] - self.ends[0], *lengths[1:]] if self.problem.timed else lengths

    # ---- solution

    def _guess(self) -> Array:
        """Coefficients of the start's state at all times, or of the slab's own solution, on the new basis."""
        points = [b.points for b in self.bases]
        own = self.own.on_grid(self.rules, points, [(0,) * len(points)])[0]
        held = jnp.broadcast_to(self.start(points[1:])[None], own.shape) if self.problem.timed else jnp.zeros_like(own)
        values = jnp.where(self.first, held, own)
        return contract([(b.values[0] * b.weights[:, None]).T for b in self.bases], values)

    def _error(self, found: Slab, equation: RowSet) -> Scalar:
        """The root mean square of the residual on points that were not used, in units of the field over its size."""
        axes, weights = [], []
        for i, placement in enumerate(self.placements):
            count = 2 * self.axes[i][0].shape[0] + 1
            points, own = self._points(placement, (np.arange(count) + 0.29) / count, np.ones(count))
            axes.append(points)
            weights.append(own)
        orders = self.problem.residual.orders
        values = found.on_grid(self.rules, axes, orders)
        jets = {o: v.reshape(-1, v.shape[-1]) for o, v in zip(orders, values, strict=True)}
        rows = self.problem.residual(jets, TensorGrid(tuple(axes)).points(), self.model.parameters)
        weight = functools.reduce(lambda a, b: jnp.tensordot(a, b, axes=0), weights).reshape(-1)
        square = jnp.sum(jnp.square(rows * equation.scale[None]), axis=1)
        return jnp.sqrt(jnp.sum(weight * square)) / self.size

    def run(self, earlier: tuple[Factor, Bool[Array, ""]] | None = None) -> Passed:
        """The slab solved; `earlier` is a factor of an earlier pass, and whether there is one."""
        s, before = self.settings, self.before if self.problem.timed and self.lattice.slabs > 1 else None
        maker = RowMaker(self.problem, self.rules, self.axes, self.bases, self._lengths(), self.model.parameters)
        guess = self._guess()
        sets = maker.all(s.condition_weight, self.number == 0, self.ends[0], before)
        sets = [maker.in_units_of_the_field(rows, guess) for rows in sets]
        newton = TensorNewton(s.steps, s.tolerance, s.inner, s.inner_tolerance, s.ridge)
        free = kept_products(self.bases, s.cutoff)
        minimum = newton.minimise(sets, guess, free, self.model.parameters, earlier)
        weights = contract([b.transform for b in self.bases], minimum.coefficients)
        found = Slab(tuple(c for c, _ in self.axes), tuple(w for _, w in self.axes), weights)
        return Passed(self._put(found), minimum.square, self._error(found, sets[0]), minimum.count, minimum.factor)

    def _put(self, found: Slab) -> GaussianLattice:
        put = lambda all, one: lax.dynamic_update_index_in_dim(all, one, self.number, 0)
        parts = lambda f: (f.centres, f.widths, f.weights)
        return eqx.tree_at(parts, self.lattice, jax.tree.map(put, parts(self.lattice), parts(found)))
