"""How figures look: colours that colour-blind readers can tell apart, and SVG that follows the page's theme."""

import io
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FormatStrFormatter, LogLocator, NullFormatter

# replaced by CSS variables in inline SVG; STRONG is not quite black because SVG leaves black out as its default
INK, FAINT, STRONG = "#1b1f24", "#d0d7de", "#010101"
MARK = "#101010"  # a line on top of a picture keeps its colour in the dark theme

# Okabe and Ito's palette; line styles tell the systems apart without colour
SYSTEM_COLOURS = {
    "model": "#0072B2",
    "base": "#56B4E9",
    "solver": STRONG,
    "solver_coarse_grid": "#009E73",
    "solver_large_step": "#CC79A7",
    "linear": "#E69F00",
    "persistence": "#8a8f98",
    "mean": "#8a8f98",
}
SYSTEM_LINES = {
    "model": "-",
    "base": (0, (4, 1.5)),
    "solver": (0, (1, 1.2)),
    "solver_coarse_grid": (0, (5, 2)),
    "solver_large_step": (0, (6, 1.5, 1, 1.5)),
    "linear": (0, (3, 1.5, 1, 1.5, 1, 1.5)),
    "persistence": (0, (1, 2.5)),
    "mean": (0, (1, 2.5)),
}
SEQUENTIAL, DIVERGING, DIFFERENCE = "viridis", "RdBu_r", "PuOr"

SETTINGS: Any = {
    "font.size": 9,
    "font.family": "DejaVu Sans",
    "axes.titlesize": 9.5,
    "axes.labelsize": 9,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": FAINT,
    "grid.linewidth": 0.5,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "text.color": INK,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "lines.linewidth": 1.5,
    "figure.facecolor": "white",
    "axes.facecolor": "none",
    "svg.fonttype": "path",
    "svg.hashsalt": "pdejax",
}


@contextmanager
def style() -> Iterator[None]:
    """The settings above, for the figures made inside."""
    with matplotlib.rc_context(SETTINGS):
        yield


def figure(width: float, height: float) -> Figure:
    """An empty figure in inches, outside pyplot's global state."""
    made = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(made)
    return made


def settle(made: Figure) -> Figure:
    """Computes the layout once, which takes longer than drawing, instead of anew for each file format."""
    made.draw_without_rendering()
    if any(axes.get_aspect() != "auto" for axes in made.axes):
        made.draw_without_rendering()  # boxes of equal units get their size in the first, and ticks that fit them
    made.set_layout_engine("none")
    return made


def png(made: Figure, dpi: int = 160) -> bytes:
    """The figure as PNG on white."""
    buffer = io.BytesIO()
    made.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    return buffer.getvalue()


def inline_svg(made: Figure, prefix: str, alternative: str) -> str:
    """The figure as SVG without links, ids that are unique on the page, and ink in the colour of the text."""
    buffer = io.StringIO()
    nothing: dict[str, Any] = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    made.savefig(buffer, format="svg", facecolor="none", metadata=nothing)
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'\s+xmlns(:\w+)?="[^"]*"', "", text).replace("xlink:href", "href")
    text = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{prefix}-", text)
    opening = lambda found: f'<svg role="img" aria-label="{alternative}" {found[1]}>'
    text = re.sub(r'<svg [^>]*?(viewBox="[^"]*")[^>]*>', opening, text, count=1)
    text = re.sub(r"\s*<style[^>]*>.*?</style>", "", text, flags=re.DOTALL)
    return text.replace(INK, "var(--ink)").replace(FAINT, "var(--faint)").replace(STRONG, "var(--strong)")


COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8a8f98")
LINES: tuple[Any, ...] = (
    "-",
    (0, (5, 2)),
    (0, (6, 1.5, 1, 1.5)),
    (0, (1, 1.2)),
    (0, (3, 1.5, 1, 1.5, 1, 1.5)),
    (0, (2, 2)),
    (0, (1, 3)),
)


class Look(NamedTuple):
    """How a curve is drawn: its colour and line style."""

    colour: str
    line: Any = "-"


def look_of(system: str) -> Look:
    """The look of a model or of one of its baselines."""
    return Look(SYSTEM_COLOURS.get(system, INK), SYSTEM_LINES.get(system, "-"))


def looks_of(names: Iterable[str]) -> dict[str, Look]:
    """Looks that tell several systems apart, in their order."""
    return {n: Look(COLOURS[i % len(COLOURS)], LINES[i % len(LINES)]) for i, n in enumerate(dict.fromkeys(names))}


def limits(values: np.ndarray) -> tuple[str, float, float]:
    """Colour map and range of a field: symmetric about zero if the field changes sign."""
    low, high = np.quantile(values, [0.001, 0.999]).astype(float)
    if low < -0.1 * high and high > -0.1 * low:
        bound = max(abs(low), abs(high))
        return DIVERGING, -bound, bound
    return SEQUENTIAL, low, max(high, low + 1e-12)


def legend_above(made: Figure, ax: Any, columns: int = 3) -> None:
    """One legend for all axes, above them."""
    made.legend(*ax.get_legend_handles_labels(), loc="outside upper center", ncols=columns, handlelength=3)


def log_axis(ax: Any) -> None:
    """A logarithmic axis of what is drawn already, labelled at 1, 2, 5, 10, ... or at 1, 10, ... where that is much."""
    ax.set_xscale("log")
    low, high = ax.get_xlim()
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 200 * low else (1,)))
    ax.xaxis.set_major_formatter(FormatStrFormatter("%g"))
    ax.xaxis.set_minor_formatter(NullFormatter())
