"""`pdejax evaluate`."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pdejax._read import printable
from pdejax.cli._data import data_of, run_config
from pdejax.config import RunConfig


def run(arguments: argparse.Namespace) -> int:
    """Evaluates a run's model beside what it is compared with, prints the table and writes the report."""
    folder = Path(arguments.run)
    config = run_config(folder, arguments.words, arguments.plugins)
    from pdejax.cli._runtime import start

    start()
    import jax

    from pdejax.config._assemble import in_double
    from pdejax.embedding import load
    from pdejax.evaluation import evaluate

    with jax.enable_x64(in_double(config)):
        result = evaluate(load(folder, arguments.plugins), data_of(config), **options_of(config))
    result.save(folder)
    print(printable(result))
    print(f"report: {result.write_page(folder)}")
    return 0


OPTIONS = ("trajectories", "steps", "chunk", "baselines")


def options_of(config: RunConfig, names: Sequence[str] = OPTIONS) -> dict[str, Any]:
    """What the configuration wants of the evaluation; what it leaves as it is, is left out."""
    import jax

    wanted, usual = config.evaluation, type(config.evaluation)()
    given = {name: getattr(wanted, name) for name in names if getattr(wanted, name) != getattr(usual, name)}
    return given | ({"seed": config.seed} if config.stated else {"key": jax.random.key(config.seed)})
