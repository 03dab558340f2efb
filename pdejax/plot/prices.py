"""What accuracy costs: solvers with their lower envelope, and networks beside it."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from pdejax.plot.style import FAINT, INK, STRONG, Look, figure, legend_above

APART = 0.12  # of an axis, between names


class SolverPoint(NamedTuple):
    """A classical solver by cost and error; its `label` is for the envelope, `sure` if it was timed in turns."""

    cost: float
    error: float
    label: str
    sure: bool


class NetworkPoint(NamedTuple):
    """A network by its cost and error.

    **Arguments:** `label`, `look`; `cost` with `costs`, the extreme ones; `error` and the `worse` one of most
    trajectories; `equal`: cost of the solver of the same error.
    """

    label: str
    look: Look
    cost: float
    costs: Sequence[float]
    error: float
    worse: float
    equal: float


class PricePanel(NamedTuple):
    """Solvers, numbers of those on the envelope by rising cost, networks, and the floor of the truth."""

    solvers: Sequence[SolverPoint]
    envelope: Sequence[int]
    networks: Sequence[NetworkPoint]
    floor: float


def prices_figure(panels: Mapping[str, PricePanel], cost: str) -> Figure:
    """Error over cost, both logarithmic; a dashed line joins a network with the envelope at its error.

    **Arguments:** `panels`: by title; `cost`: label of the axis.
    """
    made = figure(6.8 if len(panels) > 1 else 4.6, 3.7)
    axes: Any = made.subplots(1, len(panels), squeeze=False, sharex=True)[0]
    for ax, (title, panel) in zip(axes, panels.items(), strict=True):
        ax.set_xscale("log")
        ax.set_yscale("log")
        _solvers(ax, panel)
        for one in panel.networks:
            _network(ax, one)
        ax.set_title(title, loc="left")
        _ticks(ax)
        _labels(ax, panel)
    made.supxlabel(cost, fontsize=9)
    legend_above(made, axes[0], 4)
    return made


def _solvers(ax: Any, panel: PricePanel) -> None:
    sure = [one for one in panel.solvers if one.sure]
    others = [one for one in panel.solvers if not one.sure]
    marks: Any = {"ls": "none", "marker": "s", "ms": 3.6, "color": STRONG}
    ax.plot([p.cost for p in others], [p.error for p in others], mfc="none", mew=0.6, alpha=0.55, zorder=2, **marks)
    ax.plot([p.cost for p in sure], [p.error for p in sure], label="classical solver", zorder=3, **marks)
    best = [panel.solvers[i] for i in panel.envelope]
    line = [max(p.error, panel.floor) for p in best]
    ax.plot([p.cost for p in best], line, color=STRONG, lw=1, alpha=0.6, zorder=1, label="its lower envelope")
    if panel.floor > 0:
        ax.axhline(panel.floor, color=INK, lw=0.8, ls=":", zorder=0, label="floor of the truth")
    ax.grid(color=FAINT)


def _labels(ax: Any, panel: PricePanel) -> None:
    """Names of solvers on the envelope, of those that are not too close to one that has a name."""
    named: list[np.ndarray] = []
    for one in (panel.solvers[i] for i in panel.envelope):
        at = one.cost, max(one.error, panel.floor)
        place = ax.transAxes.inverted().transform(ax.transData.transform(at))
        if all(np.abs(place - other).max() > APART for other in named):
            named.append(place)
            ax.annotate(one.label, at, xytext=(5, 3), textcoords="offset points", fontsize=6, color=INK)


def _network(ax: Any, one: NetworkPoint) -> None:
    colour = one.look.colour
    ax.plot([one.equal, one.cost], [one.error] * 2, color=colour, lw=1, ls=(0, (3, 2)), zorder=2)
    ax.plot([one.cost] * 2, [one.error, one.worse], color=colour, lw=1.4, zorder=4)
    ax.plot(list(one.costs), [one.error] * 2, color=colour, lw=2.4, zorder=4, solid_capstyle="round")
    ax.plot(one.cost, one.error, "o", color=colour, ms=6.5, zorder=5, label=one.label)


def _ticks(ax: Any) -> None:
    """Few labels: powers of ten, with 2 and 5 where there are hardly any."""
    for axis, (low, high) in ((ax.xaxis, ax.get_xlim()), (ax.yaxis, ax.get_ylim())):
        axis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 30 * low else (1,), numticks=12))
        axis.set_minor_formatter(NullFormatter())
