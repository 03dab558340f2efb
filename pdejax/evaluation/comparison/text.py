"""A comparison for the command line."""

from collections.abc import Mapping
from typing import Any

from pdejax.evaluation.comparison.rows import main_metrics
from pdejax.evaluation.metrics.table import metric_of
from pdejax.evaluation.price.words import price_lines
from pdejax.evaluation.result import Result
from pdejax.evaluation.tables import aligned, skipped_lines, value

SHOWN = ("correlation_time_0.8", "correlation_time_0.8_each", "one_step_nrmse", "nrmse_gmean")


def text(result: Result) -> str:
    """Main metrics of every system, their changes against the reference, and mean and spread of groups."""
    document = result.document
    names = SHOWN if document.get("of", "rollout") == "rollout" else main_metrics(document)
    labels = [metric_of(name).label for name in names]
    base = document["protocol"]["reference"]
    rows, gains = [["", *labels, *_more_heads(document)]], [[f"change against {base}", *labels]]
    for name, one in document["systems"].items():
        if one["kind"] == "solver" and name != "solver":
            continue  # of former comparisons, whose frontier had other resolutions
        rows.append([one["label"], *(value(one["metrics"][metric]) for metric in names), *_more(one)])
        if one["kind"] == "model" and name != base:
            gains.append([name, *(_gain(one["against_reference"][metric]) for metric in names)])
    unit = document.get("lyapunov", {}).get("time")
    note = [f"in brackets: Lyapunov times of {unit:.3g}"] if unit else []
    changes = ["", *aligned(gains)] if len(gains) > 1 else []
    said = [*aligned(rows), *note, *skipped_lines(document), *changes, *_seeds(document, names)]
    return "\n".join([*said, *price_lines(document.get("price"))])


def _more_heads(document: Mapping[str, Any]) -> list[str]:
    """Heads of what not all kinds have."""
    first = next(iter(document["systems"].values()))
    return ["diverged", *(["calls", "s/time"] if "calls" in first else ["seconds"])] if "diverged" in first else []


def _more(one: Mapping[str, Any]) -> list[str]:
    if "diverged" not in one:
        return []
    diverged = f"{one['diverged']['count']} of {one['diverged']['of']}"
    if "calls" not in one:
        return [diverged, f"{one['cost']['seconds']:.2g}"]
    calls = "" if one["calls"] is None else f"{one['calls']:.4g}"
    return [diverged, calls, f"{one['cost']['seconds_per_time']:.2g}"]


def _gain(entry: Mapping[str, Any]) -> str:
    if entry["gain"] is None:
        return "n/a"
    ends = entry["gain_interval"]
    return f"{100 * entry['gain']:+.1f}%" + (f" [{100 * ends[0]:+.1f}, {100 * ends[1]:+.1f}]" if ends else "")


def _seeds(document: Mapping[str, Any], names: tuple[str, ...]) -> list[str]:
    """Mean and spread of every group."""
    groups = document.get("seeds", {})
    if not groups:
        return []
    rows = [["mean +- spread over models", "models", *(metric_of(name).label for name in names)]]
    for group, entries in groups.items():
        count = str(max(entry["count"] for entry in entries.values()))
        rows.append([group, count, *(spread(entries[name]) for name in names)])
    return ["", *aligned(rows)]


def spread(entry: Mapping[str, Any]) -> str:
    """Mean and spread, with how many models there are."""
    if entry["mean"] is None:
        return "n/a"
    return f"{entry['mean']:.4g}" + ("" if entry["spread"] is None else f" +- {entry['spread']:.2g}")
