"""The training loop: one script, read from top to bottom."""

import dataclasses
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pdejax._interrupt import Interrupted, signals
from pdejax._write import writing
from pdejax.core import Seed, check_arguments, known, spelt
from pdejax.data import TRAIN, ArrayFeed, Feed, Trajectories, WindowOrder, windowed
from pdejax.methods import AbstractMethod, check_made_for, why_unsaved
from pdejax.training.callbacks import Callback
from pdejax.training.guards import check_finite, check_length, check_same, in_precision
from pdejax.training.optimisers.choose import build_optimiser, check_read
from pdejax.training.progress import TrainingProgress
from pdejax.training.settings import TrainSettings
from pdejax.training.sharding import Layout, agreed
from pdejax.training.steps import advance, start
from pdejax.training.store.checkpoint import Checkpoints
from pdejax.training.store.models import built, save
from pdejax.training.store.record import Stopwatch, alone, begun, best_of, kept_lines, plain
from pdejax.training.store.sinks import JsonLines, Sink, TensorBoard
from pdejax.training.validation import ValidationLoss
from pdejax.training.warm_start import warm_start

# branches of a run's key: what is drawn for weights must not be drawn again for samples
WEIGHTS, SAMPLES = 0, 1
VALID_BATCHES = 8

Evaluator = Callable[[Any], Mapping[str, float]]


@spelt
def fit(
    method: AbstractMethod,
    model: Any,
    feed: Feed,
    *,
    steps: int,
    optimiser: Any = "adamw",
    folder: str | Path | None = None,
    initial: Any = None,
    valid: Feed | None = None,
    evaluators: Sequence[Evaluator] = (),
    callbacks: Sequence[Callback] = (),
    sinks: Sequence[Sink] | None = None,
    seed: Seed = 0,
    layout: Layout | None = None,
    show: bool = True,
    **settings: Any,
) -> Any:
    """Trains a model, or a network as the method uses it, and goes on where the folder holds checkpoints.

    **Arguments:**

    - `model`: as built by the method; or a network, a name, mapping or callable module, that the method builds its
        model around for the data of the feed.
    - `steps`: optimiser updates; more of them prolong a run whose learning rate did not depend on their number.
    - `optimiser`: a name, a mapping of its `kind` and options, any `optax.GradientTransformation`, or an `Optimiser`.
    - `folder`: of the run, nothing is written when omitted; `model/` in it holds the best model by `monitor`, or the
        last one where nothing is measured.
    - `initial`: a model or the folder of one that training begins with, wherever paths and shapes agree.
    - `valid`: a feed of held-out data: gives `valid/loss`; `evaluators`: further measures of a model.
    - `callbacks`, `sinks`, `layout`: see `train`; `seed`: of weights and samples.
    - `settings`: further ones of `TrainSettings`; those without effect are refused.

    **Returns:** the model with averaged parameters after the last update.

    **Raises:** `ValueError` for what does not fit together, before anything is compiled or written; `NonFiniteLoss`;
    `Interrupted`.
    """
    if not isinstance(method, AbstractMethod):
        shown = method if isinstance(method, str | type) else type(method).__name__
        raise ValueError(f"fit takes a method as an object, such as pdejax.Supervised(), got {shown!r}")
    check_arguments(fit, {"seed": seed, "callbacks": callbacks})
    for name, one in (("feed", feed), ("valid", valid)):
        _check_feed(name, one)
    for one in callbacks:
        if not callable(one):
            raise ValueError(f"callbacks are functions of the training and its lines, see Callback, got {one!r}")
        monitor = getattr(one, "monitor", None)
        if isinstance(monitor, str) and monitor.startswith(("valid/", "-valid/")) and valid is None and not evaluators:
            raise ValueError(
                f"callback {type(one).__name__} waits for {monitor!r}, which nothing measures: give valid="
            )
    names = [field.name for field in dataclasses.fields(TrainSettings)]
    for name in settings:
        if name not in names:
            raise ValueError(known("setting", name, names))
    check_read(settings, optimiser, settings.get("schedule", "cosine"))
    chosen = TrainSettings(steps=steps, optimiser=optimiser, **settings)
    if method.window == 0 and hasattr(feed, "window"):
        raise ValueError(f"{type(method).__name__} learns from points of a problem, not from trajectories: give the "
                         "feed that method.feed(problem, batch_size) makes, and the model of method.build")  # fmt: skip
    folder, feed = None if folder is None else Path(folder), windowed(feed, method.window)
    if valid is not None:
        evaluators = [ValidationLoss(method, windowed(valid, method.window), batches=VALID_BATCHES), *evaluators]
    with in_precision(chosen, None):
        model = built(method, model, feed, key=jax.random.fold_in(jax.random.key(seed), WEIGHTS))
        if isinstance(source := getattr(valid, "source", None), Trajectories):
            _check_valid(model, source)
        if initial is not None and not begun(folder):
            model, missed = warm_start(model, initial, method.trainable(model))
            for line in missed if show else ():
                print(f"not loaded: {line}")
        if folder is not None and (why := why_unsaved(model)) is not None:
            raise ValueError(f"this model cannot be saved: {why}; leave folder out to train in memory")
        export = lambda best, step: None if folder is None else save(folder, best, {"step": step, "seed": seed})
        further = {"evaluators": evaluators, "callbacks": callbacks, "sinks": sinks, "layout": layout, "show": show}
        if "monitor" in settings and not begun(folder):
            _check_monitor(chosen.monitor.removeprefix("-"), evaluators, model)
        with alone(folder):
            if folder is not None:  # every process asks, so that none waits for one that was refused
                check_same(folder, method, chosen, seed, feed, model)
            model = train(method, model, feed, chosen, folder, seed=seed, on_best=export, **further)
        model = build_optimiser(chosen).finish(model)
        if folder is not None and not evaluators and jax.process_index() == 0:
            save(folder, model, {"step": steps, "seed": seed})
        return jax.tree.map(lambda x: jnp.asarray(x) if isinstance(x, np.ndarray) else x, model)


def _check_feed(name: str, given: Any) -> None:
    if name == "feed" and isinstance(given, ArrayFeed) and TRAIN not in given.source.split_names:
        raise ValueError(f"feed: no split {TRAIN!r}. Known: {', '.join(given.source.split_names)}.")
    if given is None or all(hasattr(given, part) for part in ("batch_size", "init", "next", "fetch")):
        return
    mend = "pdejax.ArrayFeed(data)" if isinstance(given, Trajectories) else "a Feed, such as pdejax.ArrayFeed(states)"
    raise ValueError(f"{name} is what gives batches, got {type(given).__name__}: take {mend}")


def _check_monitor(monitor: str, evaluators: Sequence[Evaluator], model: Any) -> None:
    """Whether the metric that is named is measured; others' evaluators are asked where it is not of the loss."""
    if not evaluators:
        raise ValueError(f"monitor={monitor!r} has no effect, since nothing is measured: give valid= or evaluators=")
    names = [name for one in evaluators if isinstance(one, ValidationLoss) for name in one.names(model)]
    if monitor not in names:
        names += [n for one in evaluators if not isinstance(one, ValidationLoss) for n in one(model)]
    if monitor not in names:
        raise ValueError(known("train.monitor", monitor, names))


def _check_valid(model: Any, source: Trajectories) -> None:
    """Whether what is held out is of the kind that the model learns from; its grid may be another one."""
    try:
        check_made_for(model, source, same_step=True)
    except ValueError as error:
        raise ValueError(f"valid does not go with the data of the feed: {error}") from None


def _evaluate(model: Any, evaluators: Sequence[Evaluator]) -> dict[str, float]:
    return {name: value for evaluator in evaluators for name, value in evaluator(model).items()}


def train(
    method: AbstractMethod,
    model: Any,
    feed: Feed,
    settings: TrainSettings,
    folder: Path | None = None,
    **further: Any,
) -> Any:
    """`train_here` in the precision of the settings; a model of the other precision is converted first.

    **Raises:** as `train_here`; `WriteError` where there is no room for what it writes.
    """
    with in_precision(settings, model) as model, writing(folder):
        return train_here(method, model, feed, settings, folder, **further)


def train_here(
    method: AbstractMethod,
    model: Any,
    feed: Feed,
    settings: TrainSettings,
    folder: Path | None = None,
    *,
    seed: int = 0,
    evaluators: Sequence[Evaluator] = (),
    callbacks: Sequence[Callback] = (),
    sinks: Sequence[Sink] | None = None,
    layout: Layout | None = None,
    on_best: Callable[[Any, int], None] | None = None,
    last: bool = True,
    show: bool = True,
) -> Any:
    """Trains `model` by `method` on batches of `feed`; continues from the newest checkpoint below `folder`.

    **Arguments:**

    - `model`: as built by the method; its trainable leaves are optimised, everything else is carried along.
    - `folder`: of the run: `checkpoints/` and `metrics.jsonl` are written below it; nothing is when omitted.
    - `seed`: of all randomness in training; sample `row` uses `fold_in(fold_in(key(seed), SAMPLES), row)`.
    - `evaluators`: called with the averaged model every `evaluate_every` updates; they give named numbers.
    - `callbacks`: called whenever metrics were measured; one may end the training.
    - `sinks`: told of all metrics beside `metrics.jsonl`; TensorBoard's files in the folder when omitted.
    - `layout`: where arrays live, see `start`.
    - `on_best`: called with the averaged model and the step whenever `settings.monitor` reached a new minimum.
    - `last`: whether nothing follows: only then may a finished training be made longer, see `check_length`.
    - `show`: whether to report progress.

    **Returns:** the model with averaged parameters after the last update.

    **Raises:** `NonFiniteLoss`; `Interrupted` after SIGTERM or SIGINT, with the state saved; `ValueError` for
    settings that do not fit each other.
    """
    # ---- model and optimiser on the devices, the update ready to be compiled
    key = jax.random.fold_in(jax.random.key(seed), SAMPLES)
    training = start(method, model, feed, settings, key=key, layout=layout)

    # ---- resume: newest readable checkpoint with the feed's position, then the record is cut back to it
    monitor, sign = settings.monitor.removeprefix("-"), -1.0 if settings.monitor.startswith("-") else 1.0
    checkpoints, restored = None, None
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        checkpoints = Checkpoints(folder / "checkpoints", monitor, sign)
        restored = checkpoints.restore(training.state, training.layout.shardings(training.state))
    if restored is not None:
        training.go_to(*restored)
    first, chief, steps = training.step, jax.process_index() == 0, settings.steps
    untrained = _evaluate(model, evaluators) if restored is None and evaluators else {}
    if untrained and monitor not in untrained:
        raise ValueError(known("train.monitor", monitor, untrained))
    lines: list[dict[str, Any]] = []
    records: list[Sink] = []
    if folder is not None and chief:
        check_length(folder, method, settings, last, first)
        lines = kept_lines(folder / "metrics.jsonl", -1 if restored is None else first)
        records = [JsonLines(), *([TensorBoard()] if sinks is None else sinks)]
    elif chief:
        records = [*(sinks or ())]
    for record in records:
        record.open(folder, -1 if restored is None else first)
    best = best_of(lines, monitor, sign)

    def note(step: int, values: Mapping[str, float]) -> None:
        lines.append({"step": step, **plain(values)})
        for record in records:
            record.write(step, plain(values))

    progress = TrainingProgress(steps, first, feed.batch_size, show=show and chief)
    if checkpoints and checkpoints.passed:
        damaged = ", ".join(map(str, checkpoints.passed))
        said = f"damaged and passed over: the checkpoint of update {damaged} in {folder}"
        progress.say(said) if show else warnings.warn(said, stacklevel=2)
    order = getattr(feed, "order", None)
    if isinstance(order, WindowOrder) and feed.batch_size > len(order):
        progress.say(f"a batch of {feed.batch_size} has windows more than once: the data hold {len(order)} of them")
    if first:
        progress.say(f"continuing at update {first} of {steps}")
    if untrained:
        note(0, untrained)
    due = lambda every, before, now: now // every > before // every or now == steps
    over = lambda: next((why for ask in callbacks if (why := ask(training, lines)) is not None), None)
    enough = agreed(over()) if callbacks and first else None

    with signals() as caught:
        try:
            watch, mark = Stopwatch(lines), time.perf_counter()
            while training.step < steps and enough is None:
                # ---- dispatch: several updates in one call; the next items are made while the devices work
                before, step = training.step, min(training.step + settings.updates_per_dispatch, steps)
                metrics = advance(training, step - before, min(settings.updates_per_dispatch, steps - step))

                # ---- check and log
                metrics = jax.tree.map(np.asarray, metrics)
                check_finite(step, metrics, settings, checkpoints.newest if checkpoints else None)
                now = time.perf_counter()
                if before > first:  # the first dispatch compiles
                    progress.advance(step, metrics, now - mark, training.counts)
                else:
                    progress.begin(step)
                values: dict[str, float] = {}
                if due(settings.log_every, before, step):
                    # of this dispatch alone: a run that was cut between two lines writes the same ones
                    values = {name: float(np.mean(value, dtype=np.float64)) for name, value in metrics.items()}
                    if training.schedule is not None:
                        values["learning_rate"] = float(training.schedule(step - 1))
                    values["samples_per_second"] = progress.rate(step) * feed.batch_size
                    values |= training.counts

                # ---- evaluate the averaged model
                if due(settings.evaluate_every, before, step):
                    averaged = training.model
                    values |= _evaluate(averaged, evaluators)
                    if monitor in values and sign * values[monitor] < best:
                        best = sign * values[monitor]
                        if on_best and chief:
                            on_best(averaged, step)
                if values:
                    note(step, {**values, **watch.read()})

                # ---- save, and stop where a signal or a callback asks for it
                enough = agreed(over()) if callbacks and values else None
                stop = agreed(caught())
                if checkpoints and (stop or enough or due(settings.checkpoint_every, before, step)):
                    checkpoints.save(step, training.state, training.position, values)
                if stop:
                    on = "nothing is kept: give folder= to be able to go on"
                    on = on if folder is None else "run the same command again to continue"
                    raise Interrupted(f"stopped by {stop} at update {step}; {on}")
                mark = time.perf_counter()
            if enough is not None:
                progress.say(f"ended at update {training.step} of {steps}: {enough}")
        finally:
            progress.close()
            training.close()
            if checkpoints:
                checkpoints.close()
            for record in records:
                record.close()
    return training.model
