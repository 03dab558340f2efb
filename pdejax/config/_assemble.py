"""From a configuration to the objects it describes, and the run they make."""

import functools
import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import numpy as np

from pdejax.config._fits import known_frames
from pdejax.config._online import online_feed, simulated_of
from pdejax.config._resolve import read_run
from pdejax.config._run import RunConfig
from pdejax.config._train import STORED, TrainConfig, settings_of
from pdejax.config._types import Section
from pdejax.core import build, sha256
from pdejax.data import (
    Dataset,
    Recipe,
    Trajectories,
    batches_of,
    choose_feed,
    first_difference,
    open_data,
    progress_bar,
    read_observations,
    stored_truth,
)
from pdejax.embedding import load
from pdejax.equations import BoundaryValueProblem
from pdejax.evaluation import CoordinateValidation, RolloutValidation, judge
from pdejax.methods import DataCard, Distilled, ProblemCard, adapt_field, save_model
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


# ---- what is solved


def problem_of(config: RunConfig) -> BoundaryValueProblem:
    """The problem to solve, of one that is stated by its conditions."""
    return build("problem", {"kind": "boundary_value", **config.problem.spec()})


def recipe_of(config: RunConfig) -> Recipe:
    """The family to solve, by what, and how much of it."""
    return Recipe.of(config.problem.spec())


def truth_of(config: RunConfig, problem: Any) -> Any:
    """The solution of a problem stated by its conditions, from `truth.h5` or solved now; None if none is declared."""
    if problem.truth is None:
        return None
    with progress_bar(f"solving {problem.name}") as progress:
        return stored_truth(problem, config.data_folder, progress=progress)


def dataset_of(config: RunConfig) -> Trajectories:
    """The generated data set, or the data that were given.

    **Raises:** `ValueError` if it is not there, not complete, or was generated from other settings.
    """
    root = config.data_folder
    if config.data is not None:
        return open_data(root)
    if not root.exists():
        raise ValueError(f"there is no data set in {root} yet: run `pdejax generate` with the same words first")
    dataset = Dataset.open(root)
    content = lambda recipe: {k: v for k, v in recipe.items() if k not in ("shard_size", "batch_size")}
    if key := first_difference(content(dataset.manifest["recipe"]), content(recipe_of(config).plain)):
        raise ValueError(
            f"the data set in {root} was generated with another {_in_words(key)}: "
            "choose another problem.name or data_dir, or delete it and generate it again"
        )
    return dataset


def _in_words(key: str) -> str:
    """Where a configuration says what stands at a key of a recipe."""
    for stored, said in (
        ("family.times", "time"),
        ("family.draws", "initial"),
        ("family.", ""),
        ("simulator", "solver"),
    ):
        if key.startswith(stored):
            return f"problem.{said}{key.removeprefix(stored)}"
    return f"problem.{key}"


# ---- how it is learned


def method_of(config: RunConfig) -> Any:
    """The way to learn, with its teacher if it has one.

    **Raises:** `FileNotFoundError` if the teacher does not exist or is not trained.
    """
    method = build("method", config.method.spec())
    if not isinstance(method, Distilled):
        return method
    teacher: Any = load(method.teacher)
    return method.taught_by(teacher)


def in_double(config: RunConfig) -> bool:
    """Whether some stage works in float64."""
    return any(settings_of(part).precision == "float64" for part in config.train.parts())


def run_of(config: RunConfig) -> Run:
    """The run, its data opened and its model untrained, with nothing compiled or written.

    **Raises:** `ValueError` for words that do not fit each other or have no effect, or a data set that does not fit.
    """
    for number, (stage, part) in enumerate(zip(config.train.stages, config.train.parts(), strict=False)):
        settings = settings_of(part)
        try:
            check_read(stage.model_dump(), settings.optimiser, settings.schedule)
        except ValueError as error:
            raise ValueError(f"train.stages.{number}.{error}") from None
    return _of_points(config) if config.stated else _of_trajectories(config)


def _folders(config: RunConfig) -> list[str]:
    """The folders of all stages: the last one has the run's own."""
    parts = config.train.parts()
    return [*(f"stages/{i:02d}-{_kind(settings_of(part))}" for i, part in enumerate(parts[:-1], 1)), ""]


def _kind(settings: TrainSettings) -> str:
    return settings.optimiser if isinstance(settings.optimiser, str) else settings.optimiser["kind"]


def _run(config: RunConfig, stages: Sequence[Stage], model: Any, **further: Any) -> Run:
    made = lambda group, parts: [build(group, one.spec() if isinstance(one, Section) else one) for one in parts]
    callbacks, sinks = made("callback", config.train.callbacks), made("sink", config.train.sinks)
    plan = Plan(tuple(stages), callbacks=callbacks, sinks=sinks)

    def save(folder: Path, model: Any, stage: Stage, facts: Mapping[str, Any]) -> None:
        save_model(folder / MODEL, model, {"run": config.name, "seed": config.seed, **environment(), **facts})

    earlier = lambda path: read_run(path).model_dump(mode="json")
    words = config.model_dump(mode="json")
    return Run(
        config.run_folder, plan, model, words, config.to_yaml(), earlier, save, initial=config.initial, **further
    )


# ---- models that learn from trajectories


def _of_trajectories(config: RunConfig) -> Run:
    dataset, method = dataset_of(config), method_of(config)
    size, source = config.train.batch_size, simulated_of(config)
    kind = config.train.feed if source is None else STORED[0]
    needed = ("train", "valid") if source is None else ("valid",)
    if missing := [name for name in needed if name not in dataset.split_names]:
        how = "name the arrays so, or give one array, which is divided"
        if config.problem is not None:
            how = f"add problem.splits.{missing[0]}, or name one of problem.splits so, and generate again"
        raise ValueError(f"{config.data_folder}: a training learns from the split 'train' and is measured on 'valid'; "
                         f"{' and '.join(map(repr, missing))} is missing, found "
                         f"{', '.join(dataset.split_names)}: {how}")  # fmt: skip
    valid = choose_feed(dataset.split("valid"), method.window, size, seed=config.seed, kind=kind)
    history = known_frames(method)
    count, steps = valid_rollout(config, dataset.split("valid"), history)
    key = jax.random.key(config.seed)
    rollout = RolloutValidation(dataset, trajectories=count, steps=steps, history=history, key=key)

    def feed(method: Any, seed: int) -> Any:
        if source is not None:
            return online_feed(config, source, method, seed)
        return choose_feed(dataset.split("train"), method.window, size, seed=seed, kind=kind)

    evaluators = lambda method: [ValidationLoss(method, valid, batches=VALID_BATCHES), rollout]

    stages, names = [], _folders(config)
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

    key = jax.random.fold_in(jax.random.key(config.seed), WEIGHTS)
    model = stages[0].method.build(config.network.spec(), DataCard.of(source or dataset, method), key=key)
    data = {"root": str(config.data_folder), "fingerprint": dataset.fingerprint}
    return _run(config, stages, model, data=data, files=_taught(method))


def _taught(method: Any) -> dict[str, str]:
    """The teacher of a method that has one: its weights determine those of the student."""
    if not isinstance(method, Distilled):
        return {}
    sum_ = hashlib.sha256()
    for array in jax.tree.leaves(eqx.filter(method.stepper, eqx.is_array)):
        sum_.update(np.ascontiguousarray(array).tobytes())
    return {f"method.teacher={method.teacher}": sum_.hexdigest()}


def valid_rollout(config: RunConfig, split: Any, history: int) -> tuple[int, int]:
    """Trajectories and steps of the rollout measured during training: as wished, as far as the split goes."""
    wanted = config.evaluation
    return min(wanted.valid_trajectories, len(split)), min(wanted.valid_steps, split.frames - history)


# ---- fields that learn from an equation and its conditions


def _of_points(config: RunConfig) -> Run:
    if config.train.feed != STORED[0]:
        named = config.train.feed if config.train.online is None else config.train.online["kind"]
        raise ValueError(f"train.feed={named} has no effect: points are drawn on the device, problem "
                         f"{config.problem.name!r} has no data set")  # fmt: skip
    problem, method = problem_of(config), method_of(config)
    key = jax.random.fold_in(jax.random.key(config.seed), WEIGHTS)
    model = method.build(config.network.spec(), ProblemCard(problem), key=key)
    parts = config.train.parts()
    points = lambda part, seed: method.feed(problem, part.batch_size, seed=seed)

    @functools.cache
    def error() -> CoordinateValidation | None:
        solved = problem.truth is not None and (config.data_folder / "truth.h5").exists()
        known = problem.exact is not None or solved
        return CoordinateValidation(stored_truth(problem, config.data_folder)) if known else None

    def measures(part: TrainConfig) -> Sequence[Any]:
        loss = ValidationLoss(method, points(part, config.seed + VALID_SEED), batches=1)
        return [loss] if error() is None else [loss, error()]

    stages = tuple(
        Stage(
            method, settings_of(part), config.seed, lambda part=part: points(part, config.seed),
            lambda part=part: measures(part),
            prepare=_adapted(config, number, jax.random.fold_in(key, number + 1)), keep="last", name=name,
        )
        for number, (part, name) in enumerate(zip(parts, _folders(config), strict=True))
    )  # fmt: skip
    return _run(config, stages, model, judge=lambda model: judge(model, error()), files=_observed(problem))


def _observed(problem: BoundaryValueProblem) -> dict[str, str]:
    """The file of measured values, if there is one; read once, so that a mistake in it is told before a run begins."""
    path = problem.observations
    if path is None:
        return {}
    read_observations(path, problem.domain, problem.fields)
    return {f"problem.observations.path={path}": sha256(Path(path))}


def _adapted(config: RunConfig, number: int, key: Any) -> Callable[[Any], Any]:
    """How a stage changes the field it begins with."""
    change = config.train.stages[number].adapt if config.train.stages else None
    return lambda model: model if change is None else adapt_field(model, **change.model_dump(), key=key)
