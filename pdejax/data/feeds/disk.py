"""Batches read from the disk as they are needed."""

import importlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from pdejax.data.feeds.batch import Batch
from pdejax.data.feeds.order import WindowOrder
from pdejax.data.feeds.window import geometry_arrays, whole_batch
from pdejax.data.store.trajectories import Split


class _ReadWindow:
    """Reads the window of each number in turn, counted over the rows that are read."""

    def __init__(self, split: Split, order: WindowOrder, rows: slice) -> None:
        self.split, self.order, self.rows = split, order, rows

    def __call__(self, number: int) -> dict[str, Any]:
        step, row = divmod(number, self.rows.stop - self.rows.start)
        position = step * self.order.batch_size + self.rows.start + row
        trajectory, start = self.order.at(position)
        window = self.split.window(trajectory, start, self.order.window)
        parameters = self.split.parameter_array[trajectory]
        row = np.int32(position & 0x7FFFFFFF)
        return {"states": window.states, "inputs": window.inputs, "parameters": parameters, "row": row}


class DiskFeed:
    """Windows read from where they are stored by Grain, for splits that do not fit on the device.

    The batches are those of `WindowFeed` for the same arguments, bit for bit.

    **Arguments:**

    - `split`, `window`, `batch_size`, `seed`, `rows`: as for `WindowFeed`; no other rows are read.
    - `threads`: threads that read ahead; HDF5 lets one of them read at a time, so they hide the disk, no more.
    - `workers`: processes that read ahead; each takes seconds to start.

    An item is a dictionary of NumPy arrays: `states`, `inputs`, `parameters`, `row`.
    """

    def __init__(
        self,
        split: Split,
        window: int,
        batch_size: int,
        *,
        seed: int = 0,
        rows: slice | None = None,
        threads: int = 0,
        workers: int = 0,
    ) -> None:
        self.order = WindowOrder(len(split), split.frames, window, batch_size, seed)
        self.split, self.source, self.window, self.batch_size = split, split.source, window, batch_size
        self.seed, self.rows, self.threads, self.workers = seed, rows or slice(0, batch_size), threads, workers
        self.arrays = geometry_arrays(self.source)
        self._iterator: Iterator[Any] = iter(())
        self._step = -1

    def init(self) -> dict[str, int]:
        """The state before the first batch."""
        return {"step": 0}

    def local_rows(self, rows: slice) -> "DiskFeed":
        """The feed that reads these rows of every batch only."""
        further = {"seed": self.seed, "threads": self.threads, "workers": self.workers}
        return DiskFeed(self.split, self.window, self.batch_size, rows=rows, **further)

    def _start(self, step: int) -> None:
        grain = importlib.import_module("grain")  # takes seconds to import, so only where it is used
        # the stream has no end; this many windows outlast any training and let Grain count batches in 64 bits
        read = _ReadWindow(self.split, self.order, self.rows)
        batches = grain.MapDataset.range(1 << 62).map(read).batch(self.rows.stop - self.rows.start)
        data = batches[step:].to_iter_dataset(grain.ReadOptions(num_threads=self.threads))
        if self.workers:
            flags = importlib.import_module("absl.flags")
            flags.FLAGS.mark_as_parsed()  # Grain's workers ask absl for flags, which nobody parses here
            data = data.mp_prefetch(grain.MultiprocessingOptions(num_workers=self.workers))
        self._iterator, self._step = iter(data), step

    def next(self, state: Mapping[str, int]) -> tuple[dict[str, int], dict[str, np.ndarray]]:
        """The next state, and the windows read."""
        if state["step"] != self._step:
            self._start(state["step"])
        item = next(self._iterator)
        self._step += 1
        return {"step": self._step}, item

    def close(self) -> None:
        """Stops reading ahead."""
        self._iterator, self._step = iter(()), -1

    def fetch(self, arrays: Any, item: Any) -> Batch:
        """The item as a batch."""
        return whole_batch(arrays, item)
