"""What systems gain over a reference, and what their accuracy costs."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from pdejax.plot.style import INK, STRONG, Look, figure, legend_above, log_axis


class Gain(NamedTuple):
    """A relative change with its interval, none where it is not known."""

    label: str
    look: Look
    value: float | None
    interval: Sequence[float] | None


def gains_figure(panels: Mapping[str, Sequence[Gain]], caption: str) -> Figure | None:
    """Relative gains over a reference with their intervals; none where there are none.

    **Arguments:** `panels`: by title, each with gains of the same labels; `caption`: below.
    """
    count = max((len(gains) for gains in panels.values()), default=0)
    if count == 0:
        return None
    made = figure(6.8, 1.3 + 0.32 * count)
    axes: Any = made.subplots(1, len(panels), sharey=True, sharex=True, squeeze=False)[0]
    for ax, (title, gains) in zip(axes, panels.items(), strict=True):
        ax.axvline(0, color=INK, lw=0.8)
        for place, gain in enumerate(gains):
            if gain.value is not None:
                low, high = gain.interval or (gain.value, gain.value)
                ax.plot([low, high], [place, place], color=gain.look.colour, lw=2)
                ax.plot(gain.value, place, "o", color=gain.look.colour, ms=5)
        ax.set_yticks(range(count), [gain.label for gain in gains])
        ax.set_ylim(count - 0.5, -0.5)
        ax.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        ax.xaxis.set_major_locator(MaxNLocator(5))
        ax.set_title(title, loc="left")
    made.supxlabel(caption, fontsize=9)
    return made


class Priced(NamedTuple):
    """A system by its cost and its score.

    **Arguments:** `label`: of a model in the legend, of a classical solver beside its mark; `look`: of a model, none
    for a classical solver; `interval` of the score; `bound`: whether it is only a bound; `best`: whether it is on the
    frontier of the classical solvers.
    """

    label: str
    look: Look | None
    cost: float
    score: float
    interval: Sequence[float] | None = None
    bound: bool = False
    best: bool = False


def frontier_figure(panels: Mapping[str, Iterable[Priced]]) -> Figure:
    """Cost against two scores; open marks are bounds, the line joins the best classical solvers.

    **Arguments:** `panels`: by title, the first with a logarithmic score, the second one from zero on.
    """
    made = figure(6.8, 3.6)
    axes: Any = made.subplots(1, len(panels))
    for ax, (title, systems) in zip(axes, panels.items(), strict=True):
        _points(ax, list(systems))
        log_axis(ax)
        ax.set_title(title, loc="left")
    axes[0].set_yscale("log")
    axes[1].set_ylim(bottom=0)
    made.supxlabel("seconds per simulated unit of time, one trajectory of a batch", fontsize=9)
    legend_above(made, axes[0], 4)
    return made


def _points(ax: Any, systems: Sequence[Priced]) -> None:
    labelled = False
    for one in systems:
        colour = STRONG if one.look is None else one.look.colour
        label = one.label if one.look is not None else None if labelled else "solver"
        labelled = labelled or one.look is None
        marks: Any = {"ms": 4, "zorder": 3} if one.look is None else {"ms": 7, "zorder": 5}
        shape = "s" if one.look is None else "o"
        face = "none" if one.bound else colour
        ax.plot(one.cost, one.score, shape, color=colour, mfc=face, label=label, **marks)
        if one.interval:
            ax.plot([one.cost] * 2, one.interval, color=colour, lw=1, zorder=2)
    line = sorted((one.cost, one.score, one.label) for one in systems if one.best)
    ax.plot([cost for cost, *_ in line], [score for _, score, _ in line], color=STRONG, lw=1, alpha=0.5, zorder=1)
    for cost, score, label in line:
        ax.annotate(label, (cost, score), xytext=(5, 3), textcoords="offset points", fontsize=6, color=INK)
