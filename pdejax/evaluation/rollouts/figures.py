"""Pictures of numbers: error and correlation curves, spectra, errors by mode, training."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from pdejax.evaluation.rollouts.document import Evaluation
from pdejax.plot import FAINT, INK, STRONG, SYSTEM_COLOURS, SYSTEM_LINES, figure

SIGNAL = 1e-12  # of the truth's energy: below it float32 data hold round-off


def _numbers(values: Sequence[float | None]) -> np.ndarray:
    return np.array([np.nan if v is None else v for v in values], float)


def _draw_curves(ax: Any, evaluation: Evaluation, name: str) -> None:
    times = evaluation.document["times"]
    for order, (system, entry) in enumerate(evaluation.document["systems"].items()):
        mean, low, high = (_numbers(entry["curves"][name][k]) for k in ("mean", "low", "high"))
        colour = SYSTEM_COLOURS.get(system, INK)
        width = 2.0 if system == "model" else 1.3
        zorder = 10 - order
        ax.fill_between(times, low, high, color=colour, alpha=0.18, lw=0, zorder=zorder)
        ax.plot(
            times, mean, color=colour, ls=SYSTEM_LINES.get(system, "-"), lw=width, label=entry["label"], zorder=zorder
        )
    ax.set_xlim(0, times[-1])


def error_figure(evaluation: Evaluation) -> Figure:
    """nRMSE and correlation over time of all systems, with bootstrap bands and the threshold lines."""
    made = figure(6.8, 5.6)
    axes: Any = made.subplots(2, 1, sharex=True)
    _draw_curves(axes[0], evaluation, "nrmse")
    axes[0].set_yscale("log")
    low, high = axes[0].get_ylim()
    axes[0].set_ylim(max(low, 1e-8), min(high, 30))
    axes[0].set_ylabel("nRMSE")
    _draw_curves(axes[1], evaluation, "correlation")
    for threshold in evaluation.document["protocol"]["thresholds"]:
        axes[1].axhline(threshold, color=INK, lw=0.8, ls=(0, (2, 2)))
        axes[1].annotate(
            f"{threshold}",
            (1, threshold),
            xycoords=("axes fraction", "data"),
            xytext=(3, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
        )
    axes[1].set_ylim(min(-0.05, axes[1].get_ylim()[0]), 1.03)
    axes[1].set_ylabel("correlation")
    axes[1].set_xlabel("time after the last known frame")
    made.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=3, handlelength=3)
    return made


def _chosen_steps(count: int, panels: int = 4) -> np.ndarray:
    """First, last and geometrically spaced steps between."""
    return np.unique(np.rint(np.geomspace(1, count, panels)).astype(int)) - 1


def spectrum_figure(evaluation: Evaluation) -> Figure:
    """Energy spectra of truth, prediction and error at several times."""
    arrays, times = evaluation.arrays, evaluation.arrays["times"]
    steps = _chosen_steps(len(times))
    made = figure(6.8, 2.2 * ((len(steps) + 1) // 2) + 0.5)
    axes: Any = np.ravel(made.subplots((len(steps) + 1) // 2, 2, sharex=True, sharey=True, squeeze=False))
    shells = np.arange(arrays["truth/spectrum"].shape[1])
    top = float(np.nanmax(arrays["truth/spectrum"]))
    drawn = {
        "truth": ("truth/spectrum", STRONG, "-", 2.6, 0.45),
        "prediction": ("model/spectrum", "#0072B2", "-", 1.4, 1),
        "error": ("model/error_spectrum", "#D55E00", (0, (4, 2)), 1.2, 1),
    }
    for ax, step in zip(axes, steps, strict=False):
        for label, (name, colour, line, width, alpha) in drawn.items():
            energy = np.where(arrays[name][step] > 0, arrays[name][step], np.nan)
            ax.plot(shells[1:], energy[1:], color=colour, ls=line, lw=width, alpha=alpha, label=label)
        ax.set_xscale("log")
        ax.set_yscale("log")
        ax.set_title(f"t = {times[step]:.4g}", loc="left")
    for ax in axes[len(steps) :]:
        ax.remove()
    axes[0].set_ylim(top * SIGNAL * 1e-3, top * 5)
    for ax in axes[: len(steps)]:
        if ax.get_subplotspec().is_last_row() or len(steps) < 3:
            ax.set_xlabel("mode number")
    made.supylabel("energy per shell", fontsize=9)
    made.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return made


def mode_error_figure(evaluation: Evaluation) -> Figure:
    """Relative error of each shell over time, where the truth has energy above round-off."""
    arrays, times = evaluation.arrays, np.asarray(evaluation.arrays["times"], float)
    truth, error = (np.asarray(arrays[name], float) for name in ("truth/spectrum", "model/error_spectrum"))
    signal = truth > SIGNAL * truth.sum(1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = np.where(signal, np.log10(np.sqrt(error / truth)), np.nan)
    made = figure(6.8, 2.9)
    ax: Any = made.subplots()
    ax.grid(False)
    ax.set_facecolor(FAINT)
    low = np.nanmin(relative) if np.isfinite(relative).any() else -1.0
    step = times[0]
    image = ax.imshow(
        np.ma.masked_invalid(relative.T),
        origin="lower",
        aspect="auto",
        extent=(times[0] - step / 2, times[-1] + step / 2, -0.5, relative.shape[1] - 0.5),
        cmap="cividis",
        vmin=max(np.floor(low), -6),
        vmax=0.3,
        interpolation="nearest",
    )
    ax.set_xlabel("time after the last known frame")
    ax.set_ylabel("mode number")
    ax.yaxis.set_major_locator(MaxNLocator(integer=True))
    bar = made.colorbar(image, ax=ax, pad=0.01, extend="both")
    bar.set_label("log10 of relative error")
    return made


COUNTS = "evaluations of a solve"


def training_figure(lines: Sequence[Mapping[str, Any]]) -> Figure | None:
    """Loss, validation metrics, learning rate, gradient norm, and evaluations of a solve over updates; none without
    any of them."""

    def series(name: str) -> tuple[np.ndarray, np.ndarray]:
        found = [(entry["step"], entry[name]) for entry in lines if isinstance(entry.get(name), int | float)]
        steps, values = (np.array(x, float) for x in zip(*found, strict=True)) if found else (np.zeros(0),) * 2
        keep = np.isfinite(values)
        if name.endswith("nfe"):
            keep &= values > 0  # -1 where the solver does not tell
        return steps[keep], values[keep]

    groups = [
        ("loss", [("loss", "training", "#0072B2", "-"), ("valid/loss", "validation", "#D55E00", (0, (4, 2)))]),
        ("learning rate", [("learning_rate", "", "#009E73", "-")]),
        ("gradient norm", [("grad_norm", "", "#CC79A7", "-")]),
        (COUNTS, [("nfe", "training", "#0072B2", "-"), ("valid/nfe", "validation", "#D55E00", (0, (4, 2)))]),
    ]
    shown = [(label, [s for s in names if len(series(s[0])[0])]) for label, names in groups]
    shown = [(label, names) for label, names in shown if names]
    if not shown:
        return None
    made = figure(6.8, 1.9 * len(shown) + 0.5)
    axes: Any = np.ravel(made.subplots(len(shown), 1, sharex=True, squeeze=False))
    for ax, (label, names) in zip(axes, shown, strict=True):
        for name, text, colour, line in names:
            steps, values = series(name)
            marker = "o" if len(steps) < 25 and name.startswith("valid") else None
            ax.plot(steps, values, color=colour, ls=line, lw=1.3, label=text, marker=marker, ms=3)
        ax.set_ylabel(label)
        if label != COUNTS and min(np.min(series(name)[1]) for name, *_ in names) > 0:
            ax.set_yscale("log")
        if len(names) > 1:
            ax.legend(ncols=2)
    axes[-1].set_xlabel("optimiser updates")
    return made
