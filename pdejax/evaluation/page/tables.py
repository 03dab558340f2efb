"""Tables and notes about systems measured on the same reference."""

from collections.abc import Mapping, Sequence
from typing import Any

from pdejax.evaluation.metrics.table import metric_of
from pdejax.evaluation.page.html import escape, facts, formulas, interval, number, seconds, table, words
from pdejax.evaluation.page.section import Section
from pdejax.evaluation.skill import skill_lines

ARROWS = {"lower": "↓ lower is better", "higher": "↑ higher is better"}


def cell(entry: Mapping[str, Any]) -> str:
    """A metric with its interval, and in Lyapunov times where these are known."""
    if entry["value"] is None:
        return f"n/a<small>{escape(entry['reason'])}</small>"
    small = f"<small>{interval(*entry['interval'])}</small>" if entry["interval"] else ""
    lyapunov = (entry.get("lyapunov_times") or {}).get("value")
    return f"{bound(entry)}{number(entry['value'])}{small}" + (
        f"<small>{number(lyapunov)} Λ</small>" if lyapunov else ""
    )


def bound(entry: Mapping[str, Any]) -> str:
    """The sign of a number that is only known to be better than this, or not worse."""
    return "" if not entry["censored"] else "≥ " if entry["better"] == "higher" else "&lt; "


def head(name: str) -> str:
    """The head of a metric's column."""
    metric = metric_of(name)
    unit = f" ({escape(metric.unit)})" if metric.unit and metric.unit != "time" else ""
    return f"{escape(metric.label)}{unit}<small>{ARROWS[metric.better]}</small>"


def diverged(system: Mapping[str, Any]) -> str:
    """How many of how many."""
    return f"{system['diverged']['count']} of {system['diverged']['of']}"


def systems_table(document: Mapping[str, Any], metrics: Sequence[str], priced: str) -> str:
    """The main metrics of every system; `priced`: of what the cost is."""
    rows = []
    for system in document["systems"].values():
        cells = [escape(system["label"]), *(cell(system["metrics"][m]) for m in metrics)]
        rows.append((system["kind"], [*cells, diverged(system), seconds(system["cost"]["seconds"])]))
    return table(["", *map(head, metrics), "diverged<small>trajectories</small>", f"cost<small>{priced}</small>"], rows)


def every_metric(document: Mapping[str, Any]) -> str:
    """All metrics with their definitions, folded."""
    systems = document["systems"]
    rows = []
    for name in systems["model"]["metrics"]:
        metric = metric_of(name)
        unit = f", {metric.unit}" if metric.unit else ""
        about = f"{escape(metric.meaning)} ({metric.better} is better{escape(unit)})"
        title = f"{escape(metric.label)}<small>{about}</small>"
        rows.append(("", [title, *(cell(s["metrics"][name]) for s in systems.values())]))
    shown = table(["", *(escape(s["label"]) for s in systems.values())], rows)
    return f"<details><summary>All metrics and their definitions</summary>{shown}</details>"


def about_intervals(document: Mapping[str, Any]) -> str:
    """What intervals mean."""
    protocol = document["protocol"]
    return (
        f"Intervals are {protocol['level']:.0%} percentile bootstrap intervals over the "
        f"{document['dataset']['trajectories']} trajectories ({protocol['resamples']} resamples). They do not contain "
        "the spread between training runs."
    )


def about_systems(document: Mapping[str, Any]) -> list[str]:
    """Divergence, baselines that were skipped, weights and costs, in sentences."""
    systems = document["systems"]
    said = [f"{escape(line[:1].upper() + line[1:])}." for line in skill_lines(document)]
    said += [
        f"{escape(one['label'])}: {one['diverged']['count']} rollouts diverged, the first at step "
        f"{one['diverged']['first_step']}."
        for one in systems.values()
        if one["diverged"]["count"]
    ]
    said += [f"Not evaluated: {escape(name)}, because {escape(why)}." for name, why in document["skipped"].items()]
    if document["protocol"].get("weighted"):
        said.append("In means over space, points count by the weights of their domain.")
    said.append(
        f"Costs are wall-clock times on {escape(document['environment']['devices'][0])} with "
        f"{systems['model']['cost']['chunk']} trajectories at once; they include whatever else the machine was doing."
    )
    return said


def data_section(dataset: Mapping[str, Any]) -> Section:
    """Which data, of which equation, and how they were made, from that section of the document."""
    unknown = {"Equation": "the data do not say which equation they solve"}
    box = " × ".join(f"{x:.6g}" for x in dataset["lengths"])
    rows = {
        "Data set": f"{escape(dataset['name'])}, split {escape(dataset['split'])}: {dataset['trajectories']} of "
        f"{dataset['available']} trajectories, {dataset['frames']} frames",
        "Grid": f"{' × '.join(map(str, dataset['shape']))} {points_of(dataset)}"
        + (f" on a box of {box}" if box else "")
        + (", periodic" if dataset["periodic"] else ""),
        **_ends(dataset),
        **({"Time between frames": number(dataset["step"], 6)} if dataset["step"] else {}),
        "Fields": escape(", ".join(dataset["fields"])),
        **(_how_made(dataset) if dataset["equation"] else unknown),
        "Fingerprint": f"<code>{escape(dataset['fingerprint'])}</code>",
    }
    return Section.of("Data", formulas(dataset["latex"], dataset["equation"], "equation"), facts(rows))


def points_of(dataset: Mapping[str, Any]) -> str:
    """What the numbers of a grid are of."""
    return "cells" if dataset.get("domain", {}).get("cells") else "points"


def _ends(dataset: Mapping[str, Any]) -> dict[str, str]:
    """What holds at the sides of a box that is not periodic."""
    ends = dataset.get("domain", {}).get("ends", ())
    if dataset["periodic"] or not ends:
        return {}
    told = []
    for axis, (low, high) in zip("xyz", ends, strict=False):
        both = [_end(low)] if low == high else [_end(low), _end(high)]
        told.append(f"{axis}: {' to '.join(both)}")
    return {"Ends": "; ".join(told)}


def _end(side: Any) -> str:
    if isinstance(side, Mapping):
        return escape(" ".join([side["kind"], *(str(side[k]) for k in ("expression",) if k in side)]))
    return "(" + ", ".join(f"{escape(field)}: {_end(one)}" for field, one in side) + ")"


def _how_made(dataset: Mapping[str, Any]) -> dict[str, str]:
    """What the family, its solver and the recipe tell."""
    family, recipe, check = dataset["family"], dataset["recipe"], escape(dataset["check"].capitalize())
    return {
        "Varies between trajectories": words(family.get("vary") or {}),
        "Parameters set": words(family.get("equation", {}).get("parameters") or {}),
        "Drawn": words(family.get("draws") or {}),
        **({"Time": words(family["times"])} if family.get("times") else {}),
        "Solver": words(dataset["simulator"]),
        "Splits": words(recipe.get("splits") or {}),
        "Seed": words(recipe.get("seed")),
        **({check: words(dataset["self_difference"] or {})} if check else {}),
        "Rejected draws": escape(dataset["rejects"]),
    }
