"""From a configuration to the objects it describes."""

from pathlib import Path
from typing import Any

from pdejax.config import RunConfig
from pdejax.data import Dataset, SplitSize
from pdejax.data import first_difference as first_difference
from pdejax.equations import BoundaryValueProblem, Problem, SteadyProblem, build_problem


def problem_of(config: RunConfig) -> Problem | SteadyProblem | BoundaryValueProblem:
    """The problem to solve."""
    return build_problem(config.problem.spec())


def splits_of(config: RunConfig) -> dict[str, SplitSize]:
    """How much data there is to be."""
    problem: Any = config.problem
    return {name: SplitSize(**size) for name, size in problem.splits.model_dump().items()}


def truth_of(config: RunConfig, problem: Any) -> Any:
    """The solution of a problem stated by its conditions, from `truth.h5` or solved now; None if none is declared."""
    from pdejax.data import progress_bar, stored_truth

    if problem.spec["truth"] is None:
        return None
    with progress_bar(f"solving {problem.name}") as progress:
        return stored_truth(problem, config.data_folder, progress=progress)


def method_of(config: RunConfig) -> Any:
    """The way to learn, with its teacher if it has one.

    **Raises:** `FileNotFoundError` if the teacher does not exist or is not trained.
    """
    from pdejax.core import build
    from pdejax.embedding import load
    from pdejax.methods import Distilled

    method = build("method", config.method.spec())
    return method.taught_by(load(method.teacher)) if isinstance(method, Distilled) else method


def dataset_root(config: RunConfig) -> Path:
    """The folder of the data set; whether it holds what the configuration says is checked when it is opened."""
    return config.data_folder


def dataset_of(config: RunConfig) -> Dataset:
    """The generated data set.

    **Raises:** `ValueError` if it is not there, not complete, or was generated from other settings.
    """
    root = dataset_root(config)
    if not root.exists():
        raise ValueError(f"there is no data set in {root} yet: run `pdejax generate` with the same words first")
    dataset = Dataset.open(root)
    section: Any = config.problem
    recipe = dataset.manifest["recipe"]
    found = {**recipe["problem"], **{name: recipe[name] for name in ("splits", "seed", "tolerance")}}
    data = {"splits": section.splits.model_dump(mode="json"), "seed": section.seed}
    wanted = {**problem_of(config).spec, **data, "tolerance": section.tolerance}
    if key := first_difference(found, wanted):
        raise ValueError(
            f"the data set in {root} was generated with another problem.{key}: "
            "choose another problem.name or data_dir, or delete it and generate it again"
        )
    return dataset
