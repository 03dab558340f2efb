"""PDE-Refiner on `ks_toy`: what the studies of its refinements and of its samplers share."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import equinox as eqx

from experiments._kit.study import train_arms

REFINER = ("method=refiner", "method.noise.min_noise_var=1e-6")  # standard deviations 0.1, 0.01, 0.001


def train_toys(words: tuple[str, ...], prefix: str, arms: Mapping[str, tuple[str, ...]], base: Path) -> None:
    """Trains every arm; the names of runs begin with `prefix`."""
    shared = ("experiment=refiner_toy", *words)
    train_arms(shared, {f"{prefix}_{arm}": own for arm, own in arms.items()}, base, evaluated=False)


def with_refinements(operator: Any, count: int) -> Any:
    """The operator that stops after some of its refinements."""
    network = dataclasses.replace(operator.network, levels=operator.network.levels[: count + 1], refine=count > 0)
    return eqx.tree_at(lambda o: o.network, operator, network)
