"""Rollouts of any predictor in chunks of trajectories, reduced to what is asked and timed."""

import contextlib
import dataclasses
import time
from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from pdejax.core import Key
from pdejax.evaluation.metrics.errors import AnyArray
from pdejax.evaluation.predictor import bound

BUDGET = 256 * 2**20  # bytes of predicted states held at once
LARGEST_CHUNK = 64


@dataclasses.dataclass(frozen=True)
class Rollout:
    """The result of a rollout.

    **Arguments:**

    - `values`: what `measure` gave (the predicted states without one), numpy leaves `(time, trajectory, ...)`.
    - `seconds`: wall time of one step of one trajectory, compilation excluded, the median over chunks.
    - `compile_seconds`: time to compile the rollout.
    - `chunk`: trajectories computed at once.
    """

    values: Any
    seconds: float
    compile_seconds: float
    chunk: int


def chunk_size(shape: tuple[int, ...], steps: int, itemsize: int = 4) -> int:
    """Trajectories to predict at once, in chunks of nearly equal size that fit the memory budget.

    It depends on the problem alone, not on the machine, because a stochastic predictor draws per chunk.

    **Arguments:** `shape` of all initial states `(trajectory, *space, channel)`; `steps`; `itemsize`: bytes a number.
    """
    each = int(np.prod(shape[1:])) * steps * itemsize
    most = max(1, min(LARGEST_CHUNK, BUDGET // max(each, 1)))
    return -(-shape[0] // -(-shape[0] // most))


def _padded(x: Any, rows: np.ndarray, axis: int) -> np.ndarray:
    """`rows` of an axis; numbers past the end repeat the last one, so that every chunk has the same shape."""
    return np.take(x, np.minimum(rows, x.shape[axis] - 1), axis)


def rollout(
    predictor: Any,
    initial: Float[AnyArray, "trajectory *space state_channel"],
    times: Float[AnyArray, " time"],
    *,
    parameters: Mapping[str, AnyArray] | None = None,
    truth: Float[AnyArray, "time trajectory *space channel"] | None = None,
    measure: Callable[..., Any] | None = None,
    chunk: int | None = None,
    key: Key | None = None,
    double: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Rollout:
    """Predicts every trajectory and keeps what `measure` makes of it.

    The prediction of a chunk is compiled once and stays on the device until `measure` has reduced it; only the
    results are gathered on the host.

    **Arguments:**

    - `predictor`: with `predict(initial, times, key=...)` and, if it depends on parameters, `bind(parameters)`.
    - `initial`: first states; with a history, all its frames stacked in the channels, oldest first.
    - `times`: increasing times after the (last) initial frame.
    - `parameters`: physical parameters, arrays `(trajectory,)`, bound to the predictor chunk by chunk.
    - `truth`: given to `measure` beside the prediction when there is one.
    - `measure`: `measure(prediction)` or `measure(prediction, truth)`, traced; leaves `(time, trajectory, ...)`.
    - `chunk`: trajectories at once; chosen by `chunk_size` when omitted.
    - `key`: random key; the chunk that begins with trajectory `i` uses `fold_in(key, i)`.
    - `double`: whether to bind and predict in float64; the result is rounded to the precision of `initial`.
    - `progress`: called with the number of trajectories done and their total.
    """
    initial, times = np.asarray(initial), np.asarray(times)
    table = {name: np.asarray(values) for name, values in (parameters or {}).items()}
    total = len(initial)
    cast = (lambda x: np.asarray(x, np.float64)) if double else np.asarray
    chunk = chunk or chunk_size(initial.shape, len(times), 8 if double else initial.itemsize)

    def predict(one: Any, u: Any, subkey: Any) -> Any:
        states = one.predict(u, times, key=subkey)
        return states.astype(initial.dtype) if double else states

    reduce = eqx.filter_jit(measure) if measure else lambda prediction: prediction
    compiled, compile_seconds, seconds, parts = None, 0.0, [], []
    for start in range(0, total, chunk):
        rows = np.arange(start, start + chunk)
        with jax.enable_x64(True) if double else contextlib.nullcontext():
            given = {name: jnp.asarray(cast(_padded(values, rows, 0))) for name, values in table.items()}
            subkey = None if key is None else jax.random.fold_in(key, start)
            arguments = (bound(predictor, given), jnp.asarray(cast(_padded(initial, rows, 0))), subkey)
            if compiled is None:
                clock = time.perf_counter()
                compiled = eqx.filter_jit(predict).lower(*arguments).compile()
                compile_seconds = time.perf_counter() - clock
            clock = time.perf_counter()
            prediction = jax.block_until_ready(compiled(*arguments))
            seconds.append((time.perf_counter() - clock) / (chunk * len(times)))
        aligned = () if truth is None else (jnp.asarray(_padded(truth, rows, 1)),)
        values = jax.tree.map(np.asarray, reduce(prediction, *aligned))
        real = min(chunk, total - start)
        parts.append(jax.tree.map(lambda x, n=real: x[:, :n], values))
        if progress is not None:
            progress(min(start + chunk, total), total)
    values = jax.tree.map(lambda *xs: np.concatenate(xs, axis=1), *parts)
    return Rollout(values, float(np.median(seconds)), compile_seconds, chunk)
