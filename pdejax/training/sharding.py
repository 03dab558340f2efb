"""Where arrays live: one mesh axis, `data`, over all devices of all processes."""

from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import AxisType, Mesh, NamedSharding
from jax.sharding import PartitionSpec as P


def data_mesh(devices: int | None = None) -> Mesh:
    """A mesh of `devices` devices (all when omitted) with the single axis `data`.

    **Raises:** `ValueError` if there are not that many.
    """
    available = jax.devices()
    if devices is not None and not 1 <= devices <= len(available):
        raise ValueError(f"train.devices={devices}, but {len(available)} {available[0].platform} device(s) are there")
    chosen = np.asarray(available[:devices])
    return Mesh(chosen, ("data",), axis_types=(AxisType.Auto,))


def _place(array: Any, sharding: NamedSharding) -> jax.Array:
    array = np.asarray(array)
    # every process holds the whole array and hands over the part its devices own: the same call on one host or many
    return jax.make_array_from_callback(array.shape, sharding, lambda index: array[index])


def replicate(tree: Any, mesh: Mesh) -> Any:
    """The same arrays on every device."""
    return jax.tree.map(lambda x: _place(x, NamedSharding(mesh, P())), tree)


def agreed(signal: str | None) -> str | None:
    """The signal that any process caught: all must stop after the same update, or the others wait for it forever."""
    if jax.process_count() == 1:
        return signal
    caught = multihost_utils.process_allgather(np.asarray(signal is not None))
    return signal or ("a signal to another process" if np.any(caught) else None)


def shard_batches(items: Any, mesh: Mesh) -> Any:
    """Stacked items `(update, batch, ...)`, their batch axis divided over the devices."""
    return jax.tree.map(lambda x: _place(x, NamedSharding(mesh, P(None, "data"))), items)
