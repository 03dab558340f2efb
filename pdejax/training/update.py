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
from jax import lax
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P
from jaxtyping import Array, Int

from pdejax.core import Key
from pdejax.methods import AbstractMethod, Coupled, Scheduled
from pdejax.training.optimisers.batch_objective import AXIS, BatchObjective
from pdejax.training.optimisers.objective import Optimiser
from pdejax.training.state import TrainState


def _at(method: AbstractMethod, step: Int[Array, ""], steps: int) -> AbstractMethod:
    """The method as it is at this update, traced: its weights change without a new compilation."""
    return method.at(step.astype(float) / steps) if isinstance(method, Scheduled) else method


def _compiled(dispatch: Callable[..., Any], mesh: Mesh, *, whole: bool) -> Callable[..., Any]:
    """The program for a mesh, in `shard_map` or, if it sees `whole` batches, as XLA divides it."""
    inputs, output = (P(), P(), P(), P(None, AXIS)), P()
    if not whole:
        mapped = jax.shard_map(dispatch, mesh=mesh, in_specs=inputs, out_specs=output)
        return jax.jit(mapped, donate_argnums=0)
    place = lambda spec: NamedSharding(mesh, spec)
    return jax.jit(dispatch, in_shardings=tuple(map(place, inputs)), out_shardings=place(output), donate_argnums=0)


def make_update(
    method: AbstractMethod,
    fetch: Callable[[Any, Any], Any],
    static: Any,
    optimiser: Optimiser,
    mesh: Mesh,
    *,
    steps: int,
    ema_decay: float = 0.0,
    accumulate: int = 1,
) -> Callable[..., tuple[TrainState, dict[str, Array]]]:
    """Compiles `update(state, constants, key, items) -> (state, metrics)`.

    **Arguments:**

    - `fetch`: makes a batch of the feed's arrays and an item, or this device's part of one.
    - `static`: the untrained, non-array part of the model, see `equinox.partition`.
    - `optimiser`: what a step is made by.
    - `steps`: updates of the whole run, of which a `Scheduled` method hears the share that is done.
    - `ema_decay`: of the moving average of the parameters; 0 keeps it equal to them.
    - `accumulate`: micro-batches per update, summed before the optimiser sees them.

    **Returns:** a function of a donated `TrainState`, `constants = (frozen model arrays, feed arrays)`, the data of
    the run's key and stacked items `(update, batch, ...)`; metrics have a leading axis of updates.
    """
    whole = isinstance(method, Coupled) and method.coupled
    axis = None if whole else AXIS
    # what a feed looks up in arrays that every device holds is divided like the item, whatever XLA would choose
    divide = lambda batch: lax.with_sharding_constraint(batch, NamedSharding(mesh, P(AXIS)))
    divided = divide if whole else lambda batch: batch

    def one(frozen: Any, arrays: Any, key: Key, state: TrainState, item: Any) -> tuple[TrainState, dict[str, Array]]:
        batch = divided(fetch(arrays, item))
        keys = jax.vmap(lambda row: jax.random.fold_in(key, row))(batch.row)
        assemble = lambda params: eqx.combine(params, frozen, static)
        objective = BatchObjective(_at(method, state.step, steps), assemble, batch, keys, accumulate, axis)
        params, optimiser_state, metrics = optimiser.step(objective, state.params, state.optimiser)
        ema = jax.tree.map(lambda e, p: ema_decay * e + (1 - ema_decay) * p, state.ema, params)
        return TrainState(params, ema, optimiser_state, state.step + 1), metrics

    def dispatch(state: TrainState, constants: Any, key: Any, items: Any) -> tuple[TrainState, dict[str, Array]]:
        frozen, arrays = constants
        key = jax.random.wrap_key_data(key)  # typed keys cannot be placed on devices of other processes
        return lax.scan(lambda s, item: one(frozen, arrays, key, s, item), state, items)

    return _compiled(dispatch, mesh, whole=whole)
