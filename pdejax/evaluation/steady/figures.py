"""Pictures of steady solutions: inputs beside truth and prediction, and how errors spread over the samples."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import ScalarFormatter

from pdejax.evaluation.rollouts.document import Evaluation
from pdejax.evaluation.rollouts.pictures import limits, triple
from pdejax.plot import DIFFERENCE, INK, SEQUENTIAL, SYSTEM_COLOURS, SYSTEM_LINES, figure


def _panels(evaluation: Evaluation, channel: int) -> list[list[tuple[str, np.ndarray, Any]]]:
    """Per example: title, values and colours (map, low, high) of the inputs, truth, prediction and difference."""
    inputs = evaluation.document["dataset"]["inputs"]
    rows = []
    for example in range(len(evaluation.arrays["example/trajectory"])):
        row: list[tuple[str, np.ndarray, Any]] = []
        for i, name in enumerate(inputs):
            values = evaluation.arrays["example/input"][example, ..., i]
            row.append((f"input {name}", values, (SEQUENTIAL, float(values.min()), float(values.max()))))
        (_, truth), (_, model), (_, difference) = (
            (title, values[0]) for title, values in triple(evaluation, example, channel)
        )
        scale, most = limits(truth), max(float(np.nanmax(np.abs(difference))), 1e-30)
        row += [("truth", truth, scale), ("prediction", model, scale)]
        row.append(("prediction minus truth", difference, (DIFFERENCE, -most, most)))
        rows.append(row)
    return rows


def steady_figure(evaluation: Evaluation, channel: int = 0) -> Figure:
    """Inputs, truth, prediction and difference of a typical sample and of the worst one.

    **Arguments:** `evaluation` of a steady problem; `channel`: of the solution.
    """
    rows, dataset = _panels(evaluation, channel), evaluation.document["dataset"]
    made = figure(2.3 * len(rows[0]) + 0.4, 2.2 * len(rows) + 0.3)
    axes: Any = made.subplots(len(rows), len(rows[0]), squeeze=False)
    for line, row in zip(axes, rows, strict=True):
        for ax, (title, values, (colours, low, high)) in zip(line, row, strict=True):
            ax.set_title(title, fontsize=8)
            if values.ndim == 1:
                ax.plot(np.linspace(0, dataset["lengths"][0], len(values)), values, color=SYSTEM_COLOURS["model"])
                continue
            ax.grid(False)
            image = ax.imshow(
                np.ma.masked_invalid(values.T),
                origin="lower",
                extent=(0.0, dataset["lengths"][0], 0.0, dataset["lengths"][1]),
                cmap=colours,
                vmin=low,
                vmax=high,
                interpolation="nearest",
            )
            ax.set_xticks([])
            ax.set_yticks([])
            shown = ScalarFormatter()
            shown.set_powerlimits((-2, 3))
            made.colorbar(image, ax=ax, pad=0.02, fraction=0.046, format=shown)
    for line, role, number in zip(axes, ("typical", "worst"), evaluation.arrays["example/trajectory"], strict=False):
        line[0].set_ylabel(f"{role}, sample {int(number)}")
    return made


def distribution_figure(evaluation: Evaluation) -> Figure:
    """The share of samples whose relative error is below a value, for all systems."""
    made = figure(6.8, 3.2)
    ax: Any = made.subplots()
    for system, entry in evaluation.document["systems"].items():
        errors = np.sort(np.asarray(evaluation.arrays[f"{system}/nrmse"], float)[-1])
        errors = np.maximum(errors, 1e-9)
        share = np.arange(1, len(errors) + 1) / len(errors)
        colour = SYSTEM_COLOURS.get(system, INK)
        ax.step(errors, share, where="post", color=colour, ls=SYSTEM_LINES.get(system, "-"), label=entry["label"])
    ax.set_xscale("log")
    ax.set_ylim(0, 1.02)
    ax.set_xlabel("relative L2 error")
    ax.set_ylabel("share of samples below")
    made.legend(*ax.get_legend_handles_labels(), loc="outside upper center", ncols=3, handlelength=3)
    return made
