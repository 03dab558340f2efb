"""Runs by their folders, and the data that they are measured on."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from pdejax.config import ConfigError, RunConfig, read_run

TRAINED = ("network", "method", "train", "name", "runs_dir", "experiment")  # words that made a run, and judge none
OF_TRAINING = ("evaluation.valid_trajectories", "evaluation.valid_steps")


def run_config(folder: Path, words: list[str], plugins: Collection[str] = ()) -> RunConfig:
    """The configuration of a run, whose words may name code of these packages only.

    **Raises:** `ConfigError` for words that an evaluation does not read; `FileNotFoundError` if the folder holds none,
    with the nearest name beside it.
    """
    path = folder / "config.yaml"
    if not path.exists():
        from pdejax.core import suggestion

        if "=" in folder.name:
            raise ConfigError(f"{folder}: first comes the folder of a run, such as runs/NAME, and words after it")

        beside = [p.parent.name for p in folder.parent.glob("*/config.yaml")] if folder.parent.is_dir() else []
        what = f"{folder} is not a run: it holds no config.yaml" if folder.exists() else f"{folder} does not exist"
        raise FileNotFoundError(f"{what}.{suggestion(folder.name, beside)}")
    for text in words:
        key = text.partition("=")[0].strip("+~")
        if (head := key.split(".")[0]) in TRAINED:
            raise ConfigError(f"{text}: a run is judged as it was trained, so that {head} has no effect: an evaluation "
                              "reads evaluation.KEY=, problem.KEY=, data=, data_dir= and seed=")  # fmt: skip
        if key in OF_TRAINING:
            own = key.removeprefix("evaluation.valid_")
            raise ConfigError(f"{text}: {key} is about rollouts that are measured while a run is trained, and has no "
                              f"effect here: evaluation.{own} is that of an evaluation")  # fmt: skip
    from pdejax.core import only_plugins

    with only_plugins(plugins):
        return read_run(path, words)


def data_of(config: RunConfig) -> Any:
    """What a run's model is measured on: its data set, or the known solution of a problem stated by its conditions."""
    from pdejax.config._assemble import dataset_of, problem_of, truth_of

    return truth_of(config, problem_of(config)) if config.stated else dataset_of(config)


def check_alike(configs: Mapping[str, RunConfig]) -> None:
    """Whether all runs learned the same kind of thing, asked before any of their data are opened.

    **Raises:** `ValueError` that names the first run of another kind.
    """
    told = {True: "a field of one solution", False: "a solver of a family of states"}
    (first, config), *others = configs.items()
    for name, other in others:
        if other.stated != config.stated:
            raise ValueError(f"run {first!r} learned {told[config.stated]}, run {name!r} {told[other.stated]}: they "
                             "share no truth, compare each with its like")  # fmt: skip


def common_data(configs: Mapping[str, RunConfig]) -> Any:
    """The data of all runs, which are of one kind, see `check_alike`.

    **Raises:** `ValueError` that names the run whose data are others, and what differs.
    """
    from pdejax.config._assemble import first_difference, problem_of
    from pdejax.core import describe

    (first, config), *others = configs.items()
    for name, other in others if config.stated else ():  # the truth may have to be solved for: that comes last
        if key := first_difference(describe(problem_of(other)), describe(problem_of(config))):
            raise ValueError(f"run {name!r} solves another problem than run {first!r}: they differ in {key}")
    data = data_of(config)
    for name, other in others if not config.stated else ():
        mine = data_of(other)
        if mine.fingerprint != data.fingerprint:
            told = [getattr(one, "manifest", {}) for one in (mine, data)]
            where = [getattr(one, "root", one.name) for one in (mine, data)]
            raise ValueError(
                f"runs are compared on the same truth, but run {name!r} has the data set {where[0]} and run "
                f"{first!r} has {where[1]}: they differ in {first_difference(*told) or 'their numbers'}"
            )
    return data
