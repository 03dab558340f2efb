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
        _generate(config)
    return 0


def _generate(config: RunConfig) -> None:
    from pdejax.cli._build import dataset_root, problem_of, splits_of
    from pdejax.cli._runtime import start
    from pdejax.data import Dataset, generate, progress_bar

    start()
    problem, root = problem_of(config), dataset_root(config)
    with progress_bar(f"generating {config.problem.name}") as progress:
        generate(
            problem,
            root,
            splits_of(config),
            seed=config.problem.seed,
            shard_size=config.problem.shard_size,
            batch_size=config.problem.batch_size,
            tolerance=config.problem.tolerance,
            progress=progress,
        )
    rejects = Dataset.open(root).manifest["rejects"]
    drawn = f", {len(rejects)} drawn anew (see `pdejax inspect {root}`)" if rejects else ""
    print(f"{root}: complete{drawn}")
