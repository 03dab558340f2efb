"""From a configuration to the objects it describes."""

from pathlib import Path
from typing import Any

from pdejax.config import RunConfig
from pdejax.data import Dataset, Recipe
from pdejax.data import first_difference as first_difference
from pdejax.equations import BoundaryValueProblem


def problem_of(config: RunConfig) -> BoundaryValueProblem:
    """The problem to solve, of one that is stated by its conditions."""
    section: Any = config.problem
    return BoundaryValueProblem.from_spec(section.spec())


def recipe_of(config: RunConfig) -> Recipe:
    """The family to solve, by what, and how much of it."""
    return Recipe.of(config.problem.model_dump(mode="json"))


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
    content = lambda recipe: {k: v for k, v in recipe.items() if k not in ("shard_size", "batch_size")}
    if key := first_difference(content(dataset.manifest["recipe"]), content(recipe_of(config).plain)):
        raise ValueError(
            f"the data set in {root} was generated with another {key}: "
            "choose another problem.name or data_dir, or delete it and generate it again"
        )
    return dataset
