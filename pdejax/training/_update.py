"""The compiled part of training: several updates per dispatch, data-parallel over the mesh."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P
from jaxtyping import Array, Int

from pdejax.core import Key
from pdejax.methods import AbstractMethod
from pdejax.training._batch_objective import AXIS, BatchObjective
from pdejax.training._objective import Optimiser


class TrainState(eqx.Module):
    """All that changes during training: parameters, their moving average, optimiser state, updates done."""

    params: Any
    ema: Any
    optimiser: Any
    step: Int[Array, ""]

    @classmethod
    def create(cls, params: Any, optimiser: Optimiser) -> "TrainState":
        """The state before the first update; the average is a copy, since state buffers are donated."""
        return cls(params, jax.tree.map(jnp.copy, params), optimiser.init(params), jnp.zeros((), jnp.int32))


def make_update(
    method: AbstractMethod,
    fetch: Callable[[Any, Any], Any],
    static: Any,
    optimiser: Optimiser,
    mesh: Mesh,
    *,
    ema_decay: float = 0.0,
    accumulate: int = 1,
) -> Callable[..., tuple[TrainState, dict[str, Array]]]:
    """Compiles `update(state, constants, key, items) -> (state, metrics)`.

    **Arguments:**

    - `fetch`: makes a batch of the feed's arrays and this device's part of an item.
    - `static`: the untrained, non-array part of the model, see `equinox.partition`.
    - `optimiser`: what a step is made by.
    - `ema_decay`: of the moving average of the parameters; 0 keeps it equal to them.
    - `accumulate`: micro-batches per update, summed before the optimiser sees them.

    **Returns:** a function of a donated `TrainState`, `constants = (frozen model arrays, feed arrays)`, the data of
    the run's key and stacked items `(update, batch, ...)`; metrics have a leading axis of updates.
    """

    def one(frozen: Any, arrays: Any, key: Key, state: TrainState, item: Any) -> tuple[TrainState, dict[str, Array]]:
        batch = fetch(arrays, item)
        keys = jax.vmap(lambda row: jax.random.fold_in(key, row))(batch.row)
        assemble = lambda params: eqx.combine(params, frozen, static)
        objective = BatchObjective(method, assemble, batch, keys, accumulate)
        params, optimiser_state, metrics = optimiser.step(objective, state.params, state.optimiser)
        ema = jax.tree.map(lambda e, p: ema_decay * e + (1 - ema_decay) * p, state.ema, params)
        return TrainState(params, ema, optimiser_state, state.step + 1), metrics

    def dispatch(state: TrainState, constants: Any, key: Any, items: Any) -> tuple[TrainState, dict[str, Array]]:
        frozen, arrays = constants
        key = jax.random.wrap_key_data(key)  # typed keys cannot be placed on devices of other processes
        return lax.scan(lambda s, item: one(frozen, arrays, key, s, item), state, items)

    specs = (P(), P(), P(), P(None, AXIS))
    return jax.jit(jax.shard_map(dispatch, mesh=mesh, in_specs=specs, out_specs=P()), donate_argnums=0)
