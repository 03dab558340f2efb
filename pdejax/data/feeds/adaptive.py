"""Points that follow the residual: chosen on the device by the model as it is trained."""

from collections.abc import Mapping
from typing import Annotated, Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from pdejax.core import Count, Given, Key, Of, TensorGrid, Whole
from pdejax.data.feeds.points import PointBatch, PointFeed
from pdejax.data.points.adaptive import AdaptivePoints
from pdejax.data.points.samplers import PointSampler, QuasiRandomPoints
from pdejax.equations import BoundaryValueProblem

SCATTERED = QuasiRandomPoints()


class Chosen(eqx.Module):
    """What the feed keeps on the device: the points of each set, and how often they were drawn."""

    points: Float[Array, "sample point axis"]
    epoch: Int[Array, ""]


class AdaptivePointFeed:
    """Sets of points of which those inside the box are chosen by the residual and kept on the device.

    Whenever points are drawn anew, some of many candidates are taken, the more likely the larger the residual of the
    model is there; points of faces and measured ones are those of the other feed. The model has
    `residual(points) -> (point, equation)`.

    **Arguments:** `points`: the feed whose points inside are the candidates; `adaptive`: which of them are taken.

    **Raises:** `ValueError` for points that form a grid, or are never drawn anew.
    """

    def __init__(self, points: PointFeed, adaptive: AdaptivePoints) -> None:
        drawn: Any = jax.eval_shape(lambda: points.sampler.draw(points.problem.box, jax.random.key(0)))
        if isinstance(drawn, TensorGrid):
            raise ValueError("adaptive chooses among scattered points: take points of kind quasi_random or uniform")
        if points.redraw == 0:
            raise ValueError("adaptive chooses whenever points are drawn anew: redraw should be 1 or more, got 0")
        self._points, self.adaptive = points, adaptive
        self.every, self.batch_size, self.arrays = points.redraw, points.batch_size, points.arrays
        self._shape = (points.batch_size, adaptive.kept(drawn.shape[0]), drawn.shape[1])

    def init(self) -> dict[str, int]:
        """The state before the first batch."""
        return self._points.init()

    def next(self, state: Mapping[str, int]) -> tuple[dict[str, int], np.ndarray]:
        """The next state, and the numbers of this batch's draws."""
        return self._points.next(state)

    def local_rows(self, rows: slice) -> "AdaptivePointFeed":
        """The feed whose items hold these rows of every batch only."""
        return AdaptivePointFeed(self._points.local_rows(rows), self.adaptive)

    def state(self) -> Chosen:
        """No points yet."""
        return Chosen(jnp.zeros(self._shape), jnp.zeros((), jnp.int32))

    def refresh(self, state: Any, model: Any, key: Key) -> Chosen:
        """The chosen points of each set."""

        def choose(place: Array) -> Array:
            candidates = self._points.interior(state.epoch, place).astype(state.points.dtype)
            return self.adaptive.select(model.residual(candidates), candidates, jax.random.fold_in(key, place))

        return Chosen(jax.vmap(choose)(jnp.arange(self.batch_size, dtype=jnp.int32)), state.epoch + 1)

    def fetch(self, arrays: Any, item: Any, state: Any) -> PointBatch:
        """Draws points of faces, and takes the chosen ones inside."""
        batch = self._points.fetch(arrays, item)
        return eqx.tree_at(lambda b: b.interior, batch, state.points[item % self.batch_size])


def point_feed(
    problem: Annotated[BoundaryValueProblem, Given()],
    sampler: Annotated[PointSampler, Of("points")] = SCATTERED,
    batch_size: Annotated[int, Given()] = 1,
    *,
    redraw: Whole = 1,
    seed: Annotated[int, Given()] = 0,
    observation_batch: Count | None = None,
    adaptive: AdaptivePoints | None = None,
) -> PointFeed | AdaptivePointFeed:
    """The feed of a problem's points: drawn as a sampler says, or chosen among these by the residual.

    **Arguments:** as for `PointFeed`; `adaptive`: how points inside are chosen, if they shall.

    **Raises:** `ValueError` for what does not go together.
    """
    points = PointFeed(problem, sampler, batch_size, redraw=redraw, seed=seed, observation_batch=observation_batch)
    return AdaptivePointFeed(points, adaptive) if adaptive else points
