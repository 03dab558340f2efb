"""The training loop: one script, read from top to bottom."""

import dataclasses
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import numpy as np
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from pdejax.core import known
from pdejax.data import Feed
from pdejax.methods import AbstractMethod
from pdejax.training.optimisers.balance import build_balance
from pdejax.training.optimisers.build import GRADIENT, build_optimiser, build_schedule
from pdejax.training.optimisers.groups import chosen_leaves
from pdejax.training.progress import TrainingProgress
from pdejax.training.sharding import agreed, data_mesh, replicate, shard_batches
from pdejax.training.state import TrainState
from pdejax.training.store.checkpoint import Checkpoints
from pdejax.training.store.record import Record
from pdejax.training.update import make_update

# branches of a run's key: what is drawn for weights must not be drawn again for samples
WEIGHTS, SAMPLES = 0, 1

Evaluator = Callable[[Any], Mapping[str, float]]


class NonFiniteLoss(RuntimeError):
    """The loss became infinite or not a number; the message names the update and the last good checkpoint."""


class Interrupted(RuntimeError):
    """A signal asked for an end; the state was saved and the same command continues the run."""


@dataclasses.dataclass(frozen=True)
class TrainSettings:
    """How long and with what the loop runs; counts are in optimiser updates.

    `ema` is the decay of the averaged parameters that are evaluated and released (0: none); `accumulate` divides
    each batch into micro-batches; `updates_per_dispatch` updates run in one compiled call; `monitor` names the
    evaluation metric whose smallest value makes a checkpoint the best, or with a minus before it the largest;
    `devices` limits the mesh; `precision` is `float32` or `float64`; `options` are those of the optimiser (see
    `build_optimiser`), `rates` factors on the learning rate by group of parameters, `only` the groups that are
    trained at all (empty: all that can be), `balance` options of `Balanced` for the weights of a loss's terms.
    """

    steps: int
    learning_rate: float = 1e-3
    schedule: str = "cosine"
    warmup: int = 0
    final_learning_rate: float = 0.0
    optimiser: str = "adamw"
    weight_decay: float = 0.0
    clip: float | None = 1.0
    ema: float = 0.0
    accumulate: int = 1
    updates_per_dispatch: int = 50
    log_every: int = 100
    evaluate_every: int = 1000
    checkpoint_every: int = 1000
    monitor: str = "valid/loss"
    devices: int | None = None
    precision: str = "float32"
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    rates: Mapping[str, float] = dataclasses.field(default_factory=dict)
    only: tuple[str, ...] = ()
    balance: Mapping[str, Any] | None = None


@contextmanager
def _signals() -> Iterator[Callable[[], str | None]]:
    """Turns SIGTERM and SIGINT into a question that the loop asks between dispatches."""
    caught: list[str] = []
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return
    previous: dict[Any, Any] = {}

    def remember(number: int, _: Any) -> None:
        caught.append(signal.Signals(number).name)
        signal.signal(number, previous[signal.Signals(number)])  # the same signal again ends the process at once

    for number in (signal.SIGTERM, signal.SIGINT):
        previous[number] = signal.signal(number, remember)
    try:
        yield lambda: caught[0] if caught else None
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _check_cadence(settings: TrainSettings) -> None:
    for name in ("log_every", "evaluate_every", "checkpoint_every"):
        every, count = getattr(settings, name), settings.updates_per_dispatch
        if every % count and every < settings.steps:
            raise ValueError(f"train.{name}={every} must be a multiple of train.updates_per_dispatch={count}")


def _check_batch(feed: Feed, settings: TrainSettings, devices: int) -> None:
    parts = devices * settings.accumulate
    if feed.batch_size % parts:
        raise ValueError(
            f"train.batch_size={feed.batch_size} cannot be divided over {devices} device(s) times "
            f"train.accumulate={settings.accumulate}: use a multiple of {parts}"
        )


def _check_finite(step: int, metrics: Mapping[str, np.ndarray], settings: TrainSettings, saved: int | None) -> None:
    bad = ~(np.isfinite(metrics["loss"]) & np.isfinite(metrics.get("grad_norm", 0.0)))
    if not bad.any():
        return
    update = step - len(bad) + 1 + int(np.argmax(bad))
    name = "loss" if not np.isfinite(metrics["loss"][np.argmax(bad)]) else "gradient"
    kept = f"the last good checkpoint is step {saved}" if saved else "no checkpoint had been written yet"
    raise NonFiniteLoss(
        f"the {name} is not finite at update {update}; {kept}. Try a smaller train.learning_rate "
        f"(now {settings.learning_rate:g}), a longer train.warmup or train.clip"
    )


def _take(feed: Feed, state: Any, count: int) -> tuple[Any, Any]:
    """The items of the next `count` updates, stacked, and the feed's state after them."""
    items = []
    for _ in range(count):
        state, item = feed.next(state)
        items.append(item)
    return (jax.tree.map(lambda *x: np.stack(x), *items) if items else None), state


def _evaluate(model: Any, evaluators: Sequence[Evaluator]) -> dict[str, float]:
    return {name: value for evaluator in evaluators for name, value in evaluator(model).items()}


def train(
    method: AbstractMethod,
    model: Any,
    feed: Feed,
    settings: TrainSettings,
    folder: Path,
    **further: Any,
) -> Any:
    """`train_here` in the precision of the settings; a model of the other precision is converted first."""
    if settings.precision not in ("float32", "float64"):
        raise ValueError(known("train.precision", settings.precision, ["float32", "float64"]))
    real = np.dtype(settings.precision)
    with jax.enable_x64(real == np.float64):
        other = lambda x: eqx.is_array(x) and x.dtype != real and x.dtype in (np.float32, np.float64)
        model = jax.tree.map(lambda x: x.astype(real) if other(x) else x, model)
        return train_here(method, model, feed, settings, folder, **further)


def train_here(
    method: AbstractMethod,
    model: Any,
    feed: Feed,
    settings: TrainSettings,
    folder: Path,
    *,
    seed: int = 0,
    evaluators: Sequence[Evaluator] = (),
    on_best: Callable[[Any, int], None] = lambda model, step: None,
    last: bool = True,
    show: bool = True,
) -> Any:
    """Trains `model` by `method` on batches of `feed`; continues from the newest checkpoint below `folder`.

    **Arguments:**

    - `model`: as built by the method; its trainable leaves are optimised, everything else is carried along.
    - `folder`: of the run: `checkpoints/`, `metrics.jsonl` and `tensorboard/` are written below it.
    - `seed`: of all randomness in training; sample `row` uses `fold_in(fold_in(key(seed), SAMPLES), row)`.
    - `evaluators`: called with the averaged model every `evaluate_every` updates; they give named numbers.
    - `on_best`: called with the averaged model and the step whenever `settings.monitor` reached a new minimum.
    - `last`: whether nothing follows; otherwise a signal during the last updates stops the run as any other does.
    - `show`: whether to report progress.

    **Returns:** the model with averaged parameters after the last update.

    **Raises:** `NonFiniteLoss`; `Interrupted` after SIGTERM or SIGINT, with the state saved; `ValueError` for
    settings that do not fit each other.
    """
    # ---- mesh: batches are divided over its `data` axis, everything else is replicated
    mesh = data_mesh(settings.devices)
    _check_batch(feed, settings, mesh.size)
    _check_cadence(settings)

    # ---- model: partitioned once; only `params` is optimised, `static` is compiled in
    arrays, static = eqx.partition(model, eqx.is_array)
    params, frozen = eqx.partition(arrays, chosen_leaves(method.trainable(model), settings.only))

    # ---- optimiser and state
    schedule = build_schedule(
        settings.schedule,
        settings.steps,
        learning_rate=settings.learning_rate,
        warmup=settings.warmup,
        final_learning_rate=settings.final_learning_rate,
    )
    optimiser = build_optimiser(
        schedule,
        kind=settings.optimiser,
        weight_decay=settings.weight_decay,
        clip=settings.clip,
        rates=settings.rates,
        options=settings.options,
    )
    if settings.balance is not None:
        optimiser = build_balance(method, model, optimiser, settings.balance)
    state, feed_state = replicate(TrainState.create(params, optimiser), mesh), feed.init()

    # ---- resume: newest readable checkpoint, then the feed's position, then the record is cut back to it
    monitor, sign = settings.monitor.removeprefix("-"), -1.0 if settings.monitor.startswith("-") else 1.0
    checkpoints = Checkpoints(folder / "checkpoints", monitor, sign)
    restored = checkpoints.restore(state, NamedSharding(mesh, P()))
    if restored is not None:
        state, feed_state = restored
    start = step = int(state.step)
    chief = jax.process_index() == 0
    record = Record(folder, -1 if restored is None else step) if chief else None
    best = record.best(monitor, sign) if record else float("inf")

    # ---- compiled update
    update = make_update(
        method,
        feed.fetch,
        static,
        optimiser,
        mesh,
        steps=settings.steps,
        ema_decay=settings.ema,
        accumulate=settings.accumulate,
    )
    constants = replicate((frozen, feed.arrays), mesh)
    key = replicate(jax.random.key_data(jax.random.fold_in(jax.random.key(seed), SAMPLES)), mesh)
    progress = TrainingProgress(settings.steps, step, feed.batch_size, show=show and chief)
    if start:
        progress.say(f"continuing at update {start} of {settings.steps}")
    if restored is None and evaluators:
        values = _evaluate(model, evaluators)
        if monitor not in values:
            raise ValueError(known("train.monitor", monitor, values))
        if record:
            record.write(0, values)
    due = lambda every, before, now: now // every > before // every or now == settings.steps

    try:
        with _signals() as caught:
            began = mark = time.perf_counter()
            items, ahead = _take(feed, feed_state, min(settings.updates_per_dispatch, settings.steps - step))
            while step < settings.steps:
                # ---- dispatch: several updates in one call; the next items are made while the device works
                before, feed_state = step, ahead
                state, metrics = update(state, constants, key, shard_batches(items, mesh))
                step += min(settings.updates_per_dispatch, settings.steps - step)
                items, ahead = _take(feed, feed_state, min(settings.updates_per_dispatch, settings.steps - step))

                # ---- check and log
                metrics = jax.tree.map(np.asarray, metrics)
                _check_finite(step, metrics, settings, checkpoints.newest)
                now = time.perf_counter()
                if before > start:  # the first dispatch compiles
                    progress.advance(step, float(metrics["loss"][-1]), now - mark)
                else:
                    progress.begin(step)
                values: dict[str, float] = {}
                if due(settings.log_every, before, step):
                    # of this dispatch alone: a run that was cut between two lines writes the same ones
                    values = {name: float(np.mean(value, dtype=np.float64)) for name, value in metrics.items()}
                    if settings.optimiser in GRADIENT:
                        values["learning_rate"] = float(schedule(step - 1))
                    values["samples_per_second"] = progress.rate(step) * feed.batch_size

                # ---- evaluate the averaged model
                if due(settings.evaluate_every, before, step):
                    averaged = eqx.combine(jax.device_get(state.ema), frozen, static)
                    values |= _evaluate(averaged, evaluators)
                    if monitor in values and sign * values[monitor] < best:
                        best = sign * values[monitor]
                        if chief:
                            on_best(averaged, step)
                if record and values:
                    record.write(step, {**values, "time": record.elapsed + time.perf_counter() - began})

                # ---- save, and stop where a signal asked for it
                stop = agreed(caught())
                if stop or due(settings.checkpoint_every, before, step):
                    checkpoints.save(step, state, feed_state, values)
                if stop and (step < settings.steps or not last):
                    raise Interrupted(f"stopped by {stop} at update {step}; run the same command again to continue")
                mark = time.perf_counter()
    finally:
        progress.close()
        checkpoints.close()
        if record:
            record.close()
    return eqx.combine(jax.device_get(state.ema), frozen, static)
