"""`pdejax evaluate`."""

import argparse
from pathlib import Path
from typing import Any

from pdejax.config import RunConfig, read_run

SHOWN = ("correlation_time_0.8", "relative_l2", "one_step_nrmse", "nrmse_gmean", "spectrum_log_distance")
STEADY = ("relative_l2", "vrmse", "mse")


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
    if config.problem.stated:
        return _field(folder, config)
    import jax

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
        key=jax.random.key(config.seed),
    )
    evaluation.save(folder)
    print(table(evaluation))
    print(f"report: {write_report(folder)}")
    return 0


def _field(folder: Path, config: RunConfig) -> int:
    """Evaluates a field: residuals, and errors where the solution is known."""
    import jax

    from pdejax.cli._assemble import wide
    from pdejax.cli._build import problem_of, truth_of
    from pdejax.cli._runtime import start
    from pdejax.embedding import load
    from pdejax.evaluation import evaluate_field, field_table, write_field_report

    start()
    with jax.enable_x64(wide(config)):
        model = load(folder)
        truth = truth_of(config, problem_of(config))
        evaluation = evaluate_field(model, truth, seed=config.seed)
    evaluation.save(folder)
    print(field_table(evaluation))
    print(f"report: {write_field_report(folder)}")
    return 0


def _value(entry: dict[str, Any]) -> str:
    if entry["value"] is None:
        return "n/a"
    return f"{'>= ' if entry['censored'] else ''}{entry['value']:.4g}"


def _interval(entry: dict[str, Any]) -> str:
    return f"  [{entry['interval'][0]:.4g}, {entry['interval'][1]:.4g}]" if entry["interval"] else ""


def table(evaluation: Any) -> str:
    """The model's main metrics with their intervals, then the same of every system side by side."""
    from pdejax.evaluation import METRICS, solve_rows

    systems, steady = evaluation.document["systems"], evaluation.document["dataset"]["steady"]
    labels = {name: METRICS[name].label for name in (STEADY if steady else SHOWN)}
    width = max(map(len, labels.values()))
    lines = []
    for name, label in labels.items():
        entry = systems["model"]["metrics"][name]
        lines.append(f"{label:{width}}  {_value(entry)}{_interval(entry)}")
    rows = [["", *labels.values(), "diverged", "s/sample" if steady else "s/step"]]
    for system in systems.values():
        diverged = f"{system['diverged']['count']} of {system['diverged']['of']}"
        values = [_value(system["metrics"][name]) for name in labels]
        rows.append([system["label"], *values, diverged, f"{system['cost']['seconds']:.2g}"])
    solves = solve_rows(systems["model"]["cost"]["solves"])
    return "\n".join([*lines, "", *_aligned(rows), *([""] if solves else []), *_aligned(solves)])


def _aligned(rows: list[list[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(f"{cell:{w}}" for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows]
