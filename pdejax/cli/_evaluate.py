"""`pdejax evaluate`."""

import argparse
from pathlib import Path
from typing import Any

from pdejax.config import RunConfig, read_run

SHOWN = ("correlation_time_0.8", "one_step_nrmse", "nrmse_gmean", "spectrum_log_distance")


def run_config(folder: Path, words: list[str]) -> RunConfig:
    """The configuration of a run.

    **Raises:** `FileNotFoundError` if the folder holds none, with the nearest name beside it.
    """
    path = folder / "config.yaml"
    if not path.exists():
        from pdejax.core import suggestion

        beside = [p.parent.name for p in folder.parent.glob("*/config.yaml")] if folder.parent.is_dir() else []
        raise FileNotFoundError(f"{folder} is not a run: it holds no config.yaml.{suggestion(folder.name, beside)}")
    return read_run(path, words)


def run(arguments: argparse.Namespace) -> int:
    """Evaluates a run's best model beside the baselines, prints the table and writes the report."""
    folder = Path(arguments.run)
    config = run_config(folder, arguments.words)
    from pdejax.cli._build import dataset_of
    from pdejax.cli._runtime import start
    from pdejax.embedding import load
    from pdejax.evaluation import evaluate, write_report

    start()
    dataset, wanted = dataset_of(config), config.evaluation
    evaluation = evaluate(
        load(folder),
        dataset,
        trajectories=wanted.trajectories,
        steps=wanted.steps,
        baselines=wanted.baselines,
        chunk=wanted.chunk,
    )
    evaluation.save(folder)
    _print_table(evaluation)
    print(f"report: {write_report(folder)}")
    return 0


def _cell(entry: dict[str, Any]) -> str:
    if entry["value"] is None:
        return "n/a"
    bound = ">= " if entry["censored"] else ""
    spread = f" [{entry['interval'][0]:.3g}, {entry['interval'][1]:.3g}]" if entry["interval"] else ""
    return f"{bound}{entry['value']:.4g}{spread}"


def _print_table(evaluation: Any) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("", *SHOWN, "diverged", "s/step", show_edge=False)
    for system in evaluation.document["systems"].values():
        cells = [_cell(system["metrics"][name]) for name in SHOWN]
        diverged = f"{system['diverged']['count']}/{system['diverged']['of']}"
        table.add_row(system["label"], *cells, diverged, f"{system['cost']['seconds']:.2g}")
    Console(soft_wrap=True).print(table)
