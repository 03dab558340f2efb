"""Short rollouts during training, compiled once."""

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from pdejax.core import register
from pdejax.evaluation.metrics.divergence import without_divergence
from pdejax.evaluation.metrics.errors import geometric_mean, moments
from pdejax.evaluation.metrics.horizon import correlation_time_of_mean
from pdejax.evaluation.predictor import bound
from pdejax.evaluation.reference import select
from pdejax.evaluation.rollouts.rollout import chunk_size


@register("evaluator", "rollout")
class RolloutValidation:
    """An evaluator for the training loop: one batch of rollouts from a split's first frames.

    **Arguments:** `data`: trajectories; `split`; `trajectories`: how many, as far as they fit into memory at once;
    `steps`: how far, to the end when omitted; `history`: frames the model wants; `key`: of a stochastic model, the
    same each time.
    """

    def __init__(
        self,
        data: Any,
        split: str = "valid",
        *,
        trajectories: int = 16,
        steps: int | None = None,
        history: int = 1,
        key: Any = None,
    ) -> None:
        part = data.split(split)
        shape = (min(trajectories, len(part)), *data.domain.shape, len(data.field_names))
        frames = part.frames - history if data.step else part.frames
        fitting = chunk_size(shape, frames if steps is None else min(steps, frames))
        self._truth = truth = select(data, split, fitting, steps, history)
        self._parameters = {name: jnp.asarray(values) for name, values in truth.parameters.items()}
        self._arrays = jnp.asarray(truth.initial(history)), jnp.asarray(truth.frames), key

        @eqx.filter_jit
        def measure(predictor: Any, initial: Any, frames: Any, key: Any) -> Any:
            prediction = predictor.predict(initial, truth.times, key=key)
            return moments(prediction[..., -frames.shape[-1] :].astype(frames.dtype), frames, truth.weights)

        self._measure = measure

    def __call__(self, model: Any) -> Mapping[str, float]:
        """`valid/one_step_nrmse`, `valid/rollout_nrmse` (geometric mean over steps, the smaller the better),
        `valid/correlation_time_0.8` and `valid/diverged` (share of the trajectories)."""
        found = self._measure(bound(model, self._parameters), *self._arrays)
        kept, diverged = without_divergence(found, self._truth.sizes(np.float32))
        return {
            "valid/one_step_nrmse": float(kept.nrmse()[0].mean()),
            "valid/rollout_nrmse": float(geometric_mean(kept.nrmse())),
            "valid/correlation_time_0.8": correlation_time_of_mean(kept.correlation, self._truth.times, 0.8).value,
            "valid/diverged": float(diverged[-1].mean()),
        }
