"""Points where equations shall hold: drawn on the device, anew or once, exactly resumable."""

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from pdejax.core import Count, Key, Whole, check_arguments
from pdejax.data.points.observations import read_observations
from pdejax.data.points.samplers import Box, PointSampler
from pdejax.equations import BoundaryValueProblem


class PointBatch(eqx.Module):
    """What a physics-informed update sees; a sample is a whole set of points.

    - `interior`: points inside the box, arrays `(sample, point, axis)` or a `TensorGrid` of axes `(sample, point)`.
    - `faces`: by the name of the condition, such points of each of its faces.
    - `observed`, `values`: where fields were measured and what, not a number where a field was not.
    - `row`: number of the draw since the start of training, `mask`: 1 for samples that count.
    """

    interior: Any
    faces: dict[str, tuple[Any, ...]]
    observed: Float[Array, "sample observation axis"]
    values: Float[Array, "sample observation channel"]
    row: Int[Array, " sample"]
    mask: Float[Array, " sample"]


class PointFeed:
    """Sets of points of a problem; an item is the numbers of the draws, `(sample,)`.

    **Arguments:**

    - `problem`; `sampler`: of points inside and on faces.
    - `batch_size`: sets a batch: over several devices each takes its share of them.
    - `redraw`: updates after which points are drawn anew; 0 for never.
    - `seed`: of the points.
    - `observation_batch`: measured points a set holds, drawn at random; all of them when omitted.
    - `rows`: of each batch, which an item holds; all of them when omitted.

    **Raises:** `ValueError` for a sampler that does not fit the box, or observations that cannot be read.
    """

    def __init__(
        self,
        problem: BoundaryValueProblem,
        sampler: PointSampler,
        batch_size: Count = 1,
        *,
        redraw: Whole = 1,
        seed: int = 0,
        observation_batch: Count | None = None,
        rows: slice | None = None,
    ) -> None:
        given = {"batch_size": batch_size, "redraw": redraw, "seed": seed, "observation_batch": observation_batch}
        check_arguments(PointFeed.__init__, given)
        jax.eval_shape(lambda: sampler.draw(problem.box, jax.random.key(0)))  # says what does not fit
        self.problem, self.sampler, self.batch_size = problem, sampler, batch_size
        self.redraw, self.seed, self.observation_batch = redraw, seed, observation_batch
        self.rows = rows or slice(0, batch_size)
        empty = (np.empty((0, len(problem.axes))), np.empty((0, problem.channels)))
        path = problem.observations
        points, values = empty if path is None else read_observations(path, problem.domain, problem.fields)
        self.arrays = {"points": points, "values": values}

    def init(self) -> dict[str, int]:
        """The state before the first batch."""
        return {"step": 0}

    def next(self, state: Mapping[str, int]) -> tuple[dict[str, int], np.ndarray]:
        """The next state, and the numbers of this batch's draws."""
        step = state["step"]
        row = (step * self.batch_size + np.arange(self.batch_size)[self.rows]) & 0x7FFFFFFF
        return {"step": step + 1}, row.astype(np.int32)

    def local_rows(self, rows: slice) -> "PointFeed":
        """The feed whose items hold these rows of every batch only."""
        further = {"redraw": self.redraw, "seed": self.seed, "observation_batch": self.observation_batch}
        return PointFeed(self.problem, self.sampler, self.batch_size, rows=rows, **further)

    def fetch(self, arrays: Any, item: Any) -> PointBatch:
        """Draws the points."""
        real = jnp.result_type(float)
        interior, faces, (points, values) = jax.vmap(lambda row: self._set(arrays, row))(item)
        cast = lambda tree: jax.tree.map(lambda x: x.astype(real), tree)
        return PointBatch(cast(interior), cast(faces), cast(points), cast(values), item, jnp.ones(item.shape[0], real))

    def interior(self, epoch: Array, place: Array) -> Any:
        """Points inside the box.

        **Arguments:** `epoch`: how often points were drawn anew before; `place`: of the set in its batch.
        """
        return self.sampler.draw(self.problem.box, jax.random.fold_in(self._key(epoch, place), 0))

    def _key(self, epoch: Array, place: Array) -> Key:
        return jax.random.fold_in(jax.random.fold_in(jax.random.key(self.seed), epoch), place)

    def _set(self, arrays: Any, row: Array) -> Any:
        step, place = row // self.batch_size, row % self.batch_size
        epoch = step // self.redraw if self.redraw else jnp.zeros_like(step)
        key, interior = self._key(epoch, place), self.interior(epoch, place)
        faces = {}
        for number, condition in enumerate(self.problem.conditions, 1):
            branch = jax.random.fold_in(key, number)
            keys = [jax.random.fold_in(branch, i) for i in range(len(condition.faces))]
            drawn = [self.sampler.draw(self._face(f), k) for f, k in zip(condition.faces, keys, strict=True)]
            faces[condition.name] = tuple(drawn)
        return interior, faces, self._observations(arrays, key)

    def _face(self, face: Mapping[str, float]) -> Box:
        problem = self.problem
        return [(face[a], face[a]) if a in face else ends for a, ends in zip(problem.axes, problem.box, strict=True)]

    def _observations(self, arrays: Any, key: Key) -> tuple[Array, Array]:
        points, values = jnp.asarray(arrays["points"]), jnp.asarray(arrays["values"])
        if self.observation_batch is None or self.observation_batch >= len(points):
            return points, values
        branch = jax.random.fold_in(key, 1 << 16)
        chosen = jax.random.randint(branch, (self.observation_batch,), 0, len(points), jnp.int32)
        return points[chosen], values[chosen]
