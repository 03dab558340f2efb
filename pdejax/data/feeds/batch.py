"""What a training step sees, and what a source of batches is."""

from collections.abc import Iterator, Mapping
from typing import Any, Protocol, runtime_checkable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from pdejax.core import Geometry, Key


class Batch(eqx.Module):
    """What a training step sees.

    - `states`: windows of consecutive frames.
    - `inputs`: fields given beside the states, in the order of the data set's `input_names`; often none.
    - `parameters`: what varies from trajectory to trajectory, in the order of the data set's `parameter_names`.
    - `row`: number of the draw since the start of training (modulo 2^31), for random keys of each sample that do
        not depend on how the batch is divided.
    - `mask`: 1 for samples that count, 0 for padding.
    - `geometry`: where the points lie, of each sample, if they are no plain grid.
    """

    states: Float[Array, "batch window *space channel"]
    inputs: Float[Array, "batch *space input"]
    parameters: Float[Array, "batch parameter"]
    row: Int[Array, " batch"]
    mask: Float[Array, " batch"]
    geometry: Geometry | None = None


@runtime_checkable
class Feed(Protocol):
    """An endless source of batches: its state is the number of the next step, and that alone tells the batch.

    - `arrays`: arrays that `fetch` needs whole on every device; may be empty.
    - `batch_size`: samples a batch over all devices of all processes.

    A feed of trajectories has them as `source: Trajectories`, and `window`, the frames of a sample. A feed that can
    read a part of each batch has `local_rows(rows)`, and one whose windows may have any length `with_window(frames)`,
    which give another feed (see `part_of` and `windowed`). One with arrays that change on the device is a
    `DeviceFeed`.
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

    def fetch(self, arrays: Any, item: Any, /) -> Any:
        """On the device, traceable: the batch of an item, or of any part of its rows."""
        ...


@runtime_checkable
class DeviceFeed(Protocol):
    """A feed that keeps arrays on the device: a pool of online solutions, points chosen by the residual.

    The loop keeps them in its state, so that checkpoints hold them, calls `refresh` before the updates 0, `every`,
    2 `every`, ..., and hands them to `fetch` as a third argument. Every device has the whole of them and refreshes
    them alike, or its own rows of them where they are `Rows`.

    - `every`: updates between two refreshes.
    """

    @property
    def every(self) -> int: ...

    def state(self) -> Any:
        """Arrays before the first refresh, of the shapes and types they will always have."""
        ...

    def refresh(self, state: Any, model: Any, key: Key) -> Any:
        """On the device, traceable: the arrays for the next updates.

        **Arguments:** `state`: the arrays so far; `model`: as it is trained now; `key`: of this refresh.
        """
        ...

    def fetch(self, arrays: Any, item: Any, state: Any, /) -> Any:
        """The batch of an item, or of any part of its rows, with the help of the arrays."""
        ...


class Rows(eqx.Module):
    """Arrays of a `DeviceFeed` whose first axis is that of the batch: each device has those of its own samples.

    - `rows`: a pytree of such arrays.
    """

    rows: Any


@runtime_checkable
class Counting(Protocol):
    """A feed that tells how much is made for it; samples it hands out with the mask 0 are told beside that."""

    def counts(self, state: Mapping[str, int]) -> dict[str, float]:
        """Numbers by name, such as `solved`, `reuse` and `age`, when the batches before this state were used."""
        ...


def keeps_state(feed: Any) -> bool:
    """Whether a feed keeps arrays on the device."""
    return isinstance(feed, DeviceFeed)


def part_of(feed: Any, rows: slice) -> Any:
    """The feed whose items hold these rows of every batch only: the share of one process."""
    if rows == slice(0, feed.batch_size):
        return feed
    if not hasattr(feed, "local_rows"):
        raise ValueError(f"{type(feed).__name__} has no local_rows(rows), by which each of several processes reads its "
                         f"own rows of a batch")  # fmt: skip
    return feed.local_rows(rows)


def windowed(feed: Any, frames: int) -> Any:
    """The feed with windows of as many frames as a method asks for.

    **Raises:** `ValueError` if its windows have another length that is fixed.
    """
    window = getattr(feed, "window", None)
    if window == frames or not hasattr(feed, "window"):
        return feed
    if hasattr(feed, "with_window"):
        return feed.with_window(frames)
    raise ValueError(f"the method learns from windows of {frames} frame(s), {type(feed).__name__} has window={window}")


def batches_of(feed: Any, count: int) -> Iterator[Any]:
    """The first `count` batches of a feed, for measurements beside training."""
    arrays, state = jax.tree.map(jnp.asarray, feed.arrays), feed.init()
    fetch = jax.jit(feed.fetch)
    further = (feed.state(),) if keeps_state(feed) else ()
    for _ in range(count):
        state, item = feed.next(state)
        yield fetch(arrays, item, *further)
