"""`pdejax generate`."""

import argparse

from pdejax.cli._config import configs_of, printed
from pdejax.config import RunConfig


def run(arguments: argparse.Namespace) -> int:
    """Writes the data set of each configuration, or the rest of it."""
    configs = configs_of(arguments)
    if printed(arguments, configs):
        return 0
    for config in configs:
        if not config.stated:
            _generate(config, arguments.part)
        elif arguments.part is None:
            _truth(config)
        else:
            raise ValueError(f"--part {arguments.part} has no effect: problem {config.problem.name!r} has one solution "
                             "and no files to divide")  # fmt: skip
        if not config.stated and any(word.startswith("seed=") for word in arguments.words):
            print(f"seed={config.seed} is the training's: these data are drawn by problem.seed={config.problem.seed}")
    return 0


def _truth(config: RunConfig) -> None:
    """Solves a problem that is stated by its conditions, as its `truth` says."""
    from pdejax.cli._runtime import start
    from pdejax.config._assemble import problem_of, truth_of

    start()
    truth = truth_of(config, problem_of(config))
    if truth is None:
        raise ValueError(f"problem {config.problem.name!r} does not say how its solution is known: add a section truth")
    print(f"{config.data_folder / 'truth.h5'}: {truth.how['kind']}, good to {truth.floor:.2g} (relative L2)")


def _generate(config: RunConfig, words: str | None) -> None:
    from pdejax.cli._runtime import start
    from pdejax.config._assemble import recipe_of
    from pdejax.data import Dataset, Part, drawn_divergence, generate, progress_bar
    from pdejax.equations import SLIGHT
    from pdejax.solvers import Resolving

    part = None if words is None else Part.of(words)
    start()
    recipe, root = recipe_of(config), config.data_folder
    split = next(iter(recipe.splits))
    if (share := drawn_divergence(recipe.family, recipe.simulator, split, recipe.seed)) > SLIGHT:
        print(f"the velocity that is drawn has a divergence ({share:.2g} of the size of its gradients in the first "
              f"state of {split}), and the flow has none: it begins with what a projection leaves")  # fmt: skip
    with progress_bar(f"generating {config.problem.name}") as progress:
        generate(
            recipe.family,
            recipe.simulator,
            root,
            recipe.splits,
            seed=recipe.seed,
            shard_size=recipe.shard_size,
            batch_size=recipe.batch_size,
            tolerance=recipe.tolerance,
            space_tolerance=recipe.space_tolerance,
            part=part,
            progress=progress,
        )
    if part is not None:
        print(
            f"{root}: part {part} is there; when all {part.count} are, the same words without --part complete the set"
        )
        return
    manifest = Dataset.open(root).manifest
    rejects = manifest["rejects"]
    drawn = f", {len(rejects)} drawn anew (see `pdejax inspect {root}`)" if rejects else ""
    print(f"{root}: complete{drawn}")
    worst = max((split["max"] or 0.0 for split in manifest.get("space", {}).values()), default=0.0)
    if isinstance(recipe.simulator, Resolving) and recipe.space_tolerance and worst > recipe.space_tolerance / 3:
        told = f"{recipe.simulator.grid_checks}: up to {worst:.2g}, {recipe.space_tolerance:g} are allowed; for less, "
        print(told + recipe.simulator.finer_grid(recipe.family))
