"""Very long rollouts and ensembles: bounded or not, spread against error, ranks, and when members part."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from pdejax.plot.style import INK, STRONG, Look, figure, legend_above, log_axis


class LongRun(NamedTuple):
    """What became of a very long rollout.

    **Arguments:** `look`; `steps` of the records; `diverged`: the step at which each trajectory did, 0 for never;
    `distance` of the spectrum to the truth's in decades, where there is one.
    """

    look: Look
    steps: Int[np.ndarray, " record"]
    diverged: Int[np.ndarray, " trajectory"]
    distance: Float[np.ndarray, " record"] | None = None


def stability_figure(systems: Mapping[str, LongRun]) -> Figure | None:
    """Share of bounded trajectories, and distance of the spectrum to the truth's; none without a system."""
    if not systems:
        return None
    spectral = any(one.distance is not None for one in systems.values())
    made = figure(6.8, 2.0 + (2.0 if spectral else 0.0))
    axes: Any = np.ravel(made.subplots(2 if spectral else 1, 1, sharex=True, squeeze=False))
    for order, (name, one) in enumerate(systems.items()):
        bounded = ((one.diverged[None] == 0) | (one.diverged[None] > one.steps[:, None])).mean(1)
        drawn: Any = {"color": one.look.colour, "ls": one.look.line}
        axes[0].step(one.steps, bounded, lw=2.2 - 0.4 * min(order, 3), where="post", label=name, **drawn)
        if one.distance is not None:
            axes[1].plot(one.steps, one.distance, lw=1.4, **drawn)
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


class Spread(NamedTuple):
    """Spread and error of the mean of an ensemble, and by shell those and the truth, where there are spectra."""

    look: Look
    error: Float[np.ndarray, "time trajectory"]
    spread: Float[np.ndarray, "time trajectory"]
    shells: Mapping[str, Float[np.ndarray, "time shell"]] | None = None


def _root_mean(values: np.ndarray) -> np.ndarray:
    return np.sqrt(np.mean(np.square(values, dtype=np.float64), axis=1))


def _moments(count: int) -> np.ndarray:
    """Three steps: the first, one in the first quarter, the last."""
    return np.unique([0, count // 4, count - 1])


DASHED = (0, (2, 1.5))


def spread_figure(times: Float[np.ndarray, " time"], ensembles: Mapping[str, Spread]) -> Figure | None:
    """Spread against error of the ensemble mean: over time, and by shell at three times; none without an ensemble."""
    if not ensembles:
        return None
    spectral = {name: one for name, one in ensembles.items() if one.shells is not None}
    made = figure(6.8, 2.4 + 2.2 * len(spectral))
    grid = made.add_gridspec(1 + len(spectral), 3)
    ax: Any = made.add_subplot(grid[0, :])
    for name, one in ensembles.items():
        ax.plot(times, _root_mean(one.error), color=one.look.colour, label=f"{name}: error")
        ax.plot(times, _root_mean(one.spread), color=one.look.colour, ls=DASHED, label=f"{name}: spread")
    ax.set_yscale("log")
    ax.set_xlim(0, times[-1])
    ax.set_xlabel("time after the last known frame")
    ax.set_ylabel("root mean square")
    for row, (name, one) in enumerate(spectral.items(), 1):
        _spread_by_shell(made, grid, row, times, name, one)
    legend_above(made, ax, 2)
    return made


def _spread_by_shell(made: Figure, grid: Any, row: int, times: np.ndarray, name: str, one: Spread) -> None:
    spread, error, truth = (np.sqrt(np.asarray((one.shells or {})[k], float)) for k in ("spread", "error", "truth"))
    shells, first = np.arange(spread.shape[1]), None
    for column, step in enumerate(_moments(len(times))):
        ax: Any = made.add_subplot(grid[row, column], sharey=first)
        first = ax if first is None else first
        ax.plot(shells[1:], truth[step, 1:], color=STRONG, lw=2.4, alpha=0.35, label="truth")
        ax.plot(shells[1:], error[step, 1:], color=one.look.colour, lw=1.5)
        ax.plot(shells[1:], spread[step, 1:], color=one.look.colour, lw=1.5, ls=DASHED)
        log_axis(ax)
        ax.set_yscale("log")
        ax.set_title(f"t = {times[step]:.4g}", loc="left")
        ax.set_xlabel("mode number")
        ax.tick_params(labelleft=column == 0)
        if column == 0:
            ax.set_ylabel(f"{name}\namplitude per shell")


def ranks_figure(
    times: Float[np.ndarray, " time"], ranks: Mapping[str, tuple[Look, Float[np.ndarray, "time rank"]]]
) -> Figure | None:
    """Rank histograms at three times; the line is what a calibrated ensemble gives; none without an ensemble."""
    if not ranks:
        return None
    steps = _moments(len(times))
    made = figure(6.8, 1.9 * len(ranks) + 0.3)
    axes: Any = made.subplots(len(ranks), len(steps), sharex="row", squeeze=False)
    for row, (name, (look, counted)) in zip(axes, ranks.items(), strict=True):
        for ax, step in zip(row, steps, strict=True):
            counts = np.asarray(counted[step], float)
            ax.bar(np.arange(len(counts)), counts / counts.sum() * len(counts), width=0.9, color=look.colour)
            ax.axhline(1, color=INK, lw=1, ls=(0, (3, 2)))
            ax.set_title(f"t = {times[step]:.4g}", loc="left")
            ax.set_xlabel("rank of the truth")
        row[0].set_ylabel(f"{name}\nfrequency / expected")
    return made


class Alarm(NamedTuple):
    """When the members of each trajectory part, when they lose the truth, and which of these are only bounds."""

    label: str
    look: Look
    told: Float[np.ndarray, " trajectory"]
    true: Float[np.ndarray, " trajectory"]
    bound: Bool[np.ndarray, " trajectory"]


def alarm_figure(panels: Mapping[str, Sequence[Alarm]]) -> Figure | None:
    """Time at which members part against the time at which they lose the truth, each trajectory a point.

    **Arguments:** `panels`: ensembles by title. None without an ensemble.
    """
    if not any(panels.values()):
        return None
    made = figure(6.8, 3.7)
    axes: Any = made.subplots(1, len(panels), sharex=True, sharey=True, squeeze=False)[0]
    for ax, (title, ensembles) in zip(axes, panels.items(), strict=True):
        for one in ensembles:
            marks: Any = {"color": one.look.colour, "ms": 4, "alpha": 0.7}
            ax.plot(one.told[~one.bound], one.true[~one.bound], "o", label=one.label, **marks)
            ax.plot(one.told[one.bound], one.true[one.bound], "o", mfc="none", **marks)
        ax.axline((0, 0), slope=1, color=INK, lw=0.8, ls=(0, (3, 2)))
        ax.set_title(title, loc="left")
        ax.legend(loc="upper left")
        ax.set_xlim(left=0)
        ax.set_ylim(bottom=0)
    made.supxlabel("time until the members disagree", fontsize=9)
    made.supylabel("time until they lose the truth", fontsize=9)
    return made
