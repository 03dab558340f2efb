"""Pictures of very long rollouts and of ensembles."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from pdejax.evaluation.comparison.figures import legend_above, looks
from pdejax.evaluation.comparison.measure import Comparison
from pdejax.evaluation.metrics.horizon import first_crossing
from pdejax.plot import INK, STRONG, figure


def _stable(comparison: Comparison) -> list[str]:
    return [name for name in comparison.models() if f"{name}/long_step" in comparison.arrays]


def stability_figure(comparison: Comparison) -> Figure | None:
    """Share of bounded trajectories, and distance of the spectrum to the truth's, over very many steps."""
    names, arrays, styles = _stable(comparison), comparison.arrays, looks(comparison)
    if not names:
        return None
    spectral = any(f"{name}/long_distance" in arrays for name in names)
    made = figure(6.8, 2.0 + (2.0 if spectral else 0.0))
    axes: Any = np.ravel(made.subplots(2 if spectral else 1, 1, sharex=True, squeeze=False))
    for order, name in enumerate(names):
        colour, line = styles[name]
        steps, diverged = arrays[f"{name}/long_step"], arrays[f"{name}/long_diverged_step"]
        bounded = ((diverged[None] == 0) | (diverged[None] > steps[:, None])).mean(1)
        axes[0].step(steps, bounded, color=colour, ls=line, lw=2.2 - 0.4 * min(order, 3), where="post", label=name)
        if f"{name}/long_distance" in arrays:
            axes[1].plot(steps, arrays[f"{name}/long_distance"], color=colour, ls=line, lw=1.4)
    axes[0].set_ylim(-0.04, 1.06)
    axes[0].yaxis.set_major_formatter(PercentFormatter(1.0))
    axes[0].set_ylabel("bounded")
    axes[0].set_xlim(0, None)
    if spectral:
        axes[1].set_ylim(bottom=0)
        axes[1].set_ylabel("spectrum distance\n(decades)")
    axes[-1].set_xlabel("steps")
    legend_above(made, axes[0])
    return made


def ensembles(comparison: Comparison) -> list[str]:
    """Names of the ensembles that could be made."""
    return [name for name in comparison.document["ensembles"] if f"{name}/ensemble_crps" in comparison.arrays]


def _root_mean(values: np.ndarray) -> np.ndarray:
    return np.sqrt(np.mean(np.square(values, dtype=np.float64), axis=1))


def spread_figure(comparison: Comparison) -> Figure | None:
    """Spread against error of the ensemble mean: over time, and by shell at three times."""
    names, arrays, styles = ensembles(comparison), comparison.arrays, looks(comparison)
    if not names:
        return None
    times = np.asarray(arrays["times"], float)
    spectral = [name for name in names if f"{name}/ensemble_spread_spectrum" in arrays]
    made = figure(6.8, 2.4 + 2.2 * len(spectral))
    grid = made.add_gridspec(1 + len(spectral), 3)
    ax: Any = made.add_subplot(grid[0, :])
    for name in names:
        colour = styles[name][0]
        ax.plot(times, _root_mean(arrays[f"{name}/ensemble_mean_error"]), color=colour, label=f"{name}: error")
        spread = _root_mean(arrays[f"{name}/ensemble_spread"])
        ax.plot(times, spread, color=colour, ls=(0, (2, 1.5)), label=f"{name}: spread")
    ax.set_yscale("log")
    ax.set_xlim(0, times[-1])
    ax.set_xlabel("time after the last known frame")
    ax.set_ylabel("root mean square")
    for row, name in enumerate(spectral, 1):
        _spread_by_shell(comparison, made, grid, row, name)
    legend_above(made, ax, 2)
    return made


def _spread_by_shell(comparison: Comparison, made: Figure, grid: Any, row: int, name: str) -> None:
    arrays, times, colour = comparison.arrays, comparison.arrays["times"], looks(comparison)[name][0]
    spread, error, truth = (
        np.sqrt(np.asarray(arrays[f"{name}/ensemble_{k}_spectrum"], float)) for k in ("spread", "mean_error", "truth")
    )
    shells, first = np.arange(spread.shape[1]), None
    for column, step in enumerate(np.unique([0, len(times) // 4, len(times) - 1])):
        ax: Any = made.add_subplot(grid[row, column], sharey=first)
        first = ax if first is None else first
        ax.plot(shells[1:], truth[step, 1:], color=STRONG, lw=2.4, alpha=0.35, label="truth")
        ax.plot(shells[1:], error[step, 1:], color=colour, lw=1.5)
        ax.plot(shells[1:], spread[step, 1:], color=colour, lw=1.5, ls=(0, (2, 1.5)))
        ax.set_xscale("log")
        ax.set_yscale("log")
        ax.set_title(f"t = {times[step]:.4g}", loc="left")
        ax.set_xlabel("mode number")
        ax.tick_params(labelleft=column == 0)
        if column == 0:
            ax.set_ylabel(f"{name}\namplitude per shell")


def ranks_figure(comparison: Comparison) -> Figure | None:
    """Rank histograms at three times; the line is what a calibrated ensemble gives."""
    names, arrays, styles = ensembles(comparison), comparison.arrays, looks(comparison)
    if not names:
        return None
    times = arrays["times"]
    steps = np.unique([0, len(times) // 4, len(times) - 1])
    made = figure(6.8, 1.9 * len(names) + 0.3)
    axes: Any = made.subplots(len(names), len(steps), sharex="row", squeeze=False)
    for row, name in zip(axes, names, strict=True):
        for ax, step in zip(row, steps, strict=True):
            counts = np.asarray(arrays[f"{name}/ensemble_ranks"][step], float)
            share = counts / counts.sum() * len(counts)
            ax.bar(np.arange(len(counts)), share, width=0.9, color=styles[name][0])
            ax.axhline(1, color=INK, lw=1, ls=(0, (3, 2)))
            ax.set_title(f"t = {times[step]:.4g}", loc="left")
            ax.set_xlabel("rank of the truth")
        row[0].set_ylabel(f"{name}\nfrequency / expected")
    return made


def alarm_figure(comparison: Comparison) -> Figure | None:
    """Time at which members part against the time at which they lose the truth, each trajectory a point."""
    names, arrays, styles = ensembles(comparison), comparison.arrays, looks(comparison)
    if not names:
        return None
    thresholds = comparison.document["protocol"]["thresholds"]
    made = figure(6.8, 3.7)
    axes: Any = made.subplots(1, len(thresholds), sharex=True, sharey=True)
    times = arrays["times"]
    for ax, threshold in zip(np.ravel(axes), thresholds, strict=True):
        for name in names:
            told, told_open = first_crossing(arrays[f"{name}/ensemble_cross_correlation"], times, threshold)
            true, true_open = first_crossing(arrays[f"{name}/ensemble_member_correlation"], times, threshold)
            found = comparison.document["ensembles"][name]["alarm"][str(threshold)]["r_squared"]
            label = name if found is None else f"{name}, R² = {found:.2f}"
            known, marks = ~(told_open | true_open), {"color": styles[name][0], "ms": 4, "alpha": 0.7}
            ax.plot(told[known], true[known], "o", label=label, **marks)
            ax.plot(told[~known], true[~known], "o", mfc="none", **marks)
        ax.axline((0, 0), slope=1, color=INK, lw=0.8, ls=(0, (3, 2)))
        ax.set_title(f"correlation below {threshold}", loc="left")
        ax.legend(loc="upper left")
        ax.set_xlim(left=0)
        ax.set_ylim(bottom=0)
    made.supxlabel("time until the members disagree", fontsize=9)
    made.supylabel("time until they lose the truth", fontsize=9)
    return made
