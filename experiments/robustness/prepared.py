"""What folders are damaged from: a small data set, and a run with a model and its evaluation."""

from pathlib import Path

import jax

from pdejax.config import resolve
from pdejax.config._assemble import method_of
from pdejax.data import Recipe, generate, open_data
from pdejax.evaluation import evaluate
from pdejax.methods import DataCard, save_model

SIZES = {"train": 3, "valid": 2, "test": 2}


def prepared(folder: Path) -> tuple[Path, Path]:
    """Makes both below a folder; the data set's and the run's."""
    words = ["problem=burgers", "problem.domain.shape=[16]", "problem.parameters.nu=0.05", "problem.space_tolerance=1",
             "network.width=4", "network.modes=4", "network.depth=1", "name=whole", f"data_dir={folder / 'data'}",
             f"runs_dir={folder / 'runs'}",
             *(f"problem.splits.{name}={{trajectories: {n}, frames: 4}}" for name, n in SIZES.items())]  # fmt: skip
    config = resolve(words)
    recipe = Recipe.of(config.problem.spec())
    root = generate(
        recipe.family, recipe.simulator, config.data_folder, recipe.splits, shard_size=2, space_tolerance=1.0
    )
    data, run = open_data(root), config.run_folder
    run.mkdir(parents=True)
    (run / "config.yaml").write_text(config.to_yaml())
    (run / "metrics.jsonl").write_text('{"step": 1, "loss": 0.5}\n{"step": 2, "loss": 0.25}\n')
    model = method_of(config).build(config.network.spec(), DataCard.of(data), key=jax.random.key(0))
    save_model(run / "model", model, {"step": 2})
    evaluate(model, data, steps=2, baselines=False).save(run)
    return root, run
