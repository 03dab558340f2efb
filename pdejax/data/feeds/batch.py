"""What a training step sees, and what a source of batches is."""

from collections.abc import Iterator, Mapping
from typing import Any, Protocol, runtime_checkable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int


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


def batches_of(feed: Feed, count: int) -> Iterator[Batch]:
    """The first `count` batches of a feed, for measurements beside training."""
    arrays, state = jax.tree.map(jnp.asarray, feed.arrays), feed.init()
    fetch = jax.jit(feed.fetch)
    for _ in range(count):
        state, item = feed.next(state)
        yield fetch(arrays, item)
