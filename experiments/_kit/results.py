"""Results of studies and benchmarks, in the one form every claim of the project has."""

import datetime
import importlib.metadata
import json
import math
import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
BENCHMARKS = "benchmarks/results.json"  # a list of records; an experiment's file holds one
GOALS = "experiments/goals.json"
_ROW = ("case", "metric", "value", "unit", "interval", "seeds", "reference", "goal", "better", "seconds")

Row = dict[str, Any]
Record = dict[str, Any]


def row(case: str, metric: str, value: float | str, *, better: str, unit: str = "1", **further: Any) -> Row:
    """One measured figure.

    **Arguments:** `value`: a number, or `"never"` for a price that is never repaid; `better`: `"lower"` or `"higher"`;
    `unit`: of value, interval, reference and goal alike, `"1"` for counts and ratios; `further`: other entries of a
    row: `interval`, `seeds`, `reference` (a peer's or paper's figure), `goal`, `seconds` (what it took).

    **Raises:** `ValueError` for an entry that rows do not have.
    """
    empty = {"interval": None, "seeds": [], "reference": None, "goal": None, "seconds": None}
    out = {**empty, **further, "case": case, "metric": metric, "value": value, "unit": unit, "better": better}
    if set(out) != set(_ROW) or better not in ("lower", "higher"):
        raise ValueError(f"a row has the entries {', '.join(_ROW)} and better is lower or higher, got {out}")
    return {name: out[name] for name in _ROW}


def over_seeds(values: Sequence[float], seeds: Sequence[int]) -> dict[str, Any]:
    """Entries of a row that holds the mean over seeds, and their range where there are several."""
    values = [float(v) for v in values]
    interval = [min(values), max(values)] if len(values) > 1 else None
    return {"value": math.fsum(values) / len(values), "interval": interval, "seeds": list(seeds)}


def missed(row: Mapping[str, Any]) -> bool:
    """Whether a row falls short of its goal; what is no number has reached none."""
    value, goal = row["value"], row["goal"]
    if goal is None:
        return False
    if not isinstance(value, int | float):
        return True
    return not (value >= goal if row["better"] == "higher" else value <= goal)


def machine() -> dict[str, float]:
    """Cores this process may use and the memory of the machine."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {"cores": cores, "memory_gib": round(memory / 2**30, 1)}


def versions(packages: Sequence[str]) -> dict[str, str]:
    """Python's version and those of installed packages."""
    return {"python": platform.python_version(), **{name: importlib.metadata.version(name) for name in packages}}


def record(
    name: str, question: str, command: str, preset: str, rows: Sequence[Row], packages: Sequence[str] = ()
) -> Record:
    """The record of a study or benchmark.

    **Arguments:** `question`: what was asked; `command`: how to run it again; `preset`: its size; `rows`: from `row`;
    `packages`: further packages whose versions matter.
    """
    return {
        "study": name,
        "question": question,
        "command": command,
        "preset": preset,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "versions": versions(["pdejax", "jax", "jaxlib", "numpy", *packages]),
        "machine": machine(),
        "rows": list(rows),
    }


def _write(path: Path, content: Any) -> None:
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(content, indent=1) + "\n")
    temporary.replace(path)


def write_study(folder: Path, record: Record) -> None:
    """Writes the record of an experiment to `results.json` in its folder."""
    _write(folder / "results.json", record)


def write_benchmark(record: Record) -> None:
    """Puts the record of a benchmark into the list `benchmarks/results.json`, in place of an earlier one."""
    path = ROOT / BENCHMARKS
    others = [r for r in json.loads(path.read_text()) if r["study"] != record["study"]] if path.exists() else []
    _write(path, sorted([*others, record], key=lambda r: r["study"]))


def records(root: Path = ROOT) -> list[Record]:
    """The records of all experiments, then those of all benchmarks."""
    experiments = [json.loads(path.read_text()) for path in sorted(root.glob("experiments/*/results.json"))]
    return [*experiments, *json.loads((root / BENCHMARKS).read_text())]


def goals(root: Path = ROOT) -> list[dict[str, Any]]:
    """The committed list of goals: study, case, metric, unit, better, goal, and whether the README shows it.

    A goal is a number, or `"reference"` where it is what the row's peer reached.
    """
    return json.loads((root / GOALS).read_text())
