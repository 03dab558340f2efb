"""Results of benchmarks and experiments, in the one form every claim of the project has."""

import datetime
import importlib.metadata
import json
import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).with_name("results.json")
_ROW = ("case", "metric", "value", "interval", "seeds", "reference", "goal", "better", "seconds")


def row(case: str, metric: str, value: float, *, better: str, **further: Any) -> dict[str, Any]:
    """One measured figure; `better` is `"lower"` or `"higher"`, `further` may hold the other entries of a row.

    **Raises:** `ValueError` for an entry that rows do not have.
    """
    empty = {"interval": None, "seeds": [], "reference": None, "goal": None, "seconds": None}
    out = {**empty, **further, "case": case, "metric": metric, "value": value, "better": better}
    if set(out) != set(_ROW) or better not in ("lower", "higher"):
        raise ValueError(f"a row has the entries {', '.join(_ROW)} and better is lower or higher, got {out}")
    return {name: out[name] for name in _ROW}


def machine() -> dict[str, float]:
    """Cores this process may use and the memory of the machine."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {"cores": cores, "memory_gib": round(memory / 2**30, 1)}


def versions(packages: Sequence[str]) -> dict[str, str]:
    """Python's version and those of installed packages."""
    return {"python": platform.python_version(), **{name: importlib.metadata.version(name) for name in packages}}


def study(
    name: str,
    question: str,
    command: str,
    preset: str,
    rows: Sequence[Mapping[str, Any]],
    packages: Sequence[str] = (),
) -> dict[str, Any]:
    """A record in the form all claims of the project have.

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


def write_study(folder: Path, record: Mapping[str, Any]) -> None:
    """Writes the record of an experiment to `results.json` in its folder."""
    _write(folder / "results.json", dict(record))


def write_benchmark(record: Mapping[str, Any]) -> None:
    """Puts the record of a benchmark into the list `benchmarks/results.json`, in place of an earlier one."""
    others = [r for r in json.loads(RESULTS.read_text()) if r["study"] != record["study"]] if RESULTS.exists() else []
    _write(RESULTS, sorted([*others, dict(record)], key=lambda r: r["study"]))
