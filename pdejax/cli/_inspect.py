"""`pdejax inspect`: what a folder holds."""

import argparse
import json
from pathlib import Path

from pdejax.cli._list import last_metrics, run_state
from pdejax.config import read_run


def run(arguments: argparse.Namespace) -> int:
    """Describes a run, a released model or a data set."""
    path = Path(arguments.path)
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist")
    if (path / "config.yaml").exists():
        _run(path)
    elif (path / "model.json").exists():
        _model(path)
    else:
        _data(path)
    return 0


def _run(path: Path) -> None:
    config = read_run(path / "config.yaml")
    print(f"{path}: {run_state(path, config.train.steps)}\n")
    for name, value in last_metrics(path).items():
        print(f"  {name}: {value:.6g}" if isinstance(value, int | float) else f"  {name}: not finite")
    print(f"\n{config.to_yaml()}", end="")


def _model(path: Path) -> None:
    described = json.loads((path / "model.json").read_text(encoding="utf-8"))
    data = described["data"]
    shown = {
        "equation": "; ".join(data["equation"]),
        "fields": ", ".join(data["field_names"]),
        "depends on": ", ".join(data["parameter_names"]) or "the state only",
        "grid it was trained on": f"{data['shape']} points on {data['lengths']}",
        "time of a step": data["step"],
        "network": described["network"],
        "method": described["method"],
        **described["metadata"],
    }
    for name, value in shown.items():
        print(f"{name}: {value if isinstance(value, str) else json.dumps(value)}")


def _data(path: Path) -> None:
    from rich.console import Console

    from pdejax.data import describe

    Console(soft_wrap=True).print(describe(path))
