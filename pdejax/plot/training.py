"""What a training recorded, stage after stage."""

import fnmatch
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from pdejax.plot.style import COLOURS, INK, LINES, STRONG, figure

Stage = tuple[str, Sequence[Mapping[str, Any]]]
"""Name of a part of the training and its record, a mapping for each line."""

LINEAR = ("evaluations of a solve",)  # panels that are never logarithmic


def _series(stages: Sequence[Stage], name: str) -> tuple[np.ndarray, np.ndarray]:
    """Updates since the very start, and the finite values of a metric."""
    found, offset = [(np.nan, np.nan)], 0
    for _, lines in stages:
        own = [line for line in lines if isinstance(line.get("step"), int)]
        given = [(offset + line["step"], line[name]) for line in own if isinstance(line.get(name), int | float)]
        if name.endswith("nfe"):
            given = [(step, value) for step, value in given if value > 0]  # -1 where the solver does not tell
        found += [*given, (np.nan, np.nan)]  # a gap between stages, whose losses may have other weights
        offset += max((line["step"] for line in own), default=0)
    steps, values = np.array(found, float).T
    return steps, values


def recorded(stages: Sequence[Stage]) -> list[str]:
    """Metrics of which there are finite values, in the order of their first line."""
    named = dict.fromkeys(name for _, lines in stages for line in lines for name in line)
    return [name for name in named if np.isfinite(_series(stages, name)[1]).any()]


def _starts(ax: Any, stages: Sequence[Stage], label: bool) -> None:
    """Lines between stages, and their names."""
    offset = 0
    for i, (name, lines) in enumerate(stages):
        if i:
            ax.axvline(offset, color=INK, lw=0.8, ls=(0, (2, 2)))
        if label and len(stages) > 1:
            place: Any = {"xycoords": ("data", "axes fraction"), "xytext": (3, 3 + 10 * (i % 2)), "fontsize": 8}
            ax.annotate(name, (offset, 1.0), textcoords="offset points", **place)
        offset += max((line.get("step", 0) for line in lines), default=0)


def _curves(ax: Any, stages: Sequence[Stage], panel: str, names: Sequence[str]) -> None:
    for name, colour, line in zip(names, itertools.cycle(COLOURS), itertools.cycle(LINES), strict=False):
        steps, values = _series(stages, name)
        few = np.count_nonzero(np.isfinite(values)) < 25 and (name.startswith("valid/") or len(stages) > 1)
        label = name.removeprefix("found_").replace("_", " ").replace("valid/", "validation: ")
        ax.plot(steps, values, color=colour, ls=line, lw=1.3, marker="o" if few else None, ms=2.5, label=label)
    known = np.concatenate([_series(stages, name)[1] for name in names])
    if panel not in LINEAR and np.nanmin(known) > 0 and np.nanmax(known) > 5 * np.nanmin(known):
        ax.set_yscale("log")
    if len(names) > 1 or names[0].startswith("valid/"):
        ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), handlelength=2.5)


def training_figure(
    stages: Sequence[Stage], panels: Mapping[str, Sequence[str]], marks: Mapping[str, float] | None = None
) -> Figure | None:
    """Metrics over the updates of all stages, a panel each group; none where nothing of them was recorded.

    **Arguments:** `stages`: name and record of each; `panels`: label of a panel to the metrics it shows, or patterns
    such as `valid/*`; `marks`: by
    label of a panel, a value to mark as the true one.
    """
    there = recorded(stages)
    matching = lambda pattern: [name for name in there if fnmatch.fnmatchcase(name, pattern)]
    shown = {label: list(dict.fromkeys(n for p in names for n in matching(p))) for label, names in panels.items()}
    shown = {label: names for label, names in shown.items() if names}
    if not shown:
        return None
    made = figure(6.8, 1.8 * len(shown) + 0.6)
    axes: Any = np.ravel(made.subplots(len(shown), 1, sharex=True, squeeze=False))
    for i, (ax, (label, names)) in enumerate(zip(axes, shown.items(), strict=True)):
        _curves(ax, stages, label, names)
        _starts(ax, stages, label=i == 0)
        ax.set_ylabel(label)
        if label in (marks or {}):
            ax.axhline((marks or {})[label], color=STRONG, lw=1.1, ls=(0, (1, 1.5)), label="true value")
            ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    axes[-1].set_xlabel("optimiser updates")
    return made
