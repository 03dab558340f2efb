"""Batches out of arrays in memory."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from pdejax.core import Count, Seed, checked, known, options_of
from pdejax.data.feeds.batch import Batch
from pdejax.data.feeds.order import check_window
from pdejax.data.feeds.window import WindowFeed
from pdejax.data.store.memory import Arrays
from pdejax.data.store.statistics import train_split
from pdejax.data.store.trajectories import Trajectories


class ArrayFeed:
    """Windows out of arrays of NumPy or JAX, which lie on the device as a whole.

    **Arguments:**

    - `states`: `(trajectory, time, *space, channel)`, or `Trajectories`, whose train split is taken.
    - `batch_size`: windows a batch.
    - `window`: frames a window; what the method asks for when omitted, and two until one does.
    - `seed`: of the order in which windows are seen.
    - `about`: `step`, `lengths`, `fields`, `inputs`, `parameters` and so on, as for `Arrays`.

    **Raises:** `ValueError` as `Arrays` does.
    """

    @checked
    def __init__(
        self, states: Any, batch_size: Count = 32, *, window: Count | None = None, seed: Seed = 0, **about: Any
    ) -> None:
        if isinstance(states, Trajectories) and about:
            raise ValueError(f"ArrayFeed: {', '.join(f'{name}=' for name in about)} tells of plain arrays, and "
                             f"{type(states).__name__} tell it themselves")  # fmt: skip
        for name in about:
            if name not in (names := [one for one in options_of(Arrays) if one not in ("states", "where")]):
                raise TypeError(f"ArrayFeed: {known('argument', name, ['batch_size', 'window', 'seed', *names])}")
        self.source = states if isinstance(states, Trajectories) else Arrays(states, where="ArrayFeed", **about)
        self.batch_size, self.seed, self._given = batch_size, seed, window
        split = train_split(self.source)
        if window is not None and window > split.frames:
            raise ValueError(f"window={window}: these states have {split.frames} frame(s) a trajectory")
        self.window = min(2, split.frames) if window is None else window
        self._windows = WindowFeed(split, self.window, batch_size, seed=seed)
        self.arrays, self.order = self._windows.arrays, self._windows.order

    def with_window(self, frames: int) -> "ArrayFeed":
        """The feed with windows of as many frames.

        **Raises:** `ValueError` if they were given another length.
        """
        if self._given not in (None, frames):
            raise ValueError(f"the method learns from windows of {frames} frame(s), ArrayFeed has "
                             f"window={self._given}: leave it out")  # fmt: skip
        check_window(frames, train_split(self.source).frames)
        return ArrayFeed(self.source, self.batch_size, window=frames, seed=self.seed)

    def local_rows(self, rows: slice) -> WindowFeed:
        """The feed whose items hold these rows of every batch only."""
        return self._windows.local_rows(rows)

    def init(self) -> dict[str, int]:
        """The state before the first batch."""
        return self._windows.init()

    def next(self, state: Mapping[str, int]) -> tuple[dict[str, int], np.ndarray]:
        """The next state, and which windows to take."""
        return self._windows.next(state)

    def fetch(self, arrays: Any, item: Any) -> Batch:
        """Cuts the windows out."""
        return self._windows.fetch(arrays, item)
