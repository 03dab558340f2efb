"""Configurations of published size: built, shape-checked, and one update taken, without their data."""

import time
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import optax

from pdejax.config import resolve
from pdejax.core import build
from pdejax.data import Batch, Recipe
from pdejax.methods import DataCard


def _batch(card: DataCard, window: int, size: int, key: Any) -> Batch:
    keys, shape = jax.random.split(key), card.shape
    return Batch(
        states=jax.random.normal(keys[0], (size, window, *shape, len(card.field_names))),
        inputs=jax.random.normal(keys[1], (size, *shape, len(card.input_names))),
        parameters=jnp.zeros((size, len(card.parameter_names))),
        row=jnp.arange(size, dtype=jnp.int32),
        mask=jnp.ones(size),
    )


def check(experiment: str, *, update: bool) -> dict[str, Any]:
    """Builds an experiment's model and loss at full batch size by shapes alone, then takes an update of one sample.

    **Arguments:** `experiment`: name of its configuration; `update`: whether to take the update.

    **Returns:** `parameters`, and with an update its `seconds` without compilation and the `loss`.
    """
    config = resolve([f"experiment={experiment}"])
    card, method = DataCard.sketch(Recipe.of(config.problem.spec()).family), build("method", config.method.spec())
    build_model = lambda key: method.build(config.network.spec(), card, key=key)
    key = jax.random.key(config.seed)
    skeleton = eqx.filter_eval_shape(build_model, key)
    size = config.train.batch_size
    whole = eqx.filter_eval_shape(lambda k: _batch(card, method.window, size, k), key)
    losses, _ = eqx.filter_eval_shape(method.loss, skeleton, whole, jax.random.split(key, size))
    if losses.shape != (size,):
        raise ValueError(f"{experiment}: the loss has shape {losses.shape}, not one number for each of {size} samples")
    weights = eqx.filter_eval_shape(lambda k: (lambda m: eqx.filter(m, method.trainable(m)))(build_model(k)), key)
    found: dict[str, Any] = {"parameters": sum(x.size for x in jax.tree.leaves(weights))}
    return found | (_update(method, build_model(key), _batch(card, method.window, 1, key), key) if update else {})


def _update(method: Any, model: Any, batch: Batch, key: Any) -> dict[str, Any]:
    parameters, frozen = eqx.partition(model, method.trainable(model))
    optimiser = optax.adamw(1e-3)

    @jax.jit
    def step(parameters: Any, state: Any) -> Any:
        loss = lambda p: jnp.mean(method.loss(eqx.combine(p, frozen), batch, jax.random.split(key, 1))[0])
        value, gradient = jax.value_and_grad(loss)(parameters)
        updates, state = optimiser.update(gradient, state, parameters)
        return optax.apply_updates(parameters, updates), state, value

    state = optimiser.init(parameters)
    compiled = step.lower(parameters, state).compile()
    started = time.perf_counter()
    first = jax.block_until_ready(compiled(parameters, state))
    seconds = time.perf_counter() - started
    second = compiled(*first[:2])
    if not second[2] < first[2]:
        raise ValueError(f"an update did not lower the loss: {float(first[2])}, then {float(second[2])}")
    return {"seconds": seconds, "loss": float(first[2])}
