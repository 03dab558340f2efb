"""The compiled part of training: several updates per dispatch, data-parallel over the mesh."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jax import lax
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P
from jaxtyping import Array, Int

from pdejax.core import Key, Keys
from pdejax.data import Batch
from pdejax.methods import AbstractMethod


class TrainState(eqx.Module):
    """All that changes during training: parameters, their moving average, optimiser state, updates done."""

    params: Any
    ema: Any
    optimiser: Any
    step: Int[Array, ""]

    @classmethod
    def create(cls, params: Any, optimiser: optax.GradientTransformation) -> "TrainState":
        """The state before the first update; the average is a copy, since state buffers are donated."""
        return cls(params, jax.tree.map(jnp.copy, params), optimiser.init(params), jnp.zeros((), jnp.int32))


def _split(batch: Batch, parts: int) -> Batch:
    return jax.tree.map(lambda x: x.reshape(parts, x.shape[0] // parts, *x.shape[1:]), batch)


def make_update(
    method: AbstractMethod,
    fetch: Callable[[Any, Any], Batch],
    static: Any,
    optimiser: optax.GradientTransformation,
    mesh: Mesh,
    *,
    ema_decay: float = 0.0,
    accumulate: int = 1,
) -> Callable[..., tuple[TrainState, dict[str, Array]]]:
    """Compiles `update(state, constants, key, items) -> (state, metrics)`.

    **Arguments:**

    - `fetch`: makes a batch of the feed's arrays and this device's part of an item.
    - `static`: the untrained, non-array part of the model, see `equinox.partition`.
    - `ema_decay`: of the moving average of the parameters; 0 keeps it equal to them.
    - `accumulate`: micro-batches per update, summed before the optimiser sees them.

    **Returns:** a function of a donated `TrainState`, `constants = (frozen model arrays, feed arrays)`, the data of
    the run's key and stacked items `(update, batch, ...)`; metrics have a leading axis of updates.

    The mean over the global batch is taken inside the loss (`psum` of sums and counts), whose gradient with respect
    to replicated parameters is the global gradient already: no collective touches gradients.
    """

    def loss(params: Any, frozen: Any, batch: Batch, keys: Keys, count: Array) -> tuple[Array, dict[str, Array]]:
        model = eqx.combine(params, frozen, static)
        losses, metrics = method.loss(model, batch, keys)
        # a select, not a product: rows that only fill up a batch may hold anything
        mean = lambda x: lax.psum(jnp.sum(jnp.where(batch.mask > 0, x, 0)), "data") / count
        return mean(losses), jax.tree.map(mean, metrics)

    def gradient(params: Any, frozen: Any, batch: Batch, keys: Keys) -> tuple[Any, Any]:
        count = lax.psum(jnp.sum(batch.mask), "data")
        value_and_grad = jax.value_and_grad(loss, has_aux=True)
        if accumulate == 1:
            return value_and_grad(params, frozen, batch, keys, count)
        parts = (_split(batch, accumulate), keys.reshape(accumulate, -1))
        one = lambda part: value_and_grad(params, frozen, *part, count)
        add = lambda total, part: (jax.tree.map(jnp.add, total, one(part)), None)
        first, rest = jax.tree.map(lambda x: x[0], parts), jax.tree.map(lambda x: x[1:], parts)
        return lax.scan(add, one(first), rest)[0]

    def one(frozen: Any, arrays: Any, key: Key, state: TrainState, item: Any) -> tuple[TrainState, dict[str, Array]]:
        batch = fetch(arrays, item)
        keys = jax.vmap(lambda row: jax.random.fold_in(key, row))(batch.row)
        (value, metrics), grads = gradient(state.params, frozen, batch, keys)
        with jax.numpy_dtype_promotion("standard"):  # optax raises floats to integer powers
            updates, optimiser_state = optimiser.update(grads, state.optimiser, state.params)
        params = optax.apply_updates(state.params, updates)
        ema = jax.tree.map(lambda e, p: ema_decay * e + (1 - ema_decay) * p, state.ema, params)
        metrics = {"loss": value, "grad_norm": optax.tree.norm(grads), **metrics}
        return TrainState(params, ema, optimiser_state, state.step + 1), metrics

    def dispatch(state: TrainState, constants: Any, key: Any, items: Any) -> tuple[TrainState, dict[str, Array]]:
        frozen, arrays = constants
        key = jax.random.wrap_key_data(key)  # typed keys cannot be placed on devices of other processes
        return lax.scan(lambda s, item: one(frozen, arrays, key, s, item), state, items)

    specs = (P(), P(), P(), P(None, "data"))
    return jax.jit(jax.shard_map(dispatch, mesh=mesh, in_specs=specs, out_specs=P()), donate_argnums=0)
