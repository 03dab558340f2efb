"""Solutions by processes of the host, for solvers that JAX cannot trace or that shall run beside training."""

import concurrent.futures
import dataclasses
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from pdejax.core import Count, Whole, check_options, register
from pdejax.data.feeds.batch import Batch
from pdejax.data.feeds.simulated import FeedOfSolutions, Simulated, certified, check_window
from pdejax.data.feeds.turns import DRAWS, Turns
from pdejax.data.feeds.window import whole_batch
from pdejax.data.generation.recipe import Recipe
from pdejax.data.generation.solve import Solution

_recipe: list[Recipe] = []  # of a process that solves


def _begin(recipe: Recipe) -> None:
    """Makes a new process one that solves on the host's cores, and ends with the process that wants it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who stops a training stops its processes
    jax.config.update("jax_platforms", "cpu")
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=lambda: (parent.join(), os._exit(0)), daemon=True).start()
    _recipe.append(recipe)


def _solve(numbers: np.ndarray, seed: int) -> Solution:
    return certified(_recipe[0], numbers, seed)


@register("feed", "outside")
@dataclasses.dataclass(eq=False)
class OutsideFeed(FeedOfSolutions):
    """Solutions by processes of the host, each certified as those of a data set are, and seen `reuse` times.

    Batches are solved ahead; which solution is seen when follows from the number of the step, so that a run that was
    stopped sees the same, and training waits where the solver is slower (`feed/waited`, in seconds).

    **Arguments:**

    - `source`: what is solved; `batch_size`: windows a batch.
    - `processes`: that solve.
    - `queue`: batches that are solved ahead, as many are seen meanwhile, in a random order among each other.
    - `reuse`: how often each solution is seen, exactly.
    - `window`: frames of one; the method says how many.
    - `seed`: of all draws and their order.
    - `rows`: of each batch, which an item holds; no others are solved.

    **Raises:** `ValueError` for sizes that do not fit.
    """

    source: Simulated
    batch_size: Count = 32
    _: dataclasses.KW_ONLY
    processes: Count = 2
    queue: Count = 4
    reuse: Count = 1
    window: Whole = 0
    seed: int = 0
    rows: slice | None = None

    def __post_init__(self) -> None:
        check_options(self)
        self.window = self.window or min(2, self.source.frames)
        starts = check_window(self.window, self.source)
        self.turns = Turns(self.batch_size, self.queue, self.reuse, starts, self.seed)
        self.waited, self.redrawn = 0.0, 0
        self._pool: concurrent.futures.ProcessPoolExecutor | None = None
        self._blocks: dict[int, concurrent.futures.Future[Solution]] = {}

    def _ask(self, chunk: int) -> None:
        """Asks for the blocks of a chunk and of the next one, and lets go of those before."""
        if self._pool is None:
            context = multiprocessing.get_context("spawn")
            self._pool = concurrent.futures.ProcessPoolExecutor(self.processes, context, _begin, (self.source.recipe,))
        rows = np.arange(self.batch_size)[self.rows or slice(None)]
        wanted = range(chunk * self.queue, (chunk + 2) * self.queue)
        for block in [block for block in self._blocks if block not in wanted]:
            if not (one := self._blocks.pop(block)).cancel():
                self.redrawn += len(one.result().rejects)
        for block in wanted:
            if block not in self._blocks:
                numbers = (block * self.batch_size + rows) & DRAWS
                self._blocks[block] = self._pool.submit(_solve, numbers, self.seed)

    def next(self, state: Mapping[str, int]) -> tuple[dict[str, int], dict[str, np.ndarray]]:
        """The next state, and the windows, once they are solved."""
        step, began = state["step"], time.perf_counter()
        chunk, turn = self.turns.chunk(step), self.turns.at(step)
        self._ask(chunk)
        try:
            found = [self._blocks[chunk * self.queue + i].result() for i in range(self.queue)]
        except concurrent.futures.process.BrokenProcessPool:
            self.close()
            raise RuntimeError("a process that solves ended before it gave a solution: a script that makes an outside "
                               'feed does its work below `if __name__ == "__main__":`, since each process imports it; '
                               "or memory ran out") from None  # fmt: skip
        self.waited += time.perf_counter() - began
        rows = np.arange(self.batch_size)[self.rows or slice(None)]
        slots, starts, frames = turn.slot[rows] % self.queue, turn.start[rows], np.arange(self.window)
        take = lambda of: np.stack([of(found[slot], i) for i, slot in enumerate(slots)])
        varying = lambda one, i: np.array([one.parameters[n][i] for n in self.source.parameter_names], np.float32)
        item = {
            "states": take(lambda one, i: one.states[i, starts[i] + frames]),
            "inputs": take(lambda one, i: one.inputs[i]),
            "parameters": take(varying),
            "row": ((step * self.batch_size + rows) & DRAWS).astype(np.int32),
        }
        return {"step": step + 1}, item

    def counts(self, state: Mapping[str, int]) -> dict[str, float]:
        """See `Turns.counts`; and of this process seconds that training waited, and draws that were rejected."""
        done = [one.result() for one in self._blocks.values() if one.done()]
        redrawn = self.redrawn + sum(len(one.rejects) for one in done)
        counts = self.turns.counts(state["step"], min(self._blocks, default=0) + len(done))
        return {**counts, "waited": self.waited, "redrawn": float(redrawn)}

    def close(self) -> None:
        """Ends the processes; the next batch would begin new ones."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
        self._pool, self._blocks = None, {}

    def fetch(self, arrays: Any, item: Any) -> Batch:
        """The item as a batch."""
        return whole_batch(arrays, item)
