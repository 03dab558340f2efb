"""The method's own loss on data it was not trained on."""

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from pdejax.data import keeps_state
from pdejax.methods import AbstractMethod
from pdejax.training.guards import as_precise


class ValidationLoss:
    """Mean of the method's loss and metrics over fixed batches of a feed.

    **Arguments:** `method`; `feed`: of the validation split; `batches`: how many to average.
    """

    def __init__(self, method: AbstractMethod, feed: Any, batches: int) -> None:
        self._feed, self._batches = feed, batches
        self._arrays = jax.tree.map(jnp.asarray, feed.arrays)

        @eqx.filter_jit
        def mean(model: Any, arrays: Any, item: Any) -> Mapping[str, Any]:
            further = (feed.refresh(feed.state(), model, jax.random.key(0)),) if keeps_state(feed) else ()
            batch = as_precise(feed.fetch(arrays, item, *further))
            keys = jax.vmap(lambda row: jax.random.fold_in(jax.random.key(0), row))(batch.row)
            losses, metrics = method.loss(model, batch, keys)
            mean_of = lambda x: jnp.sum(jnp.where(batch.mask > 0, x, 0)) / jnp.maximum(jnp.sum(batch.mask), 1)
            return jax.tree.map(mean_of, {"loss": losses, **metrics})

        self._mean = mean

    def names(self, model: Any) -> list[str]:
        """What a call tells of, without a computation."""
        _, item = self._feed.next(self._feed.init())
        return [f"valid/{name}" for name in eqx.filter_eval_shape(self._mean, model, self._arrays, item)]

    def __call__(self, model: Any) -> dict[str, float]:
        """`valid/loss` and the method's metrics."""
        state, rows = self._feed.init(), []
        for _ in range(self._batches):
            state, item = self._feed.next(state)
            rows.append(self._mean(model, self._arrays, item))
        total = jax.tree.map(lambda *x: float(sum(x)) / len(x), *rows)
        return {f"valid/{name}": value for name, value in total.items()}
