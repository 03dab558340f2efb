"""Where arrays live: batches divided over an axis of a mesh, everything else on all devices unless it is said so."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import AxisType, Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from pdejax.core import spelt
from pdejax.data import Rows
from pdejax.training.optimisers.batch_objective import AXIS
from pdejax.training.optimisers.groups import place_of

EVERYWHERE = P()


def data_mesh(devices: int | None = None) -> Mesh:
    """A mesh of `devices` devices of each process (all when omitted) with the single axis `data`.

    **Raises:** `ValueError` if there are not that many.
    """
    of_process = [[one for one in jax.devices() if one.process_index == i] for i in range(jax.process_count())]
    fewest = min(map(len, of_process))
    if devices is not None and not 1 <= devices <= fewest:
        raise ValueError(f"train.devices={devices}, but {fewest} {jax.devices()[0].platform} device(s) are there")
    chosen = [device for own in of_process for device in own[:devices]]
    return Mesh(np.asarray(chosen), (AXIS,), axis_types=(AxisType.Auto,))


@spelt
@dataclasses.dataclass(frozen=True)
class Layout:
    """Which device holds what: the one place that says so.

    The axis that divides batches is the compiled update's own, all others are XLA's: an array divided over one of them
    is used like a whole one, and what it takes to do so is added by the compiler.

    **Arguments:**

    - `mesh`: the devices; its axes but that of batches are of the type `Auto`.
    - `params`: how arrays of the training state are divided, by a part of their path such as `head.weight`; the others
        are on all devices. What an optimiser keeps for each parameter has the parameter's path in its own.
    - `batch`: the axis that batches are divided over.

    **Raises:** `ValueError` for an axis that the mesh does not have, or parameters divided over that of batches.
    """

    mesh: Mesh
    params: Mapping[str, P] = dataclasses.field(default_factory=dict)
    batch: str = AXIS

    def __post_init__(self) -> None:
        for name, axis in [("batch", self.batch), *((n, a) for n, spec in self.params.items() for a in _axes(spec))]:
            if axis not in self.mesh.axis_names:
                raise ValueError(f"layout of {name!r}: the mesh has axes {self.mesh.axis_names}, not {axis!r}")
            if name != "batch" and axis == self.batch:
                raise ValueError(f"layout of {name!r}: axis {axis!r} divides batches, divide parameters over another")

    @classmethod
    def over(cls, devices: int | None = None) -> "Layout":
        """Everything on so many devices (all when omitted), batches divided over them."""
        return cls(data_mesh(devices))

    @property
    def parts(self) -> int:
        """How many parts a batch is divided into."""
        return self.mesh.shape[self.batch]

    @property
    def everywhere(self) -> NamedSharding:
        """On all devices."""
        return NamedSharding(self.mesh, EVERYWHERE)

    @property
    def items(self) -> P:
        """How stacked items `(update, batch, ...)` are divided."""
        return P(None, self.batch)

    def shardings(self, tree: Any) -> Any:
        """Where each array of a training state lives."""
        divided = NamedSharding(self.mesh, P(self.batch))
        spec = lambda path, x: divided if _is_rows(x) else NamedSharding(self.mesh, self._spec(path, x))
        found = jax.tree_util.tree_map_with_path(spec, tree, is_leaf=_is_rows)
        return _on_rows(found, tree)

    def mapped(self, state: Any) -> Any:
        """How `shard_map` divides a training state over the axis of batches: rows that a feed keeps, nothing else."""
        found = jax.tree.map(lambda x: P(self.batch) if _is_rows(x) else EVERYWHERE, state, is_leaf=_is_rows)
        return _on_rows(found, state)

    def _spec(self, path: Any, array: Any) -> P:
        place = place_of(path)
        fits = (spec for name, spec in self.params.items() if f".{name}." in place and len(spec) <= array.ndim)
        return next(fits, EVERYWHERE)

    def place(self, tree: Any) -> Any:
        """A training state where it belongs."""
        return jax.tree.map(_placed, tree, self.shardings(tree))

    def replicate(self, tree: Any) -> Any:
        """The same arrays on every device."""
        return jax.tree.map(lambda x: _placed(x, self.everywhere), tree)

    def divide(self, items: Any) -> Any:
        """Stacked items `(update, batch, ...)`, each device holding its part of every batch.

        **Arguments:** `items`: the `local_rows` of this process.
        """
        sharding = NamedSharding(self.mesh, self.items)
        if jax.process_count() == 1:  # the same, in a quarter of the time
            return jax.tree.map(lambda x: _placed(x, sharding), items)
        return jax.tree.map(lambda x: jax.make_array_from_process_local_data(sharding, np.asarray(x)), items)

    def local_rows(self, batch_size: int) -> slice:
        """The rows of a batch that the devices of this process hold: a feed need not make the others."""
        found = NamedSharding(self.mesh, P(self.batch)).addressable_devices_indices_map((batch_size,)).values()
        parts = [index[0].indices(batch_size) for index in found if index is not None]
        return slice(min(p[0] for p in parts), max(p[1] for p in parts))

    def host(self, tree: Any) -> Any:
        """Whole arrays in the memory of every process: the one place where arrays leave the devices."""
        whole = lambda x: x if x.is_fully_addressable or x.is_fully_replicated else _gathered(x)
        return jax.device_get(jax.tree.map(whole, tree))


def _is_rows(x: Any) -> bool:
    return isinstance(x, Rows)


def _on_rows(found: Any, tree: Any) -> Any:
    """What was found of rows as a whole, for each of their arrays."""
    spread = lambda one, x: jax.tree.map(lambda _: one, x) if _is_rows(x) else one
    return jax.tree.map(spread, found, tree, is_leaf=_is_rows)


def _axes(spec: P) -> list[str]:
    parts = (part if isinstance(part, tuple) else (part,) for part in spec if part is not None)
    return [str(axis) for part in parts for axis in part]


def _placed(array: Any, sharding: NamedSharding) -> jax.Array:
    array = np.asarray(array)
    # every process holds the whole array and hands over the part its devices own: the same call on one host or many
    return jax.make_array_from_callback(array.shape, sharding, lambda index: array[index])


def _gathered(array: Any) -> Any:
    return multihost_utils.process_allgather(array, tiled=True)


def agreed(reason: str | None) -> str | None:
    """What any process has a reason for: all must stop after the same update, or the others wait for it forever."""
    if jax.process_count() == 1:
        return reason
    found = multihost_utils.process_allgather(np.asarray(reason is not None))
    return reason or ("another process has a reason" if np.any(found) else None)
