"""A pool of solutions on the device, part of which is solved anew while the other part is seen."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from pdejax.core import Count, Key, Whole, check_memory, check_options, register
from pdejax.data.feeds.batch import Batch, Rows
from pdejax.data.feeds.simulated import FeedOfSolutions, Simulated, check_traced, check_window
from pdejax.data.feeds.turns import DRAWS, Turns
from pdejax.data.feeds.window import geometry_of


@register("feed", "pool")
@dataclasses.dataclass(frozen=True, eq=False)
class PoolFeed(FeedOfSolutions):
    """Solutions kept on the device: half of them are seen, each `reuse` times, while the other half is solved anew.

    They are a part of the training state and of its checkpoints. Every `reuse` updates one solution a row of the batch
    is solved; each device holds and solves those of its own rows, so that nothing is moved. One that is not finite does
    not count in the loss, and is told as `feed/rejected`.

    **Arguments:**

    - `source`: what is solved; `batch_size`: windows a batch.
    - `capacity`: trajectories that are kept, a multiple of twice the batch.
    - `reuse`: how often each is seen, exactly.
    - `certify`: whether `all` solutions are checked as those of a data set are in time, or those of the calibration,
        which come `first`.
    - `window`: frames of one; the method says how many.
    - `seed`: of all draws and their order.
    - `rows`: of each batch, which an item holds; all of them when omitted.

    **Raises:** `ValueError` for a simulator that JAX cannot trace, and for sizes that do not fit.
    """

    source: Simulated
    batch_size: Count = 32
    _: dataclasses.KW_ONLY
    capacity: Count
    reuse: Count
    certify: Literal["first", "all"] = "first"
    window: Whole = 0
    seed: int = 0
    rows: slice | None = None

    def __post_init__(self) -> None:
        check_options(self)
        check_traced(self.source, "pool")
        object.__setattr__(self, "window", self.window or min(2, self.source.frames))
        check_window(self.window, self.source)
        unit = 2 * self.batch_size
        if self.capacity % unit:
            near = max(1, round(self.capacity / unit)) * unit
            raise ValueError(f"capacity should be a multiple of {unit}, twice the batch, since half of a pool is seen "
                             f"while the other half is solved: got {self.capacity}, the nearest is {near}")  # fmt: skip
        source = self.source
        channels = self.source.frames * len(source.field_names) + len(source.input_names)
        check_memory(4.0 * self.capacity * channels * math.prod(source.domain.shape),
                     f"a pool of {self.capacity} trajectories", "take a smaller capacity")  # fmt: skip

    @property
    def turns(self) -> Turns:
        """Which trajectory is seen when."""
        starts = check_window(self.window, self.source)
        return Turns(self.batch_size, self.capacity // (2 * self.batch_size), self.reuse, starts, self.seed)

    @property
    def every(self) -> int:
        """Updates between two refreshes."""
        return self.reuse

    def next(self, state: Mapping[str, int]) -> tuple[dict[str, int], np.ndarray]:
        """The next state, and for each row its place in the pool, first frame and number of the draw."""
        step, turn = state["step"], self.turns.at(state["step"])
        rows = (step * self.batch_size + np.arange(self.batch_size)) & DRAWS
        item = np.stack([turn.slot, turn.start, rows], axis=1)[self.rows or slice(None)]
        return {"step": step + 1}, item.astype(np.int32)

    def counts(self, state: Mapping[str, int]) -> dict[str, float]:
        """See `Turns.counts`."""
        step = state["step"]
        return self.turns.counts(step, self.turns.depth + math.ceil(step / self.reuse))

    def _solve(self, block: Any, row: Any) -> dict[str, Any]:
        """The trajectories of some rows that a block brings, by name, but for what they have none of."""
        numbers = (block * self.batch_size + row) & DRAWS
        found = self.source.solve(self.seed, numbers, certify=self.certify == "all")
        return {name: x for name, x in vars(found).items() if x.size}

    def state(self) -> Rows:
        """The half that is seen first, and room for the other one; the same on every process."""

        @jax.jit
        def fill() -> dict[str, Any]:
            row, blocks = jnp.arange(self.batch_size, dtype=jnp.int32), jnp.arange(self.turns.depth, dtype=jnp.int32)
            first = lax.map(lambda block: self._solve(block, row), blocks)
            both = lambda x: jnp.concatenate([x := jnp.moveaxis(x, 0, 1), jnp.zeros_like(x)], axis=1)
            return jax.tree.map(both, first)

        row = jnp.arange(self.batch_size, dtype=jnp.int32)
        return Rows({"kept": fill(), "block": jnp.full_like(row, self.turns.depth), "row": row})

    def refresh(self, state: Any, model: Any, key: Key) -> Rows:
        """Solves one trajectory a row, in place of one that has been seen."""
        held = state.rows
        found = self._solve(held["block"], held["row"])
        place = held["block"][0] % (2 * self.turns.depth)
        put = lambda kept, new: lax.dynamic_update_index_in_dim(kept, new, place, axis=1)
        return Rows({"kept": jax.tree.map(put, held["kept"], found), "block": held["block"] + 1, "row": held["row"]})

    def fetch(self, arrays: Any, item: Any, state: Any) -> Batch:
        """Cuts the windows out of the pool."""
        kept, (slot, start, row), count = state.rows["kept"], item.T, item.shape[0]
        here = jnp.arange(count, dtype=item.dtype)
        frames = start[:, None] + jnp.arange(self.window, dtype=item.dtype)[None]
        states, mask = kept["states"][here[:, None], slot[:, None], frames], kept["good"][here, slot]
        empty = {"inputs": (count, *states.shape[2:-1], 0), "parameters": (count, 0)}
        inputs, parameters = (
            kept[name][here, slot] if name in kept else jnp.zeros(shape, states.dtype) for name, shape in empty.items()
        )
        return Batch(states, inputs, parameters, row, mask.astype(jnp.float32), geometry_of(arrays, count))
