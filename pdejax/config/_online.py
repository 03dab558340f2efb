"""Feeds that solve the problem as training goes on."""

from typing import Any

from pdejax.config._run import RunConfig
from pdejax.core import build
from pdejax.data import Recipe, Simulated, windowed


def simulated_of(config: RunConfig) -> Simulated | None:
    """What is solved as training goes on; none where batches are of what is stored.

    Its frames are those of the split `train`, which need not be there, or else of `valid`.

    **Raises:** `ValueError` where there is no family to solve.
    """
    if config.train.online is None:
        return None
    if config.problem is None or config.stated:
        why = "data were given, and nothing says what they solve" if config.problem is None else "points are drawn"
        kind = config.train.online["kind"]
        raise ValueError(f"feed {kind!r} solves a family of problems as training goes on, and here {why}: leave it out")
    recipe = Recipe.of(config.problem.spec())
    if (size := recipe.splits.get("train", recipe.splits.get("valid"))) is None:
        raise ValueError("a training is measured on the split 'valid', and splits are "
                         f"{', '.join(recipe.splits)}: add problem.splits.valid")  # fmt: skip
    return Simulated(
        recipe.family, recipe.simulator, size.frames,
        seed=config.seed, tolerance=recipe.tolerance, space_tolerance=recipe.space_tolerance,
    )  # fmt: skip


def online_feed(config: RunConfig, source: Simulated, method: Any, seed: int) -> Any:
    """The feed of what is solved as training goes on, with the windows of a method.

    **Raises:** `ValueError` for sizes that do not fit.
    """
    feed = build("feed", config.train.online, source=source, batch_size=config.train.batch_size, seed=seed)
    return windowed(feed, method.window)
