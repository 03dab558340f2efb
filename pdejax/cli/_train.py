"""`pdejax train`."""

import argparse
import dataclasses
import json
from pathlib import Path
from typing import Any

from pdejax.cli._config import configs_of, printed
from pdejax.config import RunConfig, TrainConfig, read_run

FIRST_PHASE = "first_phase"  # folder below that of a run
FIRST_SEED = 1 << 20
VALID_BATCHES = 8
INTERRUPTED = 75  # EX_TEMPFAIL of sysexits.h: schedulers take it for "run me again"


def run(arguments: argparse.Namespace) -> int:
    """Trains each configuration, or continues it."""
    configs = configs_of(arguments)
    if printed(arguments, configs):
        return 0
    from pdejax.training import Interrupted

    for number, config in enumerate(configs, 1):
        if len(configs) > 1:
            print(f"run {number} of {len(configs)}: {config.name}")
        try:
            folder = _train(config)
        except Interrupted as stopped:
            print(f"pdejax: {stopped}")
            return INTERRUPTED
        print(f"{folder}: trained; `pdejax evaluate {folder}` judges it")
    return 0


def _train(config: RunConfig) -> Path:
    if not config.problem.stated:
        return run_training(config)
    from pdejax.cli._train_field import run_field_training

    return run_field_training(config)


def _begun(folder: Path) -> bool:
    """Whether anything was trained that could be mixed up."""
    earlier = (FIRST_PHASE, "stages/*")
    return any(any(folder.glob(f"{below}/checkpoints/*")) for below in (".", *earlier))


def claim(config: RunConfig, folder: Path) -> None:
    """Writes the resolved configuration, or checks that the run to continue has the same one."""
    from pdejax.core import write_text

    path = folder / "config.yaml"
    if not path.exists() or not _begun(folder):
        write_text(path, config.to_yaml())
        return
    from pdejax.cli._build import first_difference

    wanted, found = config.model_dump(mode="json"), read_run(path).model_dump(mode="json")
    # where things lie and how a finished run is judged may change; what determines the weights may not
    for free in ("data_dir", "runs_dir", "evaluation"):
        wanted.pop(free)
        found.pop(free)
    if key := first_difference({"run": found}, {"run": wanted}):
        key = key.removeprefix("run.")
        raise ValueError(
            f"{folder} is a run with another {key}: continue it with the words it was started with, "
            "or choose another name=..."
        )


def _provenance(folder: Path, data: dict[str, str]) -> None:
    """Notes which data and which environment a run began with; refuses to continue on other data."""
    from pdejax.core import write_text
    from pdejax.training import environment

    path = folder / "data.json"
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else data
    if known["fingerprint"] != data["fingerprint"] and _begun(folder):
        raise ValueError(
            f"{folder} was trained on a data set of fingerprint {known['fingerprint'][:12]}, {data['root']} now holds "
            f"{data['fingerprint'][:12]}: generate the old one again, or choose another name=..."
        )
    write_text(path, json.dumps(data, indent=1) + "\n")
    history = folder / "environment.json"
    before = json.loads(history.read_text(encoding="utf-8")) if history.exists() else []
    now = environment()
    if not before or before[-1] != now:
        write_text(history, json.dumps([*before, now], indent=1) + "\n")


def settings_of(section: TrainConfig) -> Any:
    """The loop's settings, of the section `train` or of a stage."""
    from pdejax.training import TrainSettings

    plain = section.model_dump()
    plain["devices"] = None if plain["devices"] == "auto" else plain["devices"]
    names = {f.name for f in dataclasses.fields(TrainSettings)}
    return TrainSettings(**{k: v for k, v in plain.items() if k in names})


def _phases(settings: Any, share: float) -> tuple[Any, Any]:
    """The settings of the first phase, which makes this share of the updates, and of the second one.

    Each has the whole shape of the learning rate's schedule.
    """
    unit = min(settings.updates_per_dispatch, settings.steps)
    first = max(unit, round(share * settings.steps / unit) * unit)
    part = lambda steps: dataclasses.replace(
        settings, steps=steps, warmup=int(settings.warmup * steps / settings.steps)
    )
    if first >= settings.steps:
        raise ValueError(
            f"train.steps={settings.steps} leave no update after a first phase of {first}: use at least "
            f"{2 * settings.updates_per_dispatch}, or a smaller train.updates_per_dispatch"
        )
    return part(first), part(settings.steps - first)


def run_training(config: RunConfig) -> Path:
    """Trains what a configuration describes; continues if its folder holds checkpoints.

    **Returns:** the run's folder: `config.yaml`, `environment.json`, `data.json`, `metrics.jsonl`, `tensorboard/`,
    `checkpoints/`, and the best model so far in `model/`; a method that trains in two phases has all but the first
    two of the first phase below `first_phase/`.

    **Raises:** `ValueError` if the folder holds a run with other settings, or the data set does not fit.
    """
    from pdejax.cli._runtime import start

    start(config.train.devices, distributed=config.train.distributed)
    import jax
    from jax.experimental import multihost_utils

    from pdejax.cli._build import dataset_of, method_of
    from pdejax.data import batches_of, choose_feed
    from pdejax.evaluation import RolloutValidation
    from pdejax.methods import DataCard, first_phase, load_model, save_model
    from pdejax.training import WEIGHTS, ValidationLoss, environment, train

    folder, dataset, method = config.run_folder, dataset_of(config), method_of(config)
    settings = settings_of(config.train)

    card, network = DataCard.of(dataset), config.network.spec()
    key = jax.random.fold_in(jax.random.key(config.seed), WEIGHTS)
    size, kind = config.train.batch_size, config.train.feed
    count, steps = config.valid_rollout
    rollout = RolloutValidation(
        dataset, trajectories=count, steps=steps, history=config.method.history, key=jax.random.key(config.seed)
    )
    valid = choose_feed(dataset.split("valid"), method.window, size, seed=config.seed, kind=kind)

    def fit(phase: Any, model: Any, settings: Any, *, first: bool = False) -> None:
        below = folder / FIRST_PHASE if first else folder
        seed = config.seed + (FIRST_SEED if first else 0)  # no phase sees the samples of the other in the same order

        def export(best: Any, step: int) -> None:
            metadata = {"run": config.name, "step": step, "seed": config.seed, **environment()}
            save_model(below / "model", best, metadata)

        train(
            phase,
            model,
            choose_feed(dataset.split("train"), phase.window, size, seed=seed, kind=kind),
            settings,
            below,
            seed=seed,
            evaluators=[ValidationLoss(phase, valid, batches=VALID_BATCHES), rollout],
            on_best=export,
            last=not first,
        )

    first = first_phase(method)
    parts = _phases(settings, first[1]) if first else (settings, settings)
    model = (first[0] if first else method).build(network, card, key=key)
    # everything fits together: only now the run gets its folder
    if jax.process_index() == 0:
        claim(config, folder)
        _provenance(folder, {"root": str(dataset.root), "fingerprint": dataset.fingerprint})
    if jax.process_count() > 1:
        multihost_utils.sync_global_devices("run folder")  # one process writes, the others wait for it
    if first:
        fit(first[0], model, parts[0], first=True)
        if jax.process_count() > 1:
            multihost_utils.sync_global_devices("first phase")
        model = method.continued(load_model(folder / FIRST_PHASE / "model"), batches_of(valid, VALID_BATCHES))
    fit(method, model, parts[1])
    return folder
