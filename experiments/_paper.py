"""Configurations of published size: built, shape-checked, and one update taken, without their data."""

import time
from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from pdejax.config import resolve
from pdejax.core import build
from pdejax.data import Batch, Recipe
from pdejax.methods import DataCard
from pdejax.training import TrainSettings, advance, start


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


class _OneBatch:
    """A feed that gives the same batch for ever."""

    def __init__(self, batch: Batch) -> None:
        self.arrays, self.batch_size = batch, len(batch.row)

    def init(self) -> dict[str, int]:
        return {"step": 0}

    def next(self, state: Mapping[str, int]) -> tuple[dict[str, int], np.ndarray]:
        return {"step": state["step"] + 1}, np.arange(self.batch_size)

    def fetch(self, arrays: Batch, item: Any) -> Batch:
        return jax.tree.map(lambda x: x[item], arrays)


def _update(method: Any, model: Any, batch: Batch, key: Any) -> dict[str, Any]:
    settings = TrainSettings(2, 1e-3, "constant", clip=None, devices=1)
    training = start(method, model, _OneBatch(batch), settings, key=key)
    first = float(advance(training, 1)["loss"][0])
    started = time.perf_counter()
    second = float(advance(training, 1)["loss"][0])
    seconds = time.perf_counter() - started
    if not second < first:
        raise ValueError(f"an update did not lower the loss: {first}, then {second}")
    return {"seconds": seconds, "loss": first}
