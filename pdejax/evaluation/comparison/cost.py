"""Seconds per step of several systems, measured side by side."""

import contextlib
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pdejax.core import Key
from pdejax.evaluation.predictor import bound
from pdejax.evaluation.price.measure import BATCH, FRAMES
from pdejax.evaluation.price.timing import REPEATS, WALL, Compiled, interleaved
from pdejax.evaluation.reference import Reference


def _prepared(
    predictor: Any, history: int, double: bool, truth: Reference, count: int, times: Any, key: Key | None
) -> Compiled:
    cast = lambda x: jnp.asarray(np.asarray(x[:count], np.float64) if double else x[:count])
    with jax.enable_x64(True) if double else contextlib.nullcontext():
        given = {name: cast(values) for name, values in truth.parameters.items()}
        predict = lambda one, u, key: one.predict(u, times, key=key)
        return Compiled(predict, bound(predictor, given), cast(truth.initial(history)), key)


def step_costs(
    systems: Mapping[str, tuple[Any, int, bool]], truth: Reference, step: float, key: Key | None
) -> dict[str, dict[str, Any]]:
    """Wall seconds of one step and of one unit of simulated time, of one trajectory in a batch.

    All systems predict the same trajectories; their repeats take turns. Compilation is excluded.

    **Arguments:** `systems`: name to predictor, history, and whether it computes in float64; `truth`; `step`: time of
    a frame; `key`: of stochastic predictors.

    **Returns:** by name `seconds_per_step` and `seconds_per_time` (medians), `range` (of the latter over repeats),
    `batch`, `repeats`.
    """
    count, steps = min(BATCH, len(truth.states)), min(FRAMES, len(truth.times))
    calls = {name: _prepared(*one, truth, count, truth.times[:steps], key) for name, one in systems.items()}
    taken = {name: seconds[WALL] / (count * steps) for name, seconds in interleaved(calls).items()}
    return {
        name: {
            "seconds_per_step": float(np.median(each)),
            "seconds_per_time": float(np.median(each) / step),
            "range": [float(each.min() / step), float(each.max() / step)],
            "batch": count,
            "repeats": REPEATS,
        }
        for name, each in taken.items()
    }
