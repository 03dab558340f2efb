"""What systems gain over a reference."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from pdejax.plot.style import INK, Look, figure


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
