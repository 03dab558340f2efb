"""The right-hand side of a conservation law for averages over cells."""

import functools
import operator
from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import sympy
from jaxtyping import Array, Float

from pdejax.core import Grid, Scaling
from pdejax.equations import COORDINATES, TIME, Equation, evaluate, jet, jets
from pdejax.solvers._arrays import batch_axis, expand_rank, working
from pdejax.solvers.volumes.bed import Bed, bed, wet
from pdejax.solvers.volumes.ends import Ends, read_ends
from pdejax.solvers.volumes.fits import check_fits, check_wellposed
from pdejax.solvers.volumes.induction import induced, magnetic_fields
from pdejax.solvers.volumes.law import ConservationLaw, Variables, conservation_law
from pdejax.solvers.volumes.neighbours import at_faces, difference, inner, stacked
from pdejax.solvers.volumes.reconstruct import Reconstruction
from pdejax.solvers.volumes.riemann import Faces, RiemannSolver, faces
from pdejax.solvers.volumes.waves import radius, slope_derivative, source_derivative, waves

ROUNDING = 1e-6  # of the largest: so much below zero is nothing

Values = dict[sympy.Symbol, Any]


class VolumeForm(eqx.Module):
    """The rate of change of averages over cells, one array `(field, batch, *space)`; made by `volume_form`.

    - `parameters`: numbers or arrays `(batch, 1, ...)` by name; `length`: a factor on the lengths of the grid.
    """

    parameters: dict[str, Any]
    length: Any
    equation: Equation = eqx.field(static=True)
    grid: Grid = eqx.field(static=True)
    reconstruction: Reconstruction = eqx.field(static=True)
    riemann: RiemannSolver = eqx.field(static=True)
    ends: tuple[Ends, ...] = eqx.field(static=True)

    @property
    def law(self) -> ConservationLaw:
        """The equation sorted."""
        return conservation_law(self.equation)

    @property
    def variables(self) -> Variables:
        """Which are reconstructed."""
        return self.law.primitive if self.reconstruction.primitive else self.law.conserved

    def to_fields(self, u: Float[Array, "*batch_and_space channel"]) -> Array:
        """A state as `(field, batch, *space)` in the working precision.

        **Raises:** `ValueError` if the state does not have the grid's shape or the equation's channels.
        """
        expected = (*self.grid.shape, self.equation.channels)
        if u.shape[-len(expected) :] != expected:
            raise ValueError(f"expected a state (*batch, {', '.join(map(str, expected))}), got shape {u.shape}")
        return jnp.moveaxis(working(u).reshape((-1, *expected)), -1, 0)

    def to_state(self, q: Array, like: Any) -> Array:
        """The state of `(field, batch, *space)`, shaped and typed as `like`."""
        return jnp.moveaxis(q, 0, -1).reshape(like.shape).astype(like.dtype)

    def rate(self, q: Array, time: Any) -> Array:
        """The rate of change at a time that is a number or `(batch,)`."""
        time = batch_axis(jnp.asarray(time), self.grid.ndim)
        q = wet(self.equation, q)
        total = self._transport(q, time)
        for axis in range(self.grid.ndim):
            if any(e != 0 for e in self.law.viscous[axis]):
                spread = difference(self._viscous(q, axis, time), axis) / self._spacing(axis)
                total = total + self._mobility(q, time) * spread
        if any(e != 0 for e in self.law.sources):
            values = self._values(time) | dict(zip(self.law.conserved.symbols, q, strict=True))
            total = total + stacked([evaluate(e, values) for e in self.law.sources], q.shape[1:], q.dtype)
        return total

    def fastest(self, q: Array, time: Any, *, in_any_state: bool = False) -> Array:
        """The rate at which waves and diffusion cross cells and sources act, largest of each trajectory, `(batch,)`.

        **Arguments:** `in_any_state`: only of what has the same rate in all states.
        """
        time, q = batch_axis(jnp.asarray(time), self.grid.ndim), wet(self.equation, q)
        counts = lambda *matrices: not in_any_state or not any(jets(e) for matrix in matrices for e in matrix)
        total: Any = self._source_rate(q, time) if counts(source_derivative(self.equation)) else 0.0
        for axis in range(self.grid.ndim):
            if counts(waves(self.equation)[0][axis].matrix):
                total = total + self._wave_speed(q, axis, time) / self._spacing(axis)
            if any(e != 0 for e in self.law.viscous[axis]) and counts(slope_derivative(self.equation, axis, axis)):
                total = total + 2 * self._diffusivity(q, axis, time) / self._spacing(axis) ** 2
        total = jnp.broadcast_to(total, q.shape[1:])
        return jnp.max(total, axis=tuple(range(1, total.ndim)))

    def _wave_speed(self, q: Array, axis: int, time: Any) -> Array:
        """The largest at the faces of each cell: of the cells at both sides, ghosts too, and of what is between."""
        symbols, waves_here = self.law.conserved.symbols, waves(self.equation)[0][axis]
        padded = self.ends[axis].padded(q, 1, self._spacing(axis), self._values(time), smooth=False)
        take = lambda x, start, end: jax.lax.slice_in_dim(x, start, x.shape[-self.grid.ndim + axis] + end,
                                                          axis=x.ndim - self.grid.ndim + axis)  # fmt: skip
        known = self._values(time, at_faces=axis)
        low, high = (known | dict(zip(symbols, take(padded, *ends), strict=True)) for ends in ((0, -1), (1, 0)))
        slowest, fastest = waves_here.between(low, high)
        between = jnp.maximum(-slowest, fastest)
        cells = waves_here.largest(self._values(time, beyond={axis: 1}) | dict(zip(symbols, padded, strict=True)))
        shape = [q.shape[1], *(n + (1 if i == axis else 0) for i, n in enumerate(self.grid.shape))]
        cells = jnp.broadcast_to(cells, [n + (i == axis + 1) for i, n in enumerate(shape)])
        at_faces = jnp.maximum(jnp.broadcast_to(between, shape), jnp.maximum(take(cells, 0, -1), take(cells, 1, 0)))
        return jnp.maximum(take(at_faces, 0, -1), take(at_faces, 1, 0))

    def _source_rate(self, q: Array, time: Any) -> Any:
        """The largest eigenvalue of the derivative of the sources, or a bound on it."""
        if all(e == 0 for e in self.law.sources):
            return 0.0
        values = self._values(time) | dict(zip(self.law.conserved.symbols, q, strict=True))
        return radius(source_derivative(self.equation), values)

    def _mobility(self, q: Array, time: Any) -> Any:
        """What diffusion is multiplied by."""
        if all(e == 1 for e in self.law.mobility):
            return 1.0
        values = self._values(time) | dict(zip(self.law.conserved.symbols, q, strict=True))
        return stacked([evaluate(e, values) for e in self.law.mobility], q.shape[1:], q.dtype)

    def positive(self, q: Array) -> Array:
        """Whether all is that should be, of each trajectory, `(batch,)`."""
        conserved = self.law.conserved
        values = self._values(0.0) | dict(zip(conserved.symbols, q, strict=True))
        good = jnp.all(jnp.isfinite(q), axis=0)
        for e in conserved.positive:
            found = evaluate(e, values)
            space = tuple(range(1, found.ndim))
            # what may be zero is so to within rounding, each trajectory's own
            least = -ROUNDING * jnp.max(jnp.abs(found), axis=space, keepdims=True)
            good = good & (found >= least if e in self.law.vanishing else found > 0)
        return jnp.all(good, axis=tuple(range(1, good.ndim)))

    def _spacing(self, axis: int) -> Any:
        return self.grid.spacing[axis] * self.length

    def _values(self, time: Any, beyond: Mapping[int, int] | None = None, at_faces: int | None = None) -> Values:
        """Parameters, time, and places of the middles of cells; of faces along an axis, with ghosts along others."""
        values: Values = {sympy.Symbol(name, real=True): value for name, value in self.parameters.items()}
        values[TIME] = time
        for axis, (n, h, origin) in enumerate(zip(self.grid.shape, self.grid.spacing, self.grid.origin, strict=True)):
            ghosts = (beyond or {}).get(axis, 0)
            x = origin + h * (np.arange(n + 1) if axis == at_faces else np.arange(-ghosts, n + ghosts) + 0.5)
            shape = [-1 if i == axis else 1 for i in range(self.grid.ndim)]
            values[COORDINATES[axis]] = jnp.asarray(x.reshape((1, *shape)), jnp.result_type(float)) * self.length
        return values

    def _transport(self, q: Array, time: Any) -> Array:
        """What fluxes without slopes of fields change."""
        axes, ghosts = range(self.grid.ndim), self.reconstruction.ghosts
        if (ground := bed(self.equation)) is not None:
            changes = [self._over(ground, self._padded(q, time, {axis: ghosts}), axis, time) for axis in axes]
            return functools.reduce(operator.add, changes)
        if not (magnetic := magnetic_fields(self.equation)):
            fluxes = [self._flux(self._padded(q, time, {axis: ghosts}), axis, time) for axis in axes]
            return self._divergence(fluxes)
        whole = self._padded(q, time, dict.fromkeys(axes, ghosts))
        around = lambda *own: inner(whole, ghosts - 1, [other for other in axes if other not in own])
        known = self._values(time, beyond=dict.fromkeys(axes, 1))
        known |= dict(zip(self.law.conserved.symbols, around(), strict=True))
        middle = lambda axis, field: evaluate(self.law.conserved.fluxes[axis][field], known)
        fluxes = [self._flux(around(axis), axis, time, around=1) for axis in axes]
        total = self._divergence([inner(f, 1, [b for b in axes if b != a]) for a, f in enumerate(fluxes)])
        for one in magnetic:
            for field, rate in induced(one, fluxes, middle, self._spacing).items():
                here = np.arange(q.shape[0]).reshape(-1, *(1,) * rate.ndim) == field
                total = jnp.where(here, rate[None], total)
        return total

    def _divergence(self, fluxes: list[Array]) -> Any:
        """Minus that of fluxes through faces."""
        return sum(-difference(flux, axis) / self._spacing(axis) for axis, flux in enumerate(fluxes))

    def _padded(self, q: Array, time: Any, ghosts: Mapping[int, int]) -> Array:
        """Averages with so many ghosts at both ends of axes."""
        beyond: dict[int, int] = {}
        for axis, count in ghosts.items():
            values = self._values(time, beyond)
            q = self.ends[axis].padded(q, count, self._spacing(axis), values, smooth=False)
            beyond[axis] = count
        return q

    def _flux(self, padded: Array, axis: int, time: Any, around: int = 0) -> Array:
        """Through all faces across an axis, of averages with ghosts along it, and so many at the ends of others."""
        variables, ghosts = self.variables, self.reconstruction.ghosts
        beyond = {other: around for other in range(self.grid.ndim) if other != axis}
        shape = [n + 2 * beyond.get(i, 0) + (i == axis) for i, n in enumerate(self.grid.shape)]
        known = self._values(time, beyond={**beyond, axis: ghosts})
        known |= dict(zip(self.law.conserved.symbols, padded, strict=True))
        w = padded if variables.plain else jnp.stack([evaluate(e, known) for e in variables.of_fields])
        take = lambda x, start, end: jax.lax.slice_in_dim(x, start, x.shape[2 + axis] + end, axis=2 + axis)
        below, above = self.ends[axis].reconstructed(w, self.reconstruction)
        middle = take(w, ghosts - 1, 1 - ghosts)
        bad = self._bad(self._values(time, beyond={**beyond, axis: 1}), below, above)
        # of the cell itself where something at one of its faces is not positive
        below, above = (x if bad is None else jnp.where(bad[None], middle, x) for x in (below, above))
        own, other = waves(self.equation)
        speeds, values = (own if variables.plain else other)[axis], self._values(time, beyond, at_faces=axis)
        low, high = self._through(take(above, 0, -1), take(below, 1, 0), axis, values)
        met = faces(variables, speeds, own[axis], axis, values, low, high)
        return self._met(met, (padded.shape[1], *shape), padded)

    def _met(self, met: Faces, shape: tuple[int, ...], like: Array) -> Array:
        """The fluxes of both sides of faces; what stays where it is has none."""
        flux = list(self.riemann(self.equation, met))
        for i in self.law.still:
            flux[i] = 0.0
        return stacked(flux, shape, like.dtype)

    def _over(self, ground: Bed, padded: Array, axis: int, time: Any) -> Array:
        """What fluxes along an axis and a bed change."""
        ghosts, primitive = self.reconstruction.ghosts, self.reconstruction.primitive
        take = lambda x, start, end: jax.lax.slice_in_dim(x, start, x.shape[2 + axis] + end, axis=2 + axis)
        w = ground.levels(padded, primitive)
        below, above = (ground.fields(one, primitive) for one in self.ends[axis].reconstructed(w, self.reconstruction))
        middle = take(padded, ghosts - 1, 1 - ghosts)
        # with one of its faces below the ground a cell is level
        bad = jnp.minimum(below[ground.depth], above[ground.depth]) < 0
        below, above = jnp.where(bad, middle, below), jnp.where(bad, middle, above)
        low, high = ground.meet(take(above, 0, -1), take(below, 1, 0))
        values, own = self._values(time, at_faces=axis), waves(self.equation)[0][axis]
        shape = tuple(n + (i == axis) for i, n in enumerate(self.grid.shape))
        met = faces(self.law.conserved, own, own, axis, values, low, high)
        change = difference(self._met(met, (padded.shape[1], *shape), padded), axis)
        if ground.bed is not None:
            inside, over = (take(below, 1, -1), take(above, 1, -1)), (take(high, 0, -1), take(low, 1, 0))
            change = change - ground.push(axis, self._values(time), inside, over)
        return -change / self._spacing(axis)

    def _through(self, low: Array, high: Array, axis: int, values: Values) -> tuple[Array, Array]:
        """States at faces with one magnetic field through each, but where something would not be positive by that; so
        is what stays, since nothing is between both sides that could wear it off."""
        symbols, of = self.law.conserved.symbols, self.variables.of_fields
        fields = [symbols[one[axis]] for one in magnetic_fields(self.equation)]
        fields += [symbols[i] for i in self.law.still]
        same = np.array([e in fields for e in of]).reshape(-1, *(1,) * (low.ndim - 1))
        if not same.any():
            return low, high
        one, two = (jnp.where(same, (low + high) / 2, x) for x in (low, high))
        bad = self._bad(values, one, two)
        return (one, two) if bad is None else (jnp.where(bad[None], low, one), jnp.where(bad[None], high, two))

    def _bad(self, parameters: Values, *states: Array) -> Any:
        """Where something that should be is not positive in one of some states; none where nothing need be."""
        found = [
            evaluate(e, parameters | dict(zip(self.variables.symbols, w, strict=True))) <= 0
            for e in self.variables.positive
            for w in states
        ]
        return functools.reduce(jnp.logical_or, found) if found else None

    def _viscous(self, q: Array, axis: int, time: Any) -> Array:
        """Through all faces across an axis, of central differences."""
        values = self._face_values(q, axis, time)
        shape = tuple(n + (i == axis) for i, n in enumerate(self.grid.shape))
        return stacked([evaluate(e, values) for e in self.law.viscous[axis]], (q.shape[1], *shape), q.dtype)

    def _face_values(self, q: Array, axis: int, time: Any) -> Values:
        """Fields and their slopes at the faces across an axis."""
        padded = q
        for other in range(self.grid.ndim):
            known = self._values(time, beyond=dict.fromkeys(range(other), 1))
            padded = self.ends[other].padded(padded, 1, self._spacing(other), known, smooth=True)
        values = self._values(time, at_faces=axis)
        for number, field in enumerate(self.equation.fields):
            values[jet(field)] = at_faces(padded[number], axis, (0, 0, 0), self._spacing)
        for j in (j for e in self.law.viscous[axis] for j in jets(e)):
            values[j] = at_faces(padded[self.equation.fields.index(j.field)], axis, j.alpha, self._spacing)
        return values

    def _diffusivity(self, q: Array, axis: int, time: Any) -> Any:
        """The largest eigenvalue of the derivative of viscous fluxes by slopes, or a bound on it, at a cell's faces."""
        found = radius(slope_derivative(self.equation, axis, axis, mobile=False), self._face_values(q, axis, time))
        shape = (q.shape[1], *(n + (i == axis) for i, n in enumerate(self.grid.shape)))
        faces = jnp.broadcast_to(jnp.asarray(found, q.dtype), shape)
        take = lambda start, end: jax.lax.slice_in_dim(faces, start, faces.shape[1 + axis] + end, axis=1 + axis)
        mobility = self._mobility(q, time)  # of the cell, which multiplies what goes through its faces
        largest = mobility if isinstance(mobility, float) else jnp.max(mobility, axis=0)
        return largest * jnp.maximum(take(0, -1), take(1, 0))


def volume_form(
    equation: Equation,
    grid: Grid,
    parameters: Mapping[str, Any] | None,
    scaling: Scaling,
    reconstruction: Reconstruction,
    riemann: RiemannSolver,
) -> VolumeForm:
    """The rate of change of averages over the cells of a grid.

    **Arguments:** `equation`; `grid`: of cells; `parameters`: numbers or arrays `(batch,)`; `scaling`: its `length` is
    a factor on the lengths of the grid; `reconstruction`; `riemann`.

    **Raises:** `ValueError` if these do not fit together.
    """
    check_fits(equation, grid, reconstruction, riemann)
    column = lambda value: expand_rank(batch_axis(working(value), grid.ndim), 1 + grid.ndim)
    check_wellposed(equation, grid, parameters, scaling)
    values = {name: column(value) for name, value in equation.resolve(parameters).items()}
    return VolumeForm(
        values, column(scaling.length), equation, grid, reconstruction, riemann, read_ends(equation, grid)
    )
