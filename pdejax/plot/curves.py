"""Numbers over time, over samples and over the updates of a training."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from pdejax.plot.style import COLOURS, FAINT, INK, LINES, STRONG, Look, figure, legend_above


class Band(NamedTuple):
    """A curve with its interval; NaN where it is not known."""

    mean: Float[np.ndarray, " time"]
    low: Float[np.ndarray, " time"]
    high: Float[np.ndarray, " time"]


class System(NamedTuple):
    """The curves of one system and how they are drawn; the first of several lies on top."""

    label: str
    look: Look
    error: Band
    correlation: Band
    width: float = 1.3


def error_figure(
    times: Float[np.ndarray, " time"],
    systems: Sequence[System],
    thresholds: Sequence[float] = (),
    lyapunov_time: float | None = None,
) -> Figure:
    """nRMSE and correlation over time of several systems, with bootstrap bands.

    **Arguments:** `times`; `systems`; `thresholds` of the correlation to mark; `lyapunov_time`: unit of a second axis.
    """
    made = figure(6.8, 5.6)
    axes: Any = made.subplots(2, 1, sharex=True)
    for order, one in enumerate(systems):
        for ax, band in zip(axes, (one.error, one.correlation), strict=True):
            ax.fill_between(times, band.low, band.high, color=one.look.colour, alpha=0.17, lw=0, zorder=10 - order)
            drawn: Any = {"color": one.look.colour, "ls": one.look.line, "lw": one.width, "zorder": 10 - order}
            ax.plot(times, band.mean, label=one.label, **drawn)
    axes[0].set_yscale("log")
    low, high = axes[0].get_ylim()
    axes[0].set_ylim(max(low, 1e-8), min(high, 30))
    axes[0].set_xlim(0, times[-1])
    axes[0].set_ylabel("nRMSE")
    for threshold in thresholds:
        axes[1].axhline(threshold, color=INK, lw=0.8, ls=(0, (2, 2)))
        place: Any = {"xycoords": ("axes fraction", "data"), "xytext": (3, 0), "textcoords": "offset points"}
        axes[1].annotate(f"{threshold}", (1, threshold), va="center", fontsize=8, **place)
    axes[1].set_ylim(min(-0.05, axes[1].get_ylim()[0]), 1.03)
    axes[1].set_ylabel("correlation")
    axes[1].set_xlabel("time after the last known frame")
    if lyapunov_time is not None:
        unit = lyapunov_time
        above = axes[0].secondary_xaxis("top", functions=(lambda t: t / unit, lambda t: t * unit))
        above.set_xlabel("Lyapunov times")
    legend_above(made, axes[0])
    return made


def distribution_figure(errors: Mapping[str, tuple[Look, Float[np.ndarray, " sample"]]]) -> Figure:
    """The share of samples whose relative error is below a value.

    **Arguments:** `errors`: look and errors of every system by its label.
    """
    made = figure(6.8, 3.2)
    ax: Any = made.subplots()
    for label, (look, values) in errors.items():
        sizes = np.maximum(np.sort(np.asarray(values, float)), 1e-9)
        share = np.arange(1, len(sizes) + 1) / len(sizes)
        ax.step(sizes, share, where="post", color=look.colour, ls=look.line, label=label)
    ax.set_xscale("log")
    ax.set_ylim(0, 1.02)
    ax.set_xlabel("relative L2 error")
    ax.set_ylabel("share of samples below")
    legend_above(made, ax)
    return made


def error_in_time_figure(
    times: Float[np.ndarray, " time"],
    errors: Mapping[str, Float[np.ndarray, " time"]],
    floor: float = 0.0,
    claim: float = 3.0,
) -> Figure:
    """Relative errors at each time, with the floor of the truth.

    **Arguments:** `times`; `errors` by their labels; `floor` of the truth; `claim`: how many floors an error must have.
    """
    made = figure(6.8, 2.9)
    ax: Any = made.subplots()
    for (label, values), colour, line in zip(errors.items(), itertools.cycle(COLOURS), itertools.cycle(LINES)):
        ax.plot(times, np.where(values > 0, values, np.nan), color=colour, ls=line, label=label)
    if floor > 0:
        ax.axhline(floor, color=STRONG, lw=1, ls=(0, (1, 1.5)), label="floor of the truth")
        ax.axhspan(0, claim * floor, color=FAINT, lw=0, alpha=0.6, zorder=0, label="not claimed")
    ax.set_yscale("log")
    low, high = ax.get_ylim()
    ax.set_ylim(min(low, high / 10), high)  # no less than a decade, so that small changes look small
    ax.set_xlabel("t")
    ax.set_ylabel("relative error")
    ax.set_xlim(times[0], times[-1])
    legend_above(made, ax, 4)
    return made
