"""What is trained one after the other: the phases of a method and the stages of a configuration are both plans."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import jax
from jax.experimental import multihost_utils

from pdejax.core import spelt
from pdejax.data import Batch, Feed
from pdejax.methods import AbstractMethod, Phased
from pdejax.training.callbacks import Callback
from pdejax.training.fit import Evaluator, train
from pdejax.training.guards import in_precision
from pdejax.training.optimisers.choose import build_optimiser, optimiser_for
from pdejax.training.settings import TrainSettings
from pdejax.training.store.models import has_model, load_saved
from pdejax.training.store.sinks import Sink

FIRST_PHASE = "first_phase"  # folder below that of a run
APART = 1 << 20  # between the seeds of stages that shall not see samples in the same order


@spelt
@dataclasses.dataclass(frozen=True)
class Stage:
    """A part of training with a method, settings and samples of its own.

    **Arguments:**

    - `method`, `settings`; `seed`: of its samples.
    - `feed`, `evaluators`: make what it learns from and is measured by, when it begins.
    - `prepare`: the model it begins with, of the one that came out of the stage before.
    - `keep`: which model is saved and goes on: the `best` one by what is monitored, or the `last`.
    - `name`: of its folder below that of the run, "" for the run's own, which the last stage has.
    """

    method: AbstractMethod
    settings: TrainSettings
    seed: int
    feed: Callable[[], Feed]
    evaluators: Callable[[], Sequence[Evaluator]] = tuple
    prepare: Callable[[Any], Any] = lambda model: model
    keep: Literal["best", "last"] = "best"
    name: str = ""

    @property
    def title(self) -> str:
        """What people are told of."""
        optimiser = self.settings.optimiser
        kind = optimiser.get("kind") if isinstance(optimiser, Mapping) else optimiser
        return self.name if self.name == FIRST_PHASE else str(kind)


Save = Callable[[Path, Any, Stage, dict[str, Any]], None]


@spelt
@dataclasses.dataclass(frozen=True)
class Plan:
    """Stages, each of which begins with what the one before has learned.

    **Arguments:** `stages`: at least one; `callbacks`, `sinks`: of all of them, see `train`.
    """

    stages: tuple[Stage, ...]
    callbacks: Sequence[Callback] = ()
    sinks: Sequence[Sink] | None = None

    def check(self, model: Any) -> None:
        """**Raises:** `ValueError` for a stage whose optimiser cannot work, before anything is written or compiled."""
        for stage in self.stages:
            with jax.enable_x64(stage.settings.precision == "float64"):
                optimiser_for(stage.settings, stage.method, _of_precision(model, stage.settings))

    def train(self, model: Any, folder: Path, save: Save, *, show: bool = True) -> Any:
        """Trains all stages, continuing where their folders hold checkpoints.

        **Arguments:** `model`: untrained; `folder`: of the run; `save(folder, model, stage, facts)`: writes a model
        below a folder.

        **Returns:** the model of the last stage, as it is after its last update.
        """
        chief, count = jax.process_index() == 0, len(self.stages)
        for number, stage in enumerate(self.stages, 1):
            below, best, last = folder / stage.name, stage.keep == "best", number == count
            kept: list[int] = []
            if show and chief and count > 1:
                print(f"stage {number} of {count}: {stage.title}", flush=True)
            model = train(
                stage.method,
                stage.prepare(model),
                stage.feed(),
                stage.settings,
                below,
                seed=stage.seed,
                evaluators=stage.evaluators(),
                callbacks=self.callbacks,
                sinks=self.sinks,
                on_best=self._export(stage, below, save, kept) if best else None,
                last=last,
                show=show,
            )
            with in_precision(stage.settings, model) as model:
                model = build_optimiser(stage.settings).finish(model)
            if not best and chief:
                save(folder, model, stage, {"stage": number})
            if best and chief and not kept and not has_model(below):
                why = f"{stage.settings.monitor} was never a number, or model/ was deleted"
                print(f"{below} held no model ({why}): that of the last update is kept", flush=True)
                save(below, model, stage, {"step": stage.settings.steps})
            if best and not last:
                _together(stage.name)  # one process writes, the others wait for it
                model = load_saved(below, plugins=None)  # what this very program has written
        return model

    def _export(self, stage: Stage, below: Path, save: Save, kept: list[int]) -> Callable[[Any, int], None]:
        def export(model: Any, step: int) -> None:
            save(below, model, stage, {"step": step})
            kept.append(step)

        return export


def _of_precision(model: Any, settings: TrainSettings) -> Any:
    is_real = lambda x: hasattr(x, "dtype") and jax.numpy.issubdtype(x.dtype, jax.numpy.floating)
    return jax.tree.map(lambda x: x.astype(settings.precision) if is_real(x) else x, model)


def _together(what: str) -> None:
    if jax.process_count() > 1:
        multihost_utils.sync_global_devices(what)


def phased(
    stage: Stage, feed: Callable[[AbstractMethod, int], Feed], evaluators: Callable[[AbstractMethod], Any],
    batches: Callable[[], Iterable[Batch]],
) -> tuple[Stage, ...]:  # fmt: skip
    """The stages of a method that may train in two phases: one or two.

    **Arguments:** `stage`: of the method as a whole; `feed`, `evaluators`: make those of a phase's method and seed;
    `batches`: held-out data on which the method measures what its second phase begins with.

    **Raises:** `ValueError` if a phase would have no update.
    """
    first = stage.method.first_phase if isinstance(stage.method, Phased) else None
    if first is None:
        return (stage,)
    method, share = first
    before, after = _parts(stage.settings, share)
    seed = stage.seed + APART
    earlier = dataclasses.replace(
        stage, method=method, settings=before, seed=seed, name=FIRST_PHASE,
        feed=lambda: feed(method, seed), evaluators=lambda: evaluators(method),
    )  # fmt: skip
    whole: Any = stage.method
    return (earlier, dataclasses.replace(stage, settings=after, prepare=lambda m: whole.continued(m, batches())))


def _parts(settings: TrainSettings, share: float) -> tuple[TrainSettings, TrainSettings]:
    """The settings of the first phase, which makes this share of the updates, and of the second one.

    Each has the whole shape of the learning rate's schedule.
    """
    unit = min(settings.updates_per_dispatch, settings.steps)
    first = max(unit, round(share * settings.steps / unit) * unit)
    if first >= settings.steps:
        raise ValueError(
            f"train.steps={settings.steps} leave no update after a first phase of {first}: use at least "
            f"{2 * settings.updates_per_dispatch}, or a smaller train.updates_per_dispatch"
        )
    part = lambda steps: dataclasses.replace(
        settings, steps=steps, warmup=int(settings.warmup * steps / settings.steps)
    )
    return part(first), part(settings.steps - first)
