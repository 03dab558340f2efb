"""Pictures of a comparison: curves, gains, spectra, errors by shell, the accuracy-cost frontier."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from pdejax.evaluation.comparison.measure import SOLVER, Comparison
from pdejax.evaluation.comparison.parts import FRONTIERS
from pdejax.evaluation.metrics.table import METRICS
from pdejax.evaluation.rollouts.figures import SIGNAL
from pdejax.plot import FAINT, INK, STRONG, figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8a8f98")
LINES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (6, 1.5, 1, 1.5)), (0, (1, 1.2)), (0, (3, 1.5, 1, 1.5, 1, 1.5)))
GAINS = ("correlation_time_0.8", "correlation_time_0.9", "correlation_time_0.8_each", "correlation_time_0.9_each")


def looks(comparison: Comparison) -> dict[str, tuple[str, Any]]:
    """Colour and line style of every model, then of the ensembles of several models."""
    names = dict.fromkeys([*comparison.models(), *comparison.document["ensembles"]])
    return {n: (COLOURS[i % len(COLOURS)], LINES[i % len(LINES)]) for i, n in enumerate(names)}


def legend_above(made: Figure, ax: Any, columns: int = 3) -> None:
    """One legend for all axes, above them."""
    made.legend(*ax.get_legend_handles_labels(), loc="outside upper center", ncols=columns, handlelength=3)


def _numbers(values: Sequence[float | None]) -> np.ndarray:
    return np.array([np.nan if v is None else v for v in values], float)


def _lyapunov_axis(comparison: Comparison, ax: Any) -> None:
    """The same times in Lyapunov times, on top."""
    unit = comparison.document["lyapunov"]["time"]
    if unit is None:
        return
    above = ax.secondary_xaxis("top", functions=(lambda t: t / unit, lambda t: t * unit))
    above.set_xlabel("Lyapunov times")


def curves_figure(comparison: Comparison) -> Figure:
    """nRMSE and correlation over time of the models and the generating solver, with bootstrap bands."""
    made = figure(6.8, 5.8)
    axes: Any = made.subplots(2, 1, sharex=True)
    times = comparison.document["times"]
    styles = looks(comparison)
    drawn = {SOLVER: (STRONG, (0, (1, 1.2)))} | {name: styles[name] for name in comparison.models()}
    for ax, quantity in zip(axes, ("nrmse", "correlation"), strict=True):
        for name, (colour, line) in drawn.items():
            entry = comparison.system(name)
            mean, low, high = (_numbers(entry["curves"][quantity][k]) for k in ("mean", "low", "high"))
            ax.fill_between(times, low, high, color=colour, alpha=0.16, lw=0)
            ax.plot(times, mean, color=colour, ls=line, lw=1.2 if name == SOLVER else 1.7, label=entry["label"])
    axes[0].set_yscale("log")
    low, high = axes[0].get_ylim()
    axes[0].set_ylim(max(low, 1e-8), min(high, 30))
    axes[0].set_ylabel("nRMSE")
    axes[0].set_xlim(0, times[-1])
    for threshold in comparison.document["protocol"]["thresholds"]:
        axes[1].axhline(threshold, color=INK, lw=0.8, ls=(0, (2, 2)))
    axes[1].set_ylim(min(-0.05, axes[1].get_ylim()[0]), 1.03)
    axes[1].set_ylabel("correlation")
    axes[1].set_xlabel("time after the last known frame")
    _lyapunov_axis(comparison, axes[0])
    legend_above(made, axes[0])
    return made


def gains_figure(comparison: Comparison) -> Figure | None:
    """Relative gain in correlation time over the reference, with paired intervals; none with a single model."""
    base = comparison.document["protocol"]["reference"]
    names = [name for name in comparison.models() if name != base]
    if not names:
        return None
    made = figure(6.8, 0.8 + 0.32 * len(names) * len(GAINS) / 2 + 0.5)
    axes: Any = made.subplots(1, 2, sharey=True, sharex=True)
    styles = looks(comparison)
    for ax, each in zip(axes, ("", "_each"), strict=True):
        ax.axvline(0, color=INK, lw=0.8)
        labels, place = [], 0
        for name in names:
            for threshold in comparison.document["protocol"]["thresholds"]:
                entry = comparison.system(name)["against_reference"][f"correlation_time_{threshold}{each}"]
                if entry["gain"] is not None:
                    low, high = entry["gain_interval"] or (entry["gain"],) * 2
                    ax.plot([low, high], [place, place], color=styles[name][0], lw=2)
                    ax.plot(entry["gain"], place, "o", color=styles[name][0], ms=5)
                labels.append(f"{name}, {threshold}")
                place += 1
        ax.set_yticks(range(place), labels)
        ax.set_ylim(place - 0.5, -0.5)
        ax.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        ax.xaxis.set_major_locator(MaxNLocator(5))
        ax.set_title("mean of each" if each else "of the mean", loc="left")
    made.supxlabel(f"gain in high-correlation time over {base}", fontsize=9)
    return made


def _panels(count: int) -> tuple[int, int]:
    columns = min(count, 2)
    return -(-count // columns), columns


def spectra_figure(comparison: Comparison) -> Figure:
    """Energy spectra of truth and models, and of the models' errors, after one step and at the end."""
    arrays, times = comparison.arrays, comparison.arrays["times"]
    made = figure(6.8, 5.6)
    axes: Any = made.subplots(2, 2, sharex=True, sharey="row", squeeze=False)
    truth = np.asarray(arrays["truth/spectrum"], float)
    shells = np.arange(truth.shape[1])
    for column, step in enumerate((0, len(times) - 1)):
        for row, quantity in enumerate(("spectrum", "error_spectrum")):
            ax = axes[row, column]
            ax.plot(shells[1:], truth[step, 1:], color=STRONG, lw=2.6, alpha=0.4, label="truth")
            for name in comparison.models():
                colour, line = looks(comparison)[name]
                energy = np.asarray(arrays[f"{name}/{quantity}"][step], float)
                ax.plot(shells[1:], np.where(energy > 0, energy, np.nan)[1:], color=colour, ls=line, lw=1.4, label=name)
            ax.set_xscale("log")
            ax.set_yscale("log")
            ax.set_title(f"{('fields', 'errors')[row]} at t = {times[step]:.4g}", loc="left")
    top = float(np.nanmax(truth))
    for ax in axes[:, 0]:
        low, _ = ax.get_ylim()
        ax.set_ylim(max(low, top * SIGNAL * 1e-4), top * 5)
        ax.set_ylabel("energy per shell")
    for ax in axes[1]:
        ax.set_xlabel("mode number")
    legend_above(made, axes[0, 0], 4)
    return made


def mode_error_figure(comparison: Comparison) -> Figure:
    """Relative error of each shell over time, one map per model on a common scale."""
    arrays, times = comparison.arrays, np.asarray(comparison.arrays["times"], float)
    names, truth = comparison.models(), np.asarray(comparison.arrays["truth/spectrum"], float)
    signal = (truth > SIGNAL * truth.sum(1, keepdims=True)) & (truth > 0)
    rows, columns = _panels(len(names))
    made = figure(6.8, 2.3 * rows + 0.5)
    axes: Any = made.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    image: Any = None
    for ax, name in zip(axes.ravel(), names, strict=False):
        error = np.asarray(arrays[f"{name}/error_spectrum"], float)
        floor = np.where(signal, truth, 1.0) * 1e-16
        relative = np.where(signal, 0.5 * np.log10(np.maximum(error, floor) / np.where(signal, truth, 1.0)), np.nan)
        ax.grid(False)
        ax.set_facecolor(FAINT)
        extent = (0.0, times[-1], -0.5, truth.shape[1] - 0.5)
        options: Any = {"origin": "lower", "aspect": "auto", "extent": extent, "interpolation": "nearest"}
        image = ax.imshow(np.ma.masked_invalid(relative.T), cmap="cividis", vmin=-4, vmax=0.3, **options)
        ax.yaxis.set_major_locator(MaxNLocator(integer=True))
        ax.set_title(name, loc="left")
    for ax in axes.ravel()[len(names) :]:
        ax.remove()
    made.supxlabel("time after the last known frame", fontsize=9)
    made.supylabel("mode number", fontsize=9)
    made.colorbar(image, ax=list(axes.ravel()[: len(names)]), pad=0.01, extend="both").set_label(
        "log10 of relative error"
    )
    return made


def _points(comparison: Comparison, ax: Any, metric: str) -> None:
    """Every system by cost and metric; open marks are bounds, the line is the solver's frontier."""
    styles, solvers = looks(comparison), []
    for name, one in comparison.document["systems"].items():
        entry, cost = one["metrics"][metric], one["cost"]
        if entry["value"] is None:
            continue
        model = one["kind"] == "model"
        colour = styles[name][0] if model else STRONG
        face = "none" if entry["censored"] else colour
        ax.plot(cost["seconds_per_time"], entry["value"], "o" if model else "s", color=colour, mfc=face,
                ms=7 if model else 4, zorder=5 if model else 3,
                label=name if model else "solver" if not solvers else None)  # fmt: skip
        if entry["interval"]:
            ax.plot([cost["seconds_per_time"]] * 2, entry["interval"], color=colour, lw=1, zorder=2)
        if not model:
            solvers.append((name, cost["seconds_per_time"], entry["value"]))
    front = set(comparison.document["solver_frontier"][metric])
    line = sorted((cost, value, name) for name, cost, value in solvers if name in front)
    ax.plot([cost for cost, *_ in line], [value for _, value, _ in line], color=STRONG, lw=1, alpha=0.5, zorder=1)
    for cost, value, name in line:
        at = comparison.system(name)["resolution"]
        text = f"{'×'.join(map(str, at['shape']))} / {at['substeps']}"
        ax.annotate(text, (cost, value), xytext=(5, 3), textcoords="offset points", fontsize=6, color=INK)


def frontier_figure(comparison: Comparison) -> Figure:
    """Cost of a simulated unit of time against one-step error and high-correlation time."""
    made = figure(6.8, 3.6)
    axes: Any = made.subplots(1, 2)
    for ax, (metric, better) in zip(axes, FRONTIERS.items(), strict=True):
        _points(comparison, ax, metric)
        ax.set_xscale("log")
        ax.set_title(f"{METRICS[metric].label}, {better} is better", loc="left")
    axes[0].set_yscale("log")
    axes[1].set_ylim(bottom=0)
    made.supxlabel("seconds per simulated unit of time, one trajectory of a batch", fontsize=9)
    legend_above(made, axes[0], 4)
    return made
