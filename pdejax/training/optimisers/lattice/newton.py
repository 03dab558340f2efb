"""Gaussians on lattices, slab after slab of time: placed by the solution, their weights found by least squares."""

import dataclasses
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Int

from pdejax.core import Count, Fraction, NotNegative, Positive, Scalar, known, register
from pdejax.equations import BoundaryValueProblem
from pdejax.methods import PhysicsField
from pdejax.networks import GaussianLattice
from pdejax.training.optimisers.lattice.slab import LatticePass
from pdejax.training.optimisers.lattice.tensor_newton import Factor, no_factor


class March(NamedTuple):
    """Where the march through time stands.

    - `slab`, `turn`: the slab at hand, and the passes over it so far.
    - `length`: of it, to be tried; `tried`: length and error of a rejected trial, zero for none.
    - `rate`: error per length that shorter slabs did not lower, zero for none.
    - `loss`, `error`: of the last pass; `done`: whether the end is reached.
    """

    slab: Int[Array, ""]
    turn: Int[Array, ""]
    length: Scalar
    tried: tuple[Scalar, Scalar]
    rate: Scalar
    loss: Scalar
    error: Scalar
    done: Bool[Array, ""]


@register("optimiser", "lattice_newton")
@dataclasses.dataclass(frozen=True)
class LatticeNewton:
    """The optimiser of a `GaussianLattice` in a `PhysicsInformed` model, to be used in float64.

    An update makes `group` passes. In a pass the Gaussians of a slab are placed, their 1-D factors made orthonormal on
    collocation points, and the coefficients found that minimise the squares of the equation's residual and of the
    conditions. A slab starts from the end of the one before. In the first pass it is placed by its initial state, in
    further ones by its own solution too. A steady problem has one slab. Updates after the end change nothing.

    **Arguments:**

    - `passes`: over each slab; `group`: passes an update makes with one factor as preconditioner.
    - `error`: wanted residual of a slab, the mean over independent points in units of the field: slabs are as long as
        they meet it, the first one `first`, none shorter than `shortest` or longer than `longest` (in shares of the
        time); if omitted all slabs are equal.
    - `oversampling`: collocation points per Gaussian, one number or one per axis.
    - `condition_weight`: of conditions' rows, relative to those of the equation, each in units of the field.
    - `adaptive`: letters of the axes of space whose Gaussians follow the solution's fourth derivative, with `floor`,
        `grading` and `smallest` spacing, found on `fine` places, see `fitted_placement`.
    - `cluster`: crowding of points and Gaussians towards the ends of the other axes of space, see
        `clustered_placement`, one number or one per axis of space.
    - `cutoff`: of the products of singular values of 1-D factors, see `kept_products`.
    - `steps`, `tolerance`, `inner`, `inner_tolerance`, `ridge`: see `TensorNewton`.
    """

    passes: Count = 1
    group: Count = 1
    error: Positive | None = None
    first: Positive = 1e-2
    shortest: Positive = 1e-4
    longest: Positive = 0.1
    oversampling: float | tuple[float, ...] = 1.5
    condition_weight: Positive = 10.0
    adaptive: str = ""
    floor: Positive = 1.0
    grading: Positive = 0.12
    smallest: Positive = 1e-4
    fine: Count = 4001
    cluster: float | tuple[float, ...] = 0.0
    cutoff: Fraction = 1e-12
    steps: Count = 12
    tolerance: Positive = 1e-9
    inner: Count = 40
    inner_tolerance: Positive = 1e-2
    ridge: NotNegative = 1e-14

    def __post_init__(self) -> None:
        if min(self.passes, self.group, self.steps, self.inner) < 1:
            raise ValueError("train.optimiser: passes, group, steps and inner are at least 1")
        if not 0 < self.cutoff < 1 or np.min(self.oversampling) < 1:
            raise ValueError(f"train.optimiser: cutoff is in (0, 1), oversampling at least 1, got {self.cutoff:g} and "
                             f"{self.oversampling}")  # fmt: skip
        if np.max(self.cluster) >= 1:
            raise ValueError(f"train.optimiser.cluster is below 1, got {self.cluster}")

    def check(self, method: Any, model: Any) -> None:
        """See `Optimiser`; the model must be a plain lattice in double precision."""
        check_lattice(self, model)

    def init(self, params: Any) -> March:
        """See `Optimiser`."""
        edges = params.field.edges
        length = edges[1] - edges[0] if self.error is None else self.first * (edges[-1] - edges[0])
        zero, number = jnp.zeros((), edges.dtype), jnp.zeros((), jnp.int32)
        return March(number, number, length, (zero, zero), zero, zero, zero, jnp.zeros((), bool))

    def step(self, objective: Any, params: Any, state: March) -> tuple[Any, March, dict[str, Array]]:
        """See `Optimiser`."""
        model = objective.assemble(params)
        real = model.field.edges.dtype
        size = model.field.weights[0].size
        carry = (model.field, state, no_factor(size, real) if self.group > 1 else None, jnp.zeros((), bool))
        one = lambda carry, _: (self._unless_done(model, *carry), None)
        lattice, state, *_ = lax.scan(one, carry, length=self.group)[0] if self.group > 1 else one(carry, None)[0]
        new = eqx.filter(eqx.tree_at(lambda m: m.field, model, lattice), eqx.is_array)
        params = jax.tree.map(lambda old, found: found.astype(old.dtype), params, new)
        metrics = {"loss": state.loss, "error": state.error, "slab": state.slab.astype(real)}
        # the last slab has none behind it that its end is the start of
        return params, state, {**metrics, "reached": lattice.edges[state.slab + state.done.astype(jnp.int32)]}

    def finish(self, model: PhysicsField) -> PhysicsField:
        """See `Optimiser`: the model without slabs that the march had no use for."""
        return _without_rest(model)

    def _unless_done(
        self, model: PhysicsField, lattice: GaussianLattice, state: March, factor: Factor | None, known: Array
    ) -> tuple[Any, ...]:
        work = lambda: self._pass(model, lattice, state, factor, known)
        return lax.cond(state.done, lambda: (lattice, state, factor, known), work)

    def _pass(
        self, model: PhysicsField, lattice: GaussianLattice, state: March, factor: Factor | None, known: Array
    ) -> tuple[Any, ...]:
        edges = lattice.edges
        if self.error is not None:
            edges = self._edges(edges, state)
        lattice = eqx.tree_at(lambda f: f.edges, lattice, edges)
        whole = eqx.tree_at(lambda m: m.field, model, lattice)
        earlier = None if factor is None else (factor, known)
        first = state.turn == 0 if self.passes > 1 else True  # if known, what it rules out is not compiled
        found = LatticePass(self, whole, state.slab, first).run(earlier)
        state = state._replace(turn=state.turn + 1, loss=found.square, error=found.error)
        state = lax.cond(state.turn >= self.passes, lambda: self._judged(lattice, state), lambda: state)
        return found.lattice, state, None if factor is None else found.factor, jnp.ones((), bool)

    def _edges(self, edges: Array, state: March) -> Array:
        """The slab at hand as long as it is to be tried, what is left cut in halves where it is short."""
        start, end = edges[state.slab], edges[-1]
        left, longest = end - start, self.longest * (end - edges[0])
        length = jnp.minimum(jnp.minimum(state.length, longest), left)
        length = jnp.where((length < left) & (left < 2 * length), left / 2, length)
        numbers = jnp.arange(edges.shape[0], dtype=jnp.int32)
        stop = jnp.where(length >= left, end, start + length)
        return jnp.where(numbers <= state.slab, edges, jnp.where(numbers == state.slab + 1, stop, end))

    def _judged(self, lattice: GaussianLattice, state: March) -> March:
        """Goes on to the next slab, or tries the same one shorter.

        Errors fall with a power of the length as long as time limits them. Where a shorter trial lowers the error by
        less than its square, space does: the slab is accepted, and such a rate of error in those that follow.
        """
        edges, last = lattice.edges, lattice.slabs - 1
        stop = edges[state.slab + 1]
        onward = state._replace(
            slab=jnp.minimum(state.slab + 1, last),
            turn=jnp.zeros_like(state.turn),
            tried=(jnp.zeros_like(stop), jnp.zeros_like(stop)),
            done=(stop >= edges[-1]) | (state.slab == last),
        )
        if self.error is None:
            return onward
        length, total = stop - edges[state.slab], edges[-1] - edges[0]
        ratio = self.error / jnp.maximum(state.error, jnp.finfo(stop.dtype).tiny)
        change = jnp.where(jnp.isfinite(state.error), jnp.clip(0.9 * ratio**0.2, 0.3, 2.0), 0.3)
        allowed = jnp.maximum(4 * self.error, 2 * state.rate * length)
        bad = ~(state.error <= allowed) & (length > 1.001 * self.shortest * total)
        before, was = state.tried
        idle = (before > 0) & (jnp.log(was / state.error) < 2 * jnp.log(before / length))
        held = onward._replace(length=length, rate=0.8 * state.error / length)
        grown = jnp.where((state.rate > 0) & (state.error > self.error), 1.2, change)
        good = onward._replace(length=length * grown, rate=0.8 * state.rate)
        shorter = jnp.maximum(length * jnp.minimum(change, 0.6), self.shortest * total)
        again = state._replace(turn=jnp.zeros_like(state.turn), length=shorter, tried=(length, state.error))
        choose = lambda flag, a, b: jax.tree.map(lambda x, y: jnp.where(flag, x, y), a, b)
        return choose(bad, choose(idle, held, again), good)


def check_lattice(settings: LatticeNewton, model: Any) -> None:
    """**Raises:** `ValueError` for a model that is no plain lattice, or settings that do not fit it."""
    if not isinstance(getattr(model, "field", None), GaussianLattice):
        if not hasattr(model, "problem"):
            raise ValueError("optimiser lattice_newton is for problems that are stated by their conditions, and this "
                             "one gives data: take another train=")  # fmt: skip
        raise ValueError("optimiser lattice_newton finds the weights of a lattice: take network=gaussian_lattice")
    if model.field.edges.dtype != np.float64:
        raise ValueError("optimiser lattice_newton squares condition numbers: set train.precision=float64")
    if model.found or model.problem.observations:
        raise ValueError("optimiser lattice_newton knows no unknown parameters or observations: take another, such as "
                         "levenberg_marquardt")  # fmt: skip
    if not model.problem.timed and model.field.slabs > 1:
        raise ValueError(f"optimiser lattice_newton: slabs part the time, a steady problem has one, got "
                         f"network.slabs={model.field.slabs}")  # fmt: skip
    _check_start(model.problem)
    letters = model.problem.axes[model.problem.timed :]
    for letter in settings.adaptive:
        if letter not in letters:
            raise ValueError(known("axis in train.optimiser.adaptive", letter, letters))
    if model.lift is not None:
        raise ValueError("optimiser lattice_newton adds no lift: leave method.lift out")


def _check_start(problem: BoundaryValueProblem) -> None:
    """A march begins at the initial state: one that a nonlinear condition hides is not found from zero."""
    at_start = [c for c in problem.conditions if any("t" in face for face in c.faces)]
    if all(problem.start(field) is not None for field in problem.fields):
        return
    for condition in at_start:
        if not condition.residual.linear:  # type: ignore[attr-defined]
            raise ValueError(f"optimiser lattice_newton: condition {condition.name!r} is nonlinear, so that it does "
                             f"not tell the initial state: write it as FIELD = ...")  # fmt: skip


def _without_rest(model: PhysicsField) -> PhysicsField:
    """The model without slabs that the march had no use for; itself if its field is no lattice.

    **Raises:** `RuntimeError` if the march did not come to the end of the time.
    """
    field: Any = model.field
    if not isinstance(field, GaussianLattice) or field.slabs == 1 or not model.problem.timed:
        return model
    edges, end = np.asarray(field.edges), model.problem.box[0][1]
    used = np.flatnonzero(np.diff(edges) > 0)
    weights = [np.asarray(field.weights[i]) for i in used]
    solved = [i for i, w in zip(used, weights, strict=True) if np.any(w) and np.isfinite(w).all()]
    reached = edges[solved[-1] + 1] if solved else edges[-1]
    if not np.isclose(reached, end):
        raise RuntimeError(f"the march through time came to t = {reached:.6g} of {end:g} with network.slabs="
                           f"{field.slabs}: raise network.slabs or train.steps, or allow a larger error")  # fmt: skip
    take = lambda x: x[used]
    where = lambda f: (f.centres, f.widths, f.weights, f.edges)
    kept = (tuple(map(take, field.centres)), tuple(map(take, field.widths)), take(field.weights))
    lattice = eqx.tree_at(where, field, (*kept, jnp.asarray(edges[[*used, used[-1] + 1]])))
    return eqx.tree_at(lambda m: m.field, model, lattice)
