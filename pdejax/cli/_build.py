"""From a configuration to the objects it describes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pdejax.config import RunConfig
from pdejax.data import Dataset, SplitSize
from pdejax.equations import Problem


def problem_of(config: RunConfig) -> Problem:
    """The problem to solve."""
    return Problem.from_spec(config.problem.spec())


def splits_of(config: RunConfig) -> dict[str, SplitSize]:
    """How much data there is to be."""
    return {name: SplitSize(**size) for name, size in config.problem.splits.model_dump().items()}


def method_of(config: RunConfig) -> Any:
    """The way to learn."""
    from pdejax.methods import build_method

    return build_method(config.method.spec())


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
    recipe, sizes = dataset.manifest["recipe"], config.problem.splits.model_dump(mode="json")
    found = {**recipe["problem"], "splits": recipe["splits"], "seed": recipe["seed"]}
    if key := first_difference(found, {**problem_of(config).spec, "splits": sizes, "seed": config.problem.seed}):
        raise ValueError(
            f"the data set in {root} was generated with another problem.{key}: "
            "choose another problem.name or data_dir, or delete it and generate it again"
        )
    return dataset


def first_difference(found: Mapping[str, Any], wanted: Mapping[str, Any], prefix: str = "") -> str | None:
    """The dotted key of the first value of `wanted` that `found` does not have."""
    for name, value in wanted.items():
        key = f"{prefix}{name}"
        if name not in found:
            return key
        if isinstance(value, Mapping) and isinstance(found[name], Mapping):
            if inner := first_difference(found[name], value, f"{key}."):
                return inner
        elif found[name] != value:
            return key
    return None
