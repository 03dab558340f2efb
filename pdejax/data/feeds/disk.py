"""Batches read from the disk as they are needed."""

import importlib
import os
from collections.abc import Iterator, Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np

from pdejax.data.feeds.batch import Batch
from pdejax.data.feeds.order import WindowOrder
from pdejax.data.store.dataset import Split
from pdejax.data.store.well import open_shard


class _ReadWindow:
    """Reads the window at a position of the stream; files are opened when first needed, once a process."""

    def __init__(self, split: Split, order: WindowOrder) -> None:
        self.split, self.order = split, order
        self.firsts = np.array([shard.first for shard in split.shards])
        self.files: dict[tuple[int, int], Any] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "files": {}}  # open files cannot be sent to another process

    def _file(self, number: int) -> Any:
        key = (os.getpid(), number)
        if key not in self.files:
            self.files[key] = open_shard(self.split.shards[number].path)
        return self.files[key]

    def close(self) -> None:
        for (owner, _), file in self.files.items():
            if owner == os.getpid():
                file.close()
        self.files.clear()

    def __call__(self, position: int) -> dict[str, Any]:
        trajectory, start = self.order.at(position)
        number = int(np.searchsorted(self.firsts, trajectory, side="right")) - 1
        file, local = self._file(number), trajectory - int(self.firsts[number])
        frames = slice(start, start + self.order.window)
        states = np.stack([file["t0_fields"][name][local, frames] for name in self.split.field_names], axis=-1)
        inputs = np.empty((*states.shape[1:-1], len(self.split.input_names)), np.float32)
        for channel, name in enumerate(self.split.input_names):
            inputs[..., channel] = file["t0_fields"][name][local]
        parameters = np.array([file["scalars"][name][local] for name in self.split.parameter_names], np.float32)
        row = np.int32(position & 0x7FFFFFFF)
        return {"states": states, "inputs": inputs, "parameters": parameters, "row": row}


class DiskFeed:
    """Windows read from the files by Grain, for splits that do not fit on the device.

    The batches are those of `WindowFeed` for the same arguments, bit for bit.

    **Arguments:**

    - `split`, `window`, `batch_size`, `seed`: as for `WindowFeed`.
    - `threads`: threads that read ahead; HDF5 lets one of them read at a time, so they hide the disk, no more.
    - `workers`: processes that read ahead; each takes seconds to start.

    An item is a dictionary of NumPy arrays: `states`, `inputs`, `parameters`, `row`.
    """

    def __init__(
        self, split: Split, window: int, batch_size: int, *, seed: int = 0, threads: int = 0, workers: int = 0
    ) -> None:
        self.order = WindowOrder(len(split), split.frames, window, batch_size, seed)
        self.batch_size, self.threads, self.workers = batch_size, threads, workers
        self.arrays = ()
        self._read = _ReadWindow(split, self.order)
        self._iterator: Iterator[Any] = iter(())
        self._step = -1

    def init(self) -> dict[str, int]:
        """The state before the first batch."""
        return {"step": 0}

    def _start(self, step: int) -> None:
        grain = importlib.import_module("grain")  # takes seconds to import, so only where it is used
        # the stream has no end; this many positions outlast any training and let Grain count batches in 64 bits
        batches = grain.MapDataset.range(1 << 62).map(self._read).batch(self.batch_size)
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
        """Closes the files."""
        self._iterator, self._step = iter(()), -1
        self._read.close()

    def fetch(self, arrays: Any, item: Any) -> Batch:
        """The item as a batch."""
        states, inputs, parameters, row = (
            jnp.asarray(item[name]) for name in ("states", "inputs", "parameters", "row")
        )
        return Batch(states, inputs, parameters, row, jnp.ones(row.shape[0], jnp.float32))
