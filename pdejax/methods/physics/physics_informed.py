"""Fitting a field to an equation and its conditions, without solutions to learn from."""

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from pdejax.core import (
    Count,
    Frozen,
    Key,
    Keys,
    Of,
    Positive,
    Scalar,
    Whole,
    build,
    check_options,
    checked,
    frozen,
    known,
    register,
)
from pdejax.data import (
    AdaptivePointFeed,
    AdaptivePoints,
    GridPoints,
    PointBatch,
    PointFeed,
    PointSampler,
    QuasiRandomPoints,
    point_feed,
)
from pdejax.equations import BoundaryValueProblem, Residual
from pdejax.methods.capabilities import RowGroup
from pdejax.methods.cards import ProblemCard
from pdejax.methods.method import AbstractMethod
from pdejax.methods.operators.coordinate import PhysicsField, coordinates_of, found_parameters
from pdejax.methods.origin import origin_of
from pdejax.methods.physics.causal import Causal

EQUATION, OBSERVATIONS = "equation", "observations"


def _weights(given: Mapping[str, Positive]) -> Mapping[str, Positive]:
    return frozen(given)


def _lift(given: Mapping[str, str]) -> Mapping[str, str]:
    return frozen(given)


@register("method", "physics_informed")
class PhysicsInformed(AbstractMethod):
    """The mean squares of an equation's residual inside the box, of its conditions, and of the misfit to observations.

    **Arguments:**

    - `points`: where the equation and the conditions are looked at.
    - `redraw`: updates after which points are drawn anew, 0 for never; `observation_batch`: how many measured points
        a set holds, all when omitted.
    - `weights`: of the equation and of the observations, by these names; conditions have their own.
    - `causal`: how earlier times come first, if they shall.
    - `adaptive`: how scattered points are chosen by the residual whenever they are drawn, if they shall.
    - `lift`: expression per field that is added to the network's, so that conditions can hold exactly.

    Source: Raissi et al. (2019), J. Comput. Phys. 378, eq. 4; with Gaussians Kang et al. (2025), arXiv 2412.05994.
    """

    points: Annotated[PointSampler, Of("points")] = eqx.field(static=True, default=QuasiRandomPoints(2048, 256))
    redraw: Whole = eqx.field(static=True, default=1)
    observation_batch: Count | None = eqx.field(static=True, default=None)
    weights: Mapping[str, Positive] = eqx.field(static=True, converter=_weights, default=Frozen())
    causal: Causal | None = eqx.field(static=True, default=None)
    adaptive: AdaptivePoints | None = eqx.field(static=True, default=None)
    lift: Mapping[str, str] = eqx.field(static=True, converter=_lift, default=Frozen())

    def __check_init__(self) -> None:
        check_options(self)
        for name, weight in self.weights.items():
            if name not in (EQUATION, OBSERVATIONS):
                raise ValueError(f"weights: {known('term', name, (EQUATION, OBSERVATIONS))}")
            if not weight > 0:
                raise ValueError(f"weights.{name} should be above 0, got {weight}")
        if self.adaptive is not None and isinstance(self.points, GridPoints):
            raise ValueError("adaptive chooses among scattered points: take points of kind quasi_random or uniform")

    @property
    def window(self) -> int:
        return 0  # there are no frames

    @checked
    def build(self, network: Any, card: ProblemCard, *, key: Key) -> PhysicsField:
        problem = card.problem
        sizes = {"channels": problem.channels, "box": problem.box}
        field = build("field", network, **sizes, periodic=problem.periodic, parity=problem.parity, key=key)
        lift = dict(self.lift)
        terms = [f"{f} = {f} - ({lift.pop(f, '0')})" for f in problem.fields] if lift else None
        if lift:
            raise ValueError(f"lift: {known('field', next(iter(lift)), problem.fields)}")
        added = problem.read(terms) if terms else None
        given = (*problem.axes, *problem.parameters)
        if added is not None and any(str(s) not in given for e in added.expressions for s in e.free_symbols):
            raise ValueError(f"lift depends on the fields, expected expressions in {', '.join(given)}")
        return PhysicsField(field, found_parameters(problem), problem, added, origin_of(self, network, card))

    def feed(
        self, problem: BoundaryValueProblem, batch_size: int = 1, *, seed: int = 0
    ) -> PointFeed | AdaptivePointFeed:
        """The points this method learns from.

        **Arguments:** `problem`; `batch_size`: sets of points a batch; `seed`: of the points.
        """
        further = {"redraw": self.redraw, "observation_batch": self.observation_batch, "adaptive": self.adaptive}
        return point_feed(problem, self.points, batch_size, seed=seed, **further)

    def trainable(self, model: PhysicsField) -> Any:
        return jax.tree.map(eqx.is_inexact_array, model)

    def term_weights(self, problem: BoundaryValueProblem) -> dict[str, float]:
        """Weight of every term of the loss by its name."""
        given = self.weights
        terms = {EQUATION: given.get(EQUATION, 1.0), **{c.name: c.weight for c in problem.conditions}}
        observed = {OBSERVATIONS: given.get(OBSERVATIONS, 1.0)} if problem.observations else {}
        return {**terms, **observed}

    def weights_of(self, model: PhysicsField) -> dict[str, float]:
        """The weight of each term by its name."""
        return self.term_weights(model.problem)

    def term_names(self, model: PhysicsField) -> tuple[str, ...]:
        """Equation, conditions and, where there are any, observations."""
        return tuple(self.term_weights(model.problem))

    def terms(self, model: PhysicsField, batch: PointBatch, keys: Keys) -> dict[str, Float[Array, " sample"]]:
        """The mean squares that the loss is made of, without their weights."""
        sample = lambda *parts: self._terms(model, *parts)
        return jax.vmap(sample)(batch.interior, batch.faces, batch.observed, batch.values)

    def _terms(self, model: PhysicsField, interior: Any, faces: Any, observed: Any, values: Any) -> Any:
        problem = model.problem
        square = jnp.sum(jnp.square(model.residual(interior)), axis=-1)
        mean = self.causal.mean(square, interior) if self.causal and problem.timed else jnp.mean(square)
        found = {EQUATION: mean}
        for condition in problem.conditions:
            parts = [model.residual_of(condition.residual, points) for points in faces[condition.name]]
            found[condition.name] = jnp.mean(jnp.sum(jnp.square(jnp.concatenate(parts)), axis=-1))
        if problem.observations:
            found[OBSERVATIONS] = _misfit(model(observed), values)
        return found

    def loss(self, model: PhysicsField, batch: PointBatch, keys: Keys) -> tuple[Any, Any]:
        terms = self.terms(model, batch, keys)
        weights = self.term_weights(model.problem)
        total = sum(weights[name] * value for name, value in terms.items())
        like = jnp.ones_like(batch.mask)
        return total, {**terms, **{f"found_{name}": value * like for name, value in model.found.items()}}

    # ---- the same as a vector of residuals

    def row_groups(self, model: PhysicsField, batch: PointBatch) -> list[RowGroup]:
        """The loss of a batch as squares of rows: what is zero at points, and the points with their scales.

        Causal weights belong to losses; least squares see all points alike.
        """
        problem, weights = model.problem, self.term_weights(model.problem)
        groups = [self._group(problem.residual, (batch.interior,), weights[EQUATION])]
        for condition in problem.conditions:
            groups.append(self._group(condition.residual, batch.faces[condition.name], weights[condition.name]))
        if problem.observations:
            groups.append(_observation_group(batch, weights[OBSERVATIONS]))
        return groups

    def _group(self, residual: Residual, parts: Sequence[Any], weight: float) -> RowGroup:
        points = jnp.concatenate([jax.vmap(coordinates_of)(part) for part in parts], axis=1)
        samples, count = points.shape[:2]
        points = points.reshape(samples * count, -1)
        scale = jnp.full(points.shape[:1], (weight / count) ** 0.5, points.dtype)
        return RowGroup(_residual_rows(residual), (points, scale), weight)


def _residual_rows(residual: Residual) -> Callable[..., Array]:
    return lambda model, points, scale: scale[:, None] * model.residual_of(residual, points)


def _observation_group(batch: PointBatch, weight: float) -> RowGroup:
    measured = jnp.isfinite(batch.values).astype(batch.values.dtype)
    count = jnp.maximum(jnp.sum(measured, axis=(1, 2), keepdims=True), 1)
    scale = measured * (weight / count) ** 0.5
    difference = lambda model, points, values, scale: scale * (model(points) - jnp.nan_to_num(values))
    arrays = (x.reshape(-1, x.shape[-1]) for x in (batch.observed, batch.values, scale))
    return RowGroup(difference, tuple(arrays), weight)


def _misfit(found: Float[Array, "point channel"], values: Float[Array, "point channel"]) -> Scalar:
    measured = jnp.isfinite(values)
    square = jnp.where(measured, jnp.square(found - jnp.nan_to_num(values)), 0)
    return jnp.sum(square) / jnp.maximum(jnp.sum(measured), 1).astype(square.dtype)
