"""The compiled part of training: several updates per dispatch, data-parallel over the mesh.

A batch is divided over the devices in one of two arrangements, and the same update runs in both. In `shard_map` each
device sees its own samples and means are sums over devices: XLA would otherwise gather the whole batch before every
Fourier transform. A `Coupled` method sees the whole batch as one array whose samples lie on different devices, and
XLA divides the work: the step sizes of an adaptive solve belong to the whole batch, and Diffrax's solves cannot be
differentiated inside `shard_map`.
"""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P
from jaxtyping import Array, Int

from pdejax.core import Key
from pdejax.data import Counting, keeps_state
from pdejax.methods import AbstractMethod, Coupled, Scheduled
from pdejax.training.guards import as_precise
from pdejax.training.optimisers.batch_objective import BatchObjective
from pdejax.training.optimisers.objective import Optimiser
from pdejax.training.sharding import EVERYWHERE, Layout
from pdejax.training.state import TrainState

# a branch of a run's key: rows, whose own branches samples have, are below 2^31
_REFRESH = np.uint32(2**32 - 1)


REJECTED = "feed/rejected"  # samples of a batch that did not count


def _at(method: AbstractMethod, step: Int[Array, ""], steps: int) -> AbstractMethod:
    """The method as it is at this update, traced: its weights change without a new compilation."""
    return method.at(step.astype(float) / steps) if isinstance(method, Scheduled) else method


def _compiled(dispatch: Callable[..., Any], layout: Layout, *, whole: bool) -> Callable[..., Any]:
    """The program for a layout, in `shard_map` or, if it sees `whole` batches, as XLA divides it."""

    def divided(state: TrainState, *others: Any) -> Any:
        held = layout.mapped(state)
        inputs, outputs = (held, EVERYWHERE, EVERYWHERE, layout.items), (held, EVERYWHERE)
        each = jax.shard_map(dispatch, mesh=layout.mesh, in_specs=inputs, out_specs=outputs, axis_names={layout.batch})
        return each(state, *others)

    made = dispatch if whole else divided

    def settled(*arguments: Any) -> Any:
        state, metrics = made(*arguments)
        return lax.with_sharding_constraint(state, layout.shardings(state)), metrics

    # inside `shard_map` a state that is everywhere is so by type
    return jax.jit(settled if whole or layout.params else made, donate_argnums=0)


def make_update(
    method: AbstractMethod,
    feed: Any,
    static: Any,
    optimiser: Optimiser,
    layout: Layout,
    *,
    steps: int,
    ema_decay: float = 0.0,
    accumulate: int = 1,
) -> Callable[..., tuple[TrainState, dict[str, Array]]]:
    """Compiles `update(state, constants, key, items) -> (state, metrics)`.

    **Arguments:**

    - `feed`: its `fetch` makes a batch of the feed's arrays and an item, or this device's part of one.
    - `static`: the untrained, non-array part of the model, see `equinox.partition`.
    - `optimiser`: what a step is made by.
    - `steps`: updates of the whole run, of which a `Scheduled` method hears the share that is done.
    - `ema_decay`: of the moving average of the parameters; 0 keeps it equal to them.
    - `accumulate`: micro-batches per update, summed before the optimiser sees them.

    **Returns:** a function of a donated `TrainState`, `constants = (frozen model arrays, feed arrays)`, the data of
    the run's key and stacked items `(update, batch, ...)`; metrics have a leading axis of updates.
    """
    # a batch in one part is whole anyway, and XLA fails where a divided parameter meets a mapped axis of one device
    alone = bool(layout.params) and layout.parts == 1
    whole = alone or (isinstance(method, Coupled) and method.coupled)
    axis = None if whole else layout.batch
    # what a feed looks up in arrays that every device holds is divided like the item, whatever XLA would choose
    divide = lambda batch: lax.with_sharding_constraint(batch, NamedSharding(layout.mesh, P(layout.batch)))
    divided = divide if whole else lambda batch: batch

    def renewed(state: TrainState, assemble: Callable[[Any], Any], key: Key) -> Any:
        branch = lambda: jax.random.fold_in(jax.random.fold_in(key, _REFRESH), state.step)
        refresh = lambda: feed.refresh(state.feed, assemble(state.params), branch())
        return lax.cond(state.step % feed.every == 0, refresh, lambda: state.feed)

    def one(frozen: Any, arrays: Any, key: Key, state: TrainState, item: Any) -> tuple[TrainState, dict[str, Array]]:
        assemble = lambda params: eqx.combine(params, frozen, static)
        if keeps_state(feed):
            held = renewed(state, assemble, key)
            batch = as_precise(divided(feed.fetch(arrays, item, held)))
        else:
            held, batch = (), as_precise(divided(feed.fetch(arrays, item)))
        keys = jax.vmap(lambda row: jax.random.fold_in(key, row))(batch.row)
        objective = BatchObjective(_at(method, state.step, steps), assemble, batch, keys, accumulate, axis)
        params, optimiser_state, metrics = optimiser.step(objective, state.params, state.optimiser)
        if isinstance(feed, Counting):
            metrics = {**metrics, REJECTED: objective.total(jnp.sum(batch.mask <= 0).astype(jnp.float32))}
        ema = jax.tree.map(lambda e, p: ema_decay * e + (1 - ema_decay) * p, state.ema, params)
        return TrainState(params, ema, optimiser_state, state.step + 1, held), metrics

    def dispatch(state: TrainState, constants: Any, key: Any, items: Any) -> tuple[TrainState, dict[str, Array]]:
        frozen, arrays = constants
        key = jax.random.wrap_key_data(key)  # typed keys cannot be placed on devices of other processes
        return lax.scan(lambda s, item: one(frozen, arrays, key, s, item), state, items)

    return _compiled(dispatch, layout, whole=whole)
