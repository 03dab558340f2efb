"""Training of a field to the equation and conditions of a problem, stage after stage."""

from pathlib import Path
from typing import Any

from pdejax.config import RunConfig

STAGES = "stages"  # folder below that of a run: all stages but the last, which has the run's own
VALID_SEED = 1 << 21


def stage_folders(config: RunConfig) -> list[Path]:
    """Where each stage of a run writes its checkpoints and metrics."""
    parts, folder = config.train.parts(), config.run_folder
    earlier = [folder / STAGES / f"{i:02d}-{part.optimiser}" for i, part in enumerate(parts[:-1], 1)]
    return [*earlier, folder]


def wide(config: RunConfig) -> bool:
    """Whether some stage works in float64."""
    return any(part.precision == "float64" for part in config.train.parts())


def _feed(config: RunConfig, problem: Any, part: Any, seed: int) -> Any:
    from pdejax.core import build
    from pdejax.data import PointFeed

    method: Any = config.method
    sampler = build("points", method.points.model_dump(mode="json"))
    further = {"redraw": method.redraw, "observation_batch": method.observation_batch}
    return PointFeed(problem, sampler, part.batch_size, seed=seed, **further)


def _evaluators(config: RunConfig, problem: Any, method: Any, part: Any) -> list[Any]:
    from pdejax.data import stored_truth
    from pdejax.evaluation import CoordinateValidation
    from pdejax.training import ValidationLoss

    found: list[Any] = [ValidationLoss(method, _feed(config, problem, part, config.seed + VALID_SEED), batches=1)]
    if problem.exact is not None or (config.data_folder / "truth.h5").exists():
        found.append(CoordinateValidation(stored_truth(problem, config.data_folder)))
    return found


def run_field_training(config: RunConfig) -> Path:
    """Fits what a configuration describes; continues where its folder holds checkpoints.

    **Returns:** the run's folder, as of `run_training`; all stages but the last one lie below `stages/`. The saved
    model is that of the last update, not the best by any measure.

    **Raises:** `ValueError` if the folder holds a run with other settings.
    """
    from pdejax.cli._runtime import start

    start(config.train.devices, distributed=config.train.distributed)
    import jax

    with jax.enable_x64(wide(config)):
        return _run(config)


def _run(config: RunConfig) -> Path:
    import jax
    from jax.experimental import multihost_utils

    from pdejax.cli._build import method_of, problem_of
    from pdejax.cli._train import claim, settings_of
    from pdejax.methods import ProblemCard, adapt_field, field_spec, save_model
    from pdejax.training import WEIGHTS, environment, finished, train

    problem: Any = problem_of(config)
    method, card, folder = method_of(config), ProblemCard(problem), config.run_folder
    key = jax.random.fold_in(jax.random.key(config.seed), WEIGHTS)
    model = method.build(config.network.spec(), card, key=key)
    parts = config.train.parts()
    feeds = [_feed(config, problem, part, config.seed) for part in parts]
    if jax.process_index() == 0:
        claim(config, folder)
    if jax.process_count() > 1:
        multihost_utils.sync_global_devices("run folder")  # one process writes, the others wait for it
    stages = config.train.stages or (None,)
    for number, (part, feed, below, stage) in enumerate(
        zip(parts, feeds, stage_folders(config), stages, strict=True), 1
    ):
        if stage is not None and stage.adapt is not None:
            branch = jax.random.fold_in(key, number)
            model = adapt_field(model, **stage.adapt.model_dump(), key=branch)
        if len(parts) > 1:
            print(f"stage {number} of {len(parts)}: {part.optimiser}", flush=True)
        evaluators = _evaluators(config, problem, method, part)
        last = number == len(parts)
        settings = settings_of(part)
        model = finished(
            train(method, model, feed, settings, below, seed=config.seed, evaluators=evaluators, last=last)
        )
        if jax.process_index() == 0:
            metadata = {"run": config.name, "stage": number, "seed": config.seed, **environment()}
            network = field_spec(config.network.spec(), model)
            save_model(
                folder / "model", model, method=config.method.spec(), network=network, card=card, metadata=metadata
            )
    return folder
