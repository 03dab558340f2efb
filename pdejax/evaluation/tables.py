"""Tables as text, for the command line."""

from collections.abc import Mapping, Sequence
from typing import Any

from pdejax.evaluation.metrics.table import metric_of
from pdejax.evaluation.skill import skill_lines


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows as lines whose columns lie below each other."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(f"{cell:{w}}" for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows]


def value(entry: Mapping[str, Any]) -> str:
    """A metric; `>=` and `<` mark bounds, brackets hold Lyapunov times."""
    if entry["value"] is None:
        return "n/a"
    lyapunov = (entry.get("lyapunov_times") or {}).get("value")
    bound = "" if not entry["censored"] else ">= " if entry["better"] == "higher" else "< "
    return f"{bound}{entry['value']:.4g}" + (f" ({lyapunov:.3g})" if lyapunov else "")


def systems_lines(document: Mapping[str, Any], metrics: Sequence[str], priced: str) -> list[str]:
    """The model's main metrics with their intervals, then the same of every system side by side.

    **Arguments:** `document`; `metrics` to show; `priced`: head of the column of costs.
    """
    systems = document["systems"]
    labels = {name: metric_of(name).label for name in metrics}
    width = max(map(len, labels.values()))
    lines = []
    for name, label in labels.items():
        entry = systems["model"]["metrics"][name]
        ends = f"  [{entry['interval'][0]:.4g}, {entry['interval'][1]:.4g}]" if entry["interval"] else ""
        lines.append(f"{label:{width}}  {value(entry)}{ends}")
    rows = [["", *labels.values(), "diverged", priced]]
    for system in systems.values():
        diverged = f"{system['diverged']['count']} of {system['diverged']['of']}"
        values = [value(system["metrics"][name]) for name in labels]
        rows.append([system["label"], *values, diverged, f"{system['cost']['seconds']:.2g}"])
    return [*lines, *skill_lines(document), "", *aligned(rows), *skipped_lines(document), *evaluator_lines(document)]


def skipped_lines(document: Mapping[str, Any]) -> list[str]:
    """Why baselines are missing, once each."""
    reasons: dict[str, list[str]] = {}
    for name, why in document.get("skipped", {}).items():
        reasons.setdefault(why, []).append(name)
    return [f"without {', '.join(names)}: {why}" for why, names in reasons.items()]


def evaluator_lines(document: Mapping[str, Any]) -> list[str]:
    """Numbers of evaluators that were brought from outside."""
    entries = document.get("evaluators", {})
    rows = [[name, value({**entry, "censored": None})] for name, entry in entries.items()]
    return ["", *aligned(rows)] if rows else []
