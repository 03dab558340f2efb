"""Batches cut on the device out of a split that lies there."""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np

from pdejax.data.feeds.batch import Batch
from pdejax.data.feeds.order import WindowOrder
from pdejax.data.store.dataset import Split


class WindowFeed:
    """Windows cut on the device out of a split that lies there as a whole.

    **Arguments:**

    - `split`: a `Split`.
    - `window`: frames a sample.
    - `batch_size`: samples a batch.
    - `seed`: seed of the order (see `WindowOrder`).

    An item is int32 `(batch, 3)`: trajectory, first frame, number of the draw.
    """

    def __init__(self, split: Split, window: int, batch_size: int, *, seed: int = 0) -> None:
        self.order = WindowOrder(len(split), split.frames, window, batch_size, seed)
        self.batch_size = batch_size
        self.arrays = {"states": split.states, "inputs": split.inputs, "parameters": split.parameter_array}

    def init(self) -> dict[str, int]:
        """The state before the first batch."""
        return {"step": 0}

    def next(self, state: Mapping[str, int]) -> tuple[dict[str, int], np.ndarray]:
        """The next state, and which windows to take."""
        return {"step": state["step"] + 1}, self.order.batch(state["step"])

    def fetch(self, arrays: Any, item: Any) -> Batch:
        """Cuts the windows out."""
        states = arrays["states"]
        trajectories, frames = states.shape[:2]
        trajectory, start, row = item[:, 0], item[:, 1], item[:, 2]
        # rows of a flat array gather faster than slices along two axes, and the reshape costs nothing
        index = (trajectory * frames + start)[:, None] + jnp.arange(self.order.window, dtype=item.dtype)[None]
        flat = jnp.reshape(states, (trajectories * frames, *states.shape[2:]))
        inputs, parameters = arrays["inputs"][trajectory], arrays["parameters"][trajectory]
        return Batch(flat[index], inputs, parameters, row, jnp.ones(item.shape[0], jnp.float32))
