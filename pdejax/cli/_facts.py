"""What `pdejax inspect` prints of a run, of a model, of a solution and of data."""

import json
import sys
from pathlib import Path
from typing import Any

from pdejax._read import printable, read_json
from pdejax._record import last_metrics
from pdejax.cli._list import run_state
from pdejax.config import read_run


def print_run(path: Path) -> None:
    """How far a run is, its newest numbers, its configuration."""
    config = read_run(path / "config.yaml")
    train: Any = config.train
    print(f"{path}: {run_state(path, train.steps)}\n")
    for name, value in last_metrics(path).items():
        print(printable(f"  {name}: {f'{value:.6g}' if isinstance(value, int | float) else 'not finite'}"))
    print(printable(f"\n{config.to_yaml()}"), end="")


def print_truth(path: Path) -> None:
    """Sizes of a known solution, and how far it can be trusted."""
    from pdejax.core import open_hdf5
    from pdejax.data.store.truth import MEND

    with open_hdf5(path, MEND) as file:
        for group in ("axes", "fields"):
            stored: Any = file[group]
            for name, values in stored.items():
                what = "field" if group == "fields" else "axis"
                print(printable(f"{what} {name}: {' x '.join(map(str, values.shape))}"))
        print(f"floor (relative L2): {file.attrs['floor']:.3g}\nhow: {printable(file.attrs['how'])}")


def print_model(path: Path) -> None:
    """What a released model solves, and what it is made of."""
    described = read_json(path / "model.json")
    data = described["data"]
    shown = _field_facts(data["problem"]) if "problem" in data else _operator_facts(data)
    shown |= {"network": described["network"], "method": described["method"], **described["metadata"]}
    for name, value in shown.items():
        print(printable(f"{name}: {value if isinstance(value, str) else json.dumps(value)}"))


def _field_facts(problem: dict[str, Any]) -> dict[str, Any]:
    equation, conditions = problem["equation"], problem["conditions"]
    if isinstance(conditions, dict):  # as models of the former format hold them
        conditions = [{"name": name, **one} for name, one in conditions.items()]
    return {
        "problem": problem["name"],
        "equation": equation if isinstance(equation, str) else "; ".join(equation["terms"]),
        "domain": problem["domain"],
        "conditions": {one["name"]: one["terms"] for one in conditions},
    }


def _operator_facts(data: dict[str, Any]) -> dict[str, Any]:
    return {
        "equation": "; ".join(data["equation"]),
        "fields": ", ".join(data["field_names"]),
        "depends on": ", ".join(data["parameter_names"]) or "the state only",
        "grid it was trained on": f"{data['shape']} points on {data['lengths']}",
        "time of a step": data["step"],
    }


def print_data(path: Path) -> None:
    """What a data set holds, in tables."""
    from rich.console import Console, Group
    from rich.text import Text

    from pdejax.data import overview

    first, *others = overview(path)
    # a file, or a program that reads on, gets every digit
    width = None if sys.stdout.isatty() else 10_000
    title = Text(printable(first.title), style="bold underline")
    Console(soft_wrap=True, width=width).print(Group(title, *map(_shown, others)))


def _shown(section: Any) -> Any:
    """A section of an overview as a table, or as a line where it has no rows."""
    from rich.table import Table
    from rich.text import Text

    title = printable(section.title)
    if not section.rows:
        return Text(title, style="red" if section.bad else "green")
    plain = lambda text: Text(printable(text))  # what data say is no markup
    table = Table(title=plain(title), title_justify="left", title_style="bold", show_edge=False, pad_edge=False,
                  min_width=len(title), show_header=any(section.columns))  # fmt: skip
    for column in section.columns:
        table.add_column(plain(column))
    for row in section.rows:
        table.add_row(*map(plain, row))
    return table
