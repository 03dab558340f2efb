"""Batches cut on the device out of trajectories that lie there."""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np

from pdejax.core import Geometry, Grid
from pdejax.data.feeds.batch import Batch
from pdejax.data.feeds.order import WindowOrder
from pdejax.data.store.trajectories import Split, Trajectories


class WindowFeed:
    """Windows cut on the device out of a split that lies there as a whole.

    **Arguments:**

    - `split`: a `Split`.
    - `window`: frames a sample.
    - `batch_size`: samples a batch.
    - `seed`: seed of the order (see `WindowOrder`).
    - `rows`: of each batch, which an item holds; all of them when omitted.

    An item is int32 `(batch, 3)`: trajectory, first frame, number of the draw.
    """

    def __init__(self, split: Split, window: int, batch_size: int, *, seed: int = 0, rows: slice | None = None) -> None:
        self.order = WindowOrder(len(split), split.frames, window, batch_size, seed)
        self.split, self.source, self.window, self.batch_size, self.seed = split, split.source, window, batch_size, seed
        self.rows = rows or slice(0, batch_size)
        self.arrays = {"states": split.states, "inputs": split.inputs, "parameters": split.parameter_array}
        self.arrays |= geometry_arrays(split.source)

    def init(self) -> dict[str, int]:
        """The state before the first batch."""
        return {"step": 0}

    def next(self, state: Mapping[str, int]) -> tuple[dict[str, int], np.ndarray]:
        """The next state, and which windows to take."""
        return {"step": state["step"] + 1}, self.order.batch(state["step"], self.rows)

    def local_rows(self, rows: slice) -> "WindowFeed":
        """The feed whose items hold these rows of every batch only."""
        return WindowFeed(self.split, self.window, self.batch_size, seed=self.seed, rows=rows)

    def fetch(self, arrays: Any, item: Any) -> Batch:
        """Cuts the windows out."""
        states = arrays["states"]
        trajectories, frames = states.shape[:2]
        trajectory, start, row = item[:, 0], item[:, 1], item[:, 2]
        # rows of a flat array gather faster than slices along two axes, and the reshape costs nothing
        index = (trajectory * frames + start)[:, None] + jnp.arange(self.order.window, dtype=item.dtype)[None]
        flat = jnp.reshape(states, (trajectories * frames, *states.shape[2:]))
        inputs, parameters = arrays["inputs"][trajectory], arrays["parameters"][trajectory]
        mask = jnp.ones(item.shape[0], jnp.float32)
        return Batch(flat[index], inputs, parameters, row, mask, geometry_of(arrays, item.shape[0]))


def geometry_arrays(source: Trajectories) -> dict[str, np.ndarray]:
    """What a feed's arrays hold of a domain that is no plain grid: its points and their weights."""
    domain = source.domain
    if isinstance(domain, Grid):
        return {}
    points = np.asarray(domain.coordinates(), np.float32)
    weights = np.broadcast_to(np.asarray(domain.measure(), np.float32), domain.shape)
    return {"points": points, "weights": weights}


def whole_batch(arrays: Mapping[str, Any], item: Mapping[str, Any]) -> Batch:
    """The batch of an item that holds `states`, `inputs`, `parameters` and `row` themselves."""
    states, inputs, parameters, row = (jnp.asarray(item[name]) for name in ("states", "inputs", "parameters", "row"))
    mask = jnp.ones(row.shape[0], jnp.float32)
    return Batch(states, inputs, parameters, row, mask, geometry_of(arrays, row.shape[0]))


def geometry_of(arrays: Mapping[str, Any], batch: int) -> Geometry | None:
    """The same points for every sample of a batch; none where the states live on a grid."""
    if "points" not in arrays:
        return None
    points, weights = (jnp.broadcast_to(x[None], (batch, *x.shape)) for x in (arrays["points"], arrays["weights"]))
    return Geometry(points, jnp.ones_like(weights), weights)
