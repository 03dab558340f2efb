"""A stream: every batch is drawn and solved inside the compiled update that learns from it."""

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal

import jax.numpy as jnp
import numpy as np

from pdejax.core import Count, Whole, check_options, register
from pdejax.data.feeds.batch import Batch
from pdejax.data.feeds.simulated import FeedOfSolutions, Simulated, check_traced, check_window
from pdejax.data.feeds.turns import DRAWS
from pdejax.data.feeds.window import geometry_of


@register("feed", "stream")
@dataclasses.dataclass(frozen=True, eq=False)
class StreamFeed(FeedOfSolutions):
    """Solutions that are drawn and solved inside the compiled update, and seen once.

    The number of a step tells its batch, so that a run goes on with nothing but that number; on several devices each
    solves its own rows. A solution that is not finite does not count in the loss, and is told as `feed/rejected`.

    **Arguments:**

    - `source`: what is solved; `batch_size`: windows a batch.
    - `windows`: cut out of each trajectory, at different frames; all of them are in one batch.
    - `certify`: whether `all` solutions are checked as those of a data set are in time, for about twice as much work
        as solving alone, or those of the calibration, which come `first`.
    - `window`: frames of one; the method says how many.
    - `seed`: of all draws.
    - `rows`: of each batch, which an item holds; all of them when omitted.

    **Raises:** `ValueError` for a simulator that JAX cannot trace, and for sizes that do not fit.
    """

    source: Simulated
    batch_size: Count = 32
    _: dataclasses.KW_ONLY
    windows: Count = 1
    certify: Literal["first", "all"] = "first"
    window: Whole = 0
    seed: int = 0
    rows: slice | None = None

    def __post_init__(self) -> None:
        check_options(self)
        check_traced(self.source, "stream")
        object.__setattr__(self, "window", self.window or min(2, self.source.frames))
        starts = check_window(self.window, self.source)
        if self.windows > starts:
            raise ValueError(f"windows should be at most {starts}, the places of a window of {self.window} frame(s) in "
                             f"a trajectory of {self.source.frames}, got {self.windows}")  # fmt: skip
        if self.batch_size % self.windows:
            raise ValueError(f"batch_size should be a multiple of windows={self.windows}, got {self.batch_size}")

    def next(self, state: Mapping[str, int]) -> tuple[dict[str, int], np.ndarray]:
        """The next state, and for each row the numbers of its trajectory, first frame and draw."""
        step, starts = state["step"], self.source.frames - self.window + 1
        rows = step * self.batch_size + np.arange(self.batch_size)
        first = np.zeros(self.batch_size, int)
        if starts > 1:
            random = np.random.default_rng((self.seed, step)).random((self.batch_size // self.windows, starts))
            first = np.argsort(random, axis=1)[:, : self.windows].reshape(-1)
        item = np.stack([rows // self.windows & DRAWS, first, rows & DRAWS], axis=1)
        return {"step": step + 1}, item[self.rows or slice(None)].astype(np.int32)

    def counts(self, state: Mapping[str, int]) -> dict[str, float]:
        """How many trajectories were solved, how often each was seen, and updates from one to the other."""
        return {
            "solved": float(state["step"] * self.batch_size // self.windows),
            "reuse": float(self.windows),
            "age": 0.0,
        }

    def fetch(self, arrays: Any, item: Any) -> Batch:
        """Solves the trajectories and cuts the windows out.

        **Raises:** `ValueError` for a part of a batch that holds a part of a trajectory's windows.
        """
        count = item.shape[0]
        if count % self.windows:
            raise ValueError(f"a device's part of a batch, {count} windows, should be a multiple of the "
                             f"windows={self.windows} of a trajectory: take a larger batch_size")  # fmt: skip
        found = self.source.solve(self.seed, item[:: self.windows, 0], certify=self.certify == "all")
        trajectory = jnp.arange(count, dtype=item.dtype) // self.windows
        frames = item[:, 1, None] + jnp.arange(self.window, dtype=item.dtype)[None]
        states = found.states[trajectory[:, None], frames]
        inputs, parameters = found.inputs[trajectory], found.parameters[trajectory]
        mask = found.good[trajectory].astype(jnp.float32)
        return Batch(states, inputs, parameters, item[:, 2], mask, geometry_of(arrays, count))
