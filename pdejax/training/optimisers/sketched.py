"""A trust-region Gauss–Newton method on a sketch of the Jacobian, for many parameters and many more residuals."""

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.flatten_util import ravel_pytree
from jax.scipy import fft
from jaxtyping import Array, Float, Int

from pdejax.core import Count, Fraction, Key, Positive, Scalar, Whole, register
from pdejax.training.optimisers.objective import Metrics, Objective, check_squares, product

# Newton's method on the secular equation converges from one side; the worst spectra need about thirty steps
_SECULAR_STEPS = 60


class _Subspace(NamedTuple):
    """A random subspace of the parameters with an orthonormal basis: signs, cosine transform, some of its rows."""

    signs: Float[Array, " parameter"]
    chosen: Int[Array, " column"]

    @classmethod
    def draw(cls, key: Key, x: Array, columns: int) -> "_Subspace":
        signs, order = jax.random.split(key)
        chosen = jax.random.permutation(order, x.size)[:columns]
        return cls(jax.random.rademacher(signs, x.shape, x.dtype), chosen)

    def restrict(self, jacobian: Float[Array, "row parameter"]) -> Float[Array, "row column"]:
        """The Jacobian by the coordinates of the subspace."""
        return fft.dct(jacobian * self.signs[None], norm="ortho", axis=1)[:, self.chosen]

    def lift(self, y: Float[Array, "probe column"]) -> Float[Array, "probe parameter"]:
        """Coordinates to parameters, lengths kept."""
        mixed = jnp.zeros((y.shape[0], self.signs.size), y.dtype).at[:, self.chosen].set(y)
        return fft.idct(mixed, norm="ortho", axis=1) * self.signs[None]


def _count_sketch(objective: Objective, key: Key, x: Float[Array, "row column"], rows: int, hashes: int) -> Array:
    """All devices' rows, added with random signs into `rows` buckets, each into `hashes` of them (arXiv 1211.1002).

    The buckets belong to the number of a row among all rows, so that the division over devices changes nothing.
    """
    everything = jax.eval_shape(objective.gather, x).shape[0]
    if rows >= everything:
        return objective.gather(x)
    where, signs = jax.random.split(key)
    buckets = objective.own(jax.random.randint(where, (everything, hashes), 0, rows))
    weights = objective.own(jax.random.rademacher(signs, (everything, hashes), x.dtype)) / hashes**0.5
    one = lambda bucket, weight: jax.ops.segment_sum(x * weight[:, None], bucket, num_segments=rows)
    return objective.total(sum(one(buckets[:, i], weights[:, i]) for i in range(hashes)))


class _Core(NamedTuple):
    """The sketched problem min |A y + b| in the basis of its singular vectors."""

    singular: Float[Array, " rank"]
    right: Float[Array, " rank"]  # b by the left singular vectors, zero where A says nothing
    basis: Float[Array, "rank column"]

    @classmethod
    def of(cls, a: Float[Array, "row column"], b: Float[Array, " row"]) -> "_Core":
        left, singular, basis = jnp.linalg.svd(a, full_matrices=False)
        noise = jnp.finfo(a.dtype).eps * max(a.shape) * singular[0]
        informed = singular > noise
        return cls(jnp.where(informed, singular, 1), jnp.where(informed, product(b, left), 0), basis)

    def damping(self, radius: Scalar) -> Scalar:
        """The λ whose step is as long as the radius, 0 if the undamped step is shorter.

        Newton's method on 1/|y(λ)| - 1/radius, concave and rising, from a lower bound of λ (Moré and Sorensen, 1983).
        """
        gradient = self.singular * self.right

        def newton(_: Any, damping: Array) -> Array:
            shifted = jnp.square(self.singular) + damping
            square = jnp.sum(jnp.square(gradient / shifted))
            slope = jnp.sum(jnp.square(gradient) / shifted**3)
            change = square / jnp.where(slope > 0, slope, 1) * (jnp.sqrt(square) / radius - 1)
            return jnp.maximum(damping + change, 0)

        lowest = jnp.linalg.norm(gradient) / radius - jnp.square(self.singular[0])
        return lax.fori_loop(0, _SECULAR_STEPS, newton, jnp.maximum(lowest, 0))

    def solution(self, damping: Scalar) -> Float[Array, " column"]:
        """-(AᵀA + λ)⁻¹Aᵀb."""
        weights = self.singular * self.right / (jnp.square(self.singular) + damping)
        return -product(weights, self.basis)


class SketchState(NamedTuple):
    """The trust radius, and the number of steps taken, of which the sketch of each is drawn."""

    radius: Scalar
    count: Int[Array, ""]


@register("optimiser", "sketched_gauss_newton")
@dataclasses.dataclass(frozen=True)
class SketchedGaussNewton:
    """Trust-region Gauss–Newton in a random subspace, its radius chosen by trying many (DSGNAR, arXiv 2607.02194).

    One singular value decomposition of the doubly sketched Jacobian serves all radii; the loss is evaluated at the step
    of each. The radius is the largest up to which actual over predicted reduction stays above the target; unlike in
    the paper it is one of those tried, and the prediction is that of all rows, which the sketch underestimates.

    **Arguments:**

    - `columns`, `rows`: size of the sketch; as many as there are parameters or rows, or more, is no sketch.
    - `hashes`: buckets that a row is added to.
    - `radii`: how many are tried, between the last divided by and multiplied with `spread`.
    - `target`: actual over predicted reduction that is still trusted; the paper's 0.075 takes bold steps.
    - `radius`: the first; `seed`: of the sketches.

    **Raises:** `ValueError` for sizes that cannot work.
    """

    columns: Count = 800
    rows: Count = 1600
    hashes: Count = 4
    radii: Count = 24
    spread: Positive = 3.0
    target: Fraction = 0.075
    radius: Positive = 1.0
    seed: Whole = 0

    def __post_init__(self) -> None:
        if min(self.columns, self.rows, self.hashes, self.radii) < 1:
            raise ValueError(f"columns, rows, hashes and radii are at least 1, got {self}")
        if not (self.spread > 1 and 0 < self.target < 1 and self.radius > 0):
            raise ValueError(f"spread > 1, 0 < target < 1 and radius > 0 are needed, got {self}")

    def check(self, method: Any, model: Any) -> None:
        """See `Optimiser`; the loss must be a sum of squares."""
        check_squares("sketched_gauss_newton", method)

    def init(self, params: Any) -> SketchState:
        """See `Optimiser`."""
        x, _ = ravel_pytree(params)
        return SketchState(jnp.asarray(self.radius, x.dtype), jnp.zeros((), jnp.int32))

    def step(self, objective: Objective, params: Any, state: SketchState) -> tuple[Any, SketchState, Metrics]:
        """See `Optimiser`."""
        x, unravel = ravel_pytree(params)
        space, count = jax.random.split(jax.random.fold_in(jax.random.key(self.seed), state.count))
        rows, jacobian = objective.rows(params), objective.jacobian(params)
        subspace = _Subspace.draw(space, x, self.columns)
        restricted = subspace.restrict(jacobian)
        sketch = _count_sketch(objective, count, jnp.column_stack([restricted, rows]), self.rows, self.hashes)
        core = _Core.of(sketch[:, :-1], sketch[:, -1])

        radii = state.radius * jnp.geomspace(1 / self.spread, self.spread, self.radii, dtype=x.dtype)
        dampings = jax.vmap(core.damping)(radii)
        probes = jax.vmap(core.solution)(dampings)
        steps = subspace.lift(probes)
        values = lax.map(lambda step: objective.value(unravel(x + step)), steps)
        loss, gradient = objective.total((jnp.sum(jnp.square(rows)), 2 * product(rows, jacobian)))
        ratio = _ratios(objective, loss - values, product(restricted, probes.T), rows)

        best = jnp.maximum(jnp.sum(lax.cummin(ratio) >= self.target) - 1, 0)
        accepted = values[best] < loss
        # steps inside the region are no reason to widen it
        widest = jnp.where(dampings[best] > 0, radii[best], jnp.minimum(radii[best], state.radius))
        radius = jnp.maximum(jnp.where(accepted, widest, radii[0]), jnp.finfo(x.dtype).tiny)
        step = jnp.where(accepted, steps[best], 0)
        metrics = {"loss": loss, "grad_norm": jnp.linalg.norm(gradient), "radius": radius, "ratio": ratio[best]}
        metrics["step_norm"] = jnp.linalg.norm(step)
        return unravel(x + step), SketchState(radius, state.count + 1), metrics

    def finish(self, model: Any) -> Any:
        """See `Optimiser`."""
        return model


def _ratios(objective: Objective, actual: Array, change: Float[Array, "row probe"], rows: Array) -> Array:
    """Actual over predicted reduction of every probe, -1 where either says nothing."""
    # |r|² - |r + c|² without the difference of almost equal numbers
    predicted = -objective.total(jnp.sum(change * (2 * rows[:, None] + change), axis=0))
    useful = (predicted > 0) & jnp.isfinite(actual)
    return jnp.where(useful, actual / jnp.where(useful, predicted, 1), -1)
