"""Batches for training: from the device's memory or from disk, in the same order and exactly resumable."""

import importlib
import os
from collections.abc import Iterator, Mapping
from typing import Any, Protocol, runtime_checkable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from pdejax.core import known
from pdejax.data._dataset import Split
from pdejax.data._order import WindowOrder
from pdejax.data._well import open_shard


class Batch(eqx.Module):
    """What a training step sees.

    - `states`: windows of consecutive frames.
    - `inputs`: fields given beside the states, in the order of the data set's `input_names`; often none.
    - `parameters`: what varies from trajectory to trajectory, in the order of the data set's `parameter_names`.
    - `row`: number of the draw since the start of training (modulo 2^31), for random keys of each sample that do
        not depend on how the batch is divided.
    - `mask`: 1 for samples that count, 0 for padding.
    """

    states: Float[Array, "batch window *space channel"]
    inputs: Float[Array, "batch *space input"]
    parameters: Float[Array, "batch parameter"]
    row: Int[Array, " batch"]
    mask: Float[Array, " batch"]


@runtime_checkable
class Feed(Protocol):
    """An endless source of batches: its state is the number of the next step, and that alone tells the batch.

    - `arrays`: arrays that `fetch` needs whole on every device; may be empty.
    - `batch_size`: samples a batch over all devices.
    """

    @property
    def arrays(self) -> Any: ...

    @property
    def batch_size(self) -> int: ...

    def init(self) -> dict[str, int]:
        """State before the first batch; JSON-able, belongs in the checkpoint."""
        ...

    def next(self, state: Mapping[str, int]) -> tuple[dict[str, int], Any]:
        """On the host: the state after this batch, and an item whose leaves have the leading axis batch."""
        ...

    def fetch(self, arrays: Any, item: Any) -> Batch:
        """On the device, traceable: the batch of an item, or of any part of its rows."""
        ...


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


def batches_of(feed: Feed, count: int) -> Iterator[Batch]:
    """The first `count` batches of a feed, for measurements beside training."""
    arrays, state = jax.tree.map(jnp.asarray, feed.arrays), feed.init()
    fetch = jax.jit(feed.fetch)
    for _ in range(count):
        state, item = feed.next(state)
        yield fetch(arrays, item)


def _memory() -> int:
    """Bytes that the smallest device offers."""
    limits = [(device.memory_stats() or {}).get("bytes_limit") for device in jax.local_devices()]
    if all(limits):
        return min(limit for limit in limits if limit)
    # CPU devices share the machine's memory, and each keeps its own copy
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // (len(limits) + 1)


def choose_feed(
    split: Split,
    window: int,
    batch_size: int,
    *,
    seed: int = 0,
    kind: str = "auto",
    fraction: float = 0.3,
    memory: int | None = None,
) -> WindowFeed | DiskFeed:
    """The feed of a split: from the device's memory where it fits, otherwise from disk.

    **Arguments:**

    - `split`, `window`, `batch_size`, `seed`: as for `WindowFeed`.
    - `kind`: `device` for `WindowFeed`, `disk` for `DiskFeed`, `auto` for the first where it fits.
    - `fraction`: of the memory that data may take.
    - `memory`: bytes a device offers; asked of the device when omitted.

    **Raises:** `ValueError` for another `kind`.
    """
    kinds = {"device": WindowFeed, "disk": DiskFeed}
    if kind == "auto":
        kind = "device" if split.nbytes <= fraction * (_memory() if memory is None else memory) else "disk"
    if kind not in kinds:
        raise ValueError(known("feed", kind, ["auto", *kinds]))
    return kinds[kind](split, window, batch_size, seed=seed)
