"""From a configuration to the run it describes."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax

from pdejax.cli._build import dataset_of, method_of, problem_of
from pdejax.config import RunConfig, TrainConfig, read_run
from pdejax.core import build
from pdejax.data import PointFeed, batches_of, choose_feed, stored_truth
from pdejax.evaluation import CoordinateValidation, RolloutValidation
from pdejax.methods import DataCard, ProblemCard, adapt_field, save_model
from pdejax.training import (
    APART,
    MODEL,
    VALID_BATCHES,
    WEIGHTS,
    Plan,
    Run,
    Stage,
    TrainSettings,
    ValidationLoss,
    check_read,
    environment,
    phased,
)

VALID_SEED = 1 << 21


def wide(config: RunConfig) -> bool:
    """Whether some stage works in float64."""
    return any(part.precision == "float64" for part in config.train.parts())


def settings_of(section: TrainConfig) -> TrainSettings:
    """The loop's settings, of the section `train` or of a stage."""
    plain = section.model_dump()
    names = {field.name for field in dataclasses.fields(TrainSettings)}
    chosen = {name: value for name, value in plain.items() if name in names}
    chosen["devices"] = None if plain["devices"] == "auto" else plain["devices"]
    chosen["optimiser"] = {"kind": plain["optimiser"], **plain["options"]}
    return TrainSettings(**chosen)


def run_of(config: RunConfig) -> Run:
    """The run, its data opened and its model untrained, with nothing compiled or written.

    **Raises:** `ValueError` for words that do not fit each other or have no effect, or a data set that does not fit.
    """
    for number, stage in enumerate(config.train.stages):
        try:
            check_read(stage.model_dump(), config.train.parts()[number].optimiser)
        except ValueError as error:
            raise ValueError(f"train.stages.{number}.{error}") from None
    return _of_points(config) if config.problem.stated else _of_trajectories(config)


def _named(config: RunConfig) -> list[str]:
    """The folders of all stages: the last one has the run's own."""
    parts = config.train.parts()
    return [*(f"stages/{i:02d}-{part.optimiser}" for i, part in enumerate(parts[:-1], 1)), ""]


def _run(config: RunConfig, plan: Plan, model: Any, save: Any, data: dict[str, str] | None = None) -> Run:
    earlier = lambda path: read_run(path).model_dump(mode="json")
    words = config.model_dump(mode="json")
    return Run(config.run_folder, plan, model, words, config.to_yaml(), earlier, save, data)


def _metadata(config: RunConfig) -> dict[str, Any]:
    return {"run": config.name, "seed": config.seed, **environment()}


# ---- models that learn from trajectories


def _of_trajectories(config: RunConfig) -> Run:
    dataset, method = dataset_of(config), method_of(config)
    card, network = DataCard.of(dataset), config.network.spec()
    size, kind = config.train.batch_size, config.train.feed
    count, steps = config.valid_rollout
    rollout = RolloutValidation(
        dataset, trajectories=count, steps=steps, history=config.method.history, key=jax.random.key(config.seed)
    )
    valid = choose_feed(dataset.split("valid"), method.window, size, seed=config.seed, kind=kind)
    feed = lambda method, seed: choose_feed(dataset.split("train"), method.window, size, seed=seed, kind=kind)
    evaluators = lambda method: [ValidationLoss(method, valid, batches=VALID_BATCHES), rollout]

    stages, names = [], _named(config)
    for number, (part, name) in enumerate(zip(config.train.parts(), names, strict=True)):
        if config.train.stages and config.train.stages[number].adapt is not None:
            raise ValueError(f"train.stages.{number}.adapt is for network=gaussians")
        seed = config.seed + APART * (len(names) - 1 - number)
        make = lambda seed=seed: feed(method, seed)
        stages.append(Stage(method, settings_of(part), seed, make, lambda: evaluators(method), name=name))
    if len(stages) == 1:
        stages = list(phased(stages[0], feed, evaluators, lambda: batches_of(valid, VALID_BATCHES)))
    elif len(phased(stages[-1], feed, evaluators, tuple)) > 1:
        raise ValueError(f"train.stages: method {config.method.kind!r} trains in two phases by itself")

    def save(folder: Path, model: Any, stage: Stage, facts: dict[str, Any]) -> None:
        save_model(folder / MODEL, model, {**_metadata(config), **facts})

    key = jax.random.fold_in(jax.random.key(config.seed), WEIGHTS)
    model = stages[0].method.build(network, card, key=key)
    data = {"root": str(dataset.root), "fingerprint": dataset.fingerprint}
    return _run(config, Plan(tuple(stages)), model, save, data)


# ---- fields that learn from an equation and its conditions


def _of_points(config: RunConfig) -> Run:
    if config.train.feed != "auto":
        raise ValueError(f"train.feed={config.train.feed} has no effect: points are drawn on the device, problem "
                         f"{config.problem.name!r} has no data set")  # fmt: skip
    problem: Any = problem_of(config)
    method, card = method_of(config), ProblemCard(problem)
    key = jax.random.fold_in(jax.random.key(config.seed), WEIGHTS)
    model = method.build(config.network.spec(), card, key=key)
    parts = config.train.parts()
    feeds = [_points(config, problem, part, config.seed) for part in parts]

    def measures(part: TrainConfig) -> Sequence[Any]:
        held_out = _points(config, problem, part, config.seed + VALID_SEED)
        found: list[Any] = [ValidationLoss(method, held_out, batches=1)]
        if problem.exact is not None or (config.data_folder / "truth.h5").exists():
            found.append(CoordinateValidation(stored_truth(problem, config.data_folder)))
        return found

    stages = tuple(
        Stage(
            method, settings_of(part), config.seed, lambda feed=feed: feed, lambda part=part: measures(part),
            prepare=_adapted(config, number, jax.random.fold_in(key, number + 1)), keep="last", name=name,
        )
        for number, (part, feed, name) in enumerate(zip(parts, feeds, _named(config), strict=True))
    )  # fmt: skip

    def save(folder: Path, model: Any, stage: Stage, facts: dict[str, Any]) -> None:
        save_model(folder / MODEL, model, {**_metadata(config), **facts})

    return _run(config, Plan(stages), model, save)


def _points(config: RunConfig, problem: Any, part: TrainConfig, seed: int) -> Any:
    method: Any = config.method
    sampler = build("points", method.points.model_dump(mode="json"))
    further = {"redraw": method.redraw, "observation_batch": method.observation_batch}
    return PointFeed(problem, sampler, part.batch_size, seed=seed, **further)


def _adapted(config: RunConfig, number: int, key: Any) -> Callable[[Any], Any]:
    """How a stage changes the field it begins with."""
    change = config.train.stages[number].adapt if config.train.stages else None
    return lambda model: model if change is None else adapt_field(model, **change.model_dump(), key=key)
