"""Seconds per step of several systems, measured side by side."""

import contextlib
import time
from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from pdejax.core import Key
from pdejax.evaluation.predictor import bound
from pdejax.evaluation.reference import Reference

BATCH, STEPS, REPEATS = 16, 20, 5


def _prepared(
    predictor: Any, history: int, double: bool, truth: Reference, count: int, times: Any, key: Key | None
) -> Any:
    """A call of the compiled rollout, run once already."""
    mode = lambda: jax.enable_x64(True) if double else contextlib.nullcontext()
    cast = lambda x: jnp.asarray(np.asarray(x[:count], np.float64) if double else x[:count])

    def predict(one: Any, u: Any, key: Any) -> Any:
        return one.predict(u, times, key=key)

    with mode():
        given = {name: cast(values) for name, values in truth.parameters.items()}
        arguments = (bound(predictor, given), cast(truth.initial(history)), key)
        compiled = eqx.filter_jit(predict).lower(*arguments).compile()

    def call() -> None:
        with mode():
            jax.block_until_ready(compiled(*arguments))

    call()
    return call


def step_costs(
    systems: Mapping[str, tuple[Any, int, bool]], truth: Reference, step: float, key: Key | None
) -> dict[str, dict[str, Any]]:
    """Seconds of one step and of one unit of simulated time, of one trajectory in a batch.

    All systems predict the same trajectories; their repeats take turns, so that a slow moment of the machine falls on
    all of them. Compilation is excluded.

    **Arguments:** `systems`: name to predictor, history, and whether it computes in float64; `truth`; `step`: time of
    a frame; `key`: of stochastic predictors.

    **Returns:** by name `seconds_per_step` and `seconds_per_time` (medians), `range` (of the latter over repeats),
    `batch`, `repeats`.
    """
    count, steps = min(BATCH, len(truth.states)), min(STEPS, len(truth.times))
    times = truth.times[:steps]
    calls = {name: _prepared(*one, truth, count, times, key) for name, one in systems.items()}
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(REPEATS):
        for name, call in calls.items():
            clock = time.perf_counter()
            call()
            seconds[name].append((time.perf_counter() - clock) / (count * steps))
    return {
        name: {
            "seconds_per_step": float(np.median(each)),
            "seconds_per_time": float(np.median(each) / step),
            "range": [min(each) / step, max(each) / step],
            "batch": count,
            "repeats": REPEATS,
        }
        for name, each in seconds.items()
    }
