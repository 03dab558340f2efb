"""What a run's folder tells beside its result: how training went, its configuration, versions."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pdejax._read import read_lines, read_text
from pdejax._record import unfinished
from pdejax.evaluation.page.html import escape, facts, number, table
from pdejax.evaluation.page.section import Picture, Section
from pdejax.plot import Stage, training_figure

PANELS: Mapping[str, Sequence[str]] = {
    "loss": ("loss", "valid/loss"),
    "learning rate": ("learning_rate",),
    "gradient norm": ("grad_norm",),
    "evaluations of a solve": ("nfe", "valid/nfe"),
}


def stages_of(folder: Path) -> list[Stage]:
    """Names and records of all stages of the training, in their order."""
    earlier = sorted(path.parent for path in (folder / "stages").glob("*/metrics.jsonl"))
    stages: list[Stage] = [
        (path.name.partition("-")[2] or path.name, read_lines(path / "metrics.jsonl")) for path in earlier
    ]
    stages.append(("last" if earlier else "", read_lines(folder / "metrics.jsonl")))
    return [(name, lines) for name, lines in stages if lines]


def training_section(folder: Path, panels: Mapping[str, Sequence[str]] = PANELS, *more: Picture) -> Section:
    """Metrics over the updates, and further pictures."""
    stages = stages_of(folder)
    note = " Stages may weigh the terms differently." if len(stages) > 1 else ""
    if (why := unfinished(folder)) is not None:
        note += f" It was {why}."
    return Section.of("Training", Picture("training", training_figure(stages, panels), f"Optimisation.{note}"), *more)


def configuration_section(folder: Path) -> Section:
    """`config.yaml`, where it is there."""
    path = folder / "config.yaml"
    return Section.of("Configuration", f"<pre>{escape(read_text(path))}</pre>" if path.exists() else None)


def versions_section(document: Mapping[str, Any]) -> Section:
    """When, where and by which versions was measured."""
    environment = document["environment"]
    rows = {"Evaluated on": escape(environment["date"]), "Python": escape(environment["python"])}
    rows |= {name: escape(version) for name, version in environment["versions"].items()}
    rows["Devices"] = escape(", ".join(sorted(set(environment["devices"]))))
    return Section.of("Versions", facts(rows))


def evaluators_section(document: Mapping[str, Any]) -> Section:
    """The numbers of evaluators that were brought from outside."""
    rows = []
    for name, entry in document.get("evaluators", {}).items():
        reason = f"<small>{escape(entry['reason'])}</small>" if entry["reason"] else ""
        rows.append(("", [escape(name), number(entry["value"]) + reason]))
    return Section.of("Further numbers", table(["", "model"], rows) if rows else None)
