"""How far rollouts are from solving the equation: an indicator that needs no truth."""

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from pdejax.core import Count, Scaling, Whole, register
from pdejax.evaluation.baselines.baseline import solved_by
from pdejax.evaluation.predictor import as_predictor, bound
from pdejax.evaluation.reference import select


@register("evaluator", "grid_residual")
class GridResidual:
    """The residual of the equation between the frames of a rollout, relative to how fast the states change.

    A rollout that solves the equation has the residual of the truth, which is the error of differences in time; one
    that has left it has a larger one, whatever it looks like. Both are told, so that they can be compared.

    **Arguments:** `data`: trajectories of a known equation; `split`; `trajectories`: how many at most; `steps`: how
    far at most; `seed`: of a stochastic model.

    **Raises:** `ValueError` if the data do not say what they solve, or by what solver that has a residual.
    """

    def __init__(
        self, data: Any, *, split: str = "test", trajectories: Count = 8, steps: Count = 20, seed: Whole = 0
    ) -> None:
        family, given = solved_by(data)
        simulator: Any = given
        if not hasattr(simulator, "residual"):
            raise ValueError(f"simulator {type(simulator).__name__} knows no residual of trajectories")
        self._data, self._split, self._seed = data, split, seed
        self._trajectories, self._steps = min(trajectories, len(data.split(split))), steps

        @eqx.filter_jit
        def relative(frames: Any, parameters: Any, start: Any) -> Any:
            real = frames.dtype
            step = jnp.asarray(family.step * jnp.asarray(Scaling.split(parameters)[1].step, real), real)
            rate = (frames[2:] - frames[:-2]) / (2 * step.reshape(1, -1, *[1] * (frames.ndim - 2)))
            three = lambda i: jax.lax.dynamic_slice_in_dim(frames, i, 3)
            one = lambda i: simulator.residual(family, three(i), parameters, start=start + i.astype(real))[0]
            residual = jax.lax.map(one, jnp.arange(len(frames) - 2))
            return jnp.sqrt(jnp.mean(residual**2) / jnp.mean(rate**2))

        self._relative = relative

    def __call__(self, model: Any) -> Mapping[str, float]:
        """`grid_residual` of the model's rollouts and `grid_residual_truth`, root mean squares relative to the rate."""
        history = getattr(model, "history", 1)
        steps = min(self._steps, self._data.split(self._split).frames - history)
        truth = select(self._data, self._split, self._trajectories, steps, history)
        parameters = {name: jnp.asarray(values) for name, values in truth.parameters.items()}
        predictor = bound(as_predictor(model, self._data.step), parameters)
        first, key = jnp.asarray(truth.initial(history)), jax.random.key(self._seed)
        predict = eqx.filter_jit(lambda one, u, key: one.predict(u, truth.times, key=key))
        rolled = np.asarray(predict(predictor, first, key))[..., -truth.states.shape[-1] :]
        start = jnp.asarray(truth.start, first.dtype)
        known = truth.first()[None]
        told = {"grid_residual": rolled, "grid_residual_truth": truth.frames}
        whole = {name: jnp.asarray(np.concatenate([known, frames])) for name, frames in told.items()}
        return {name: float(self._relative(frames, parameters, start)) for name, frames in whole.items()}
