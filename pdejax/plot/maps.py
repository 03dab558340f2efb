"""Functions of coordinates over a box: found and true fields, errors, residuals; and the Gaussians they are made of."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from pdejax.plot.style import COLOURS, LINES, figure, limits

MAGNITUDE = "cividis"
DECADES = 5.0  # of an error or residual that a picture shows


class Panel(NamedTuple):
    """Values over all axes; magnitudes are shown on a logarithmic scale of their own."""

    title: str
    values: np.ndarray
    magnitude: bool


Axes = Mapping[str, np.ndarray]
"""Coordinates by name: all of (t, x), (x) or (x, y), some times of (t, x, y), one z; `t` is time."""


def scale(values: np.ndarray) -> LogNorm:
    """Decades below the largest magnitude, fewer where all are within them."""
    kept = values[np.isfinite(values) & (values > 0)]
    if not len(kept):
        return LogNorm(1e-17, 1e-16, clip=True)
    high = float(kept.max())
    low = max(float(np.quantile(kept, 0.02)), high * 10**-DECADES)
    return LogNorm(min(low, high / 2), high, clip=True)


def picture(ax: Any, values: np.ndarray, x: np.ndarray, y: np.ndarray, **drawing: Any) -> Any:
    """A picture whose first axis runs to the right."""
    ax.grid(False)
    given = np.ma.masked_invalid(values.T)
    extent = (x[0], x[-1], y[0], y[-1])
    return ax.imshow(given, origin="lower", aspect="auto", extent=extent, interpolation="nearest", **drawing)


def equal_units(ax: Any, names: Sequence[str]) -> None:
    """Equal units on both axes, where both are of space."""
    if "t" not in names:
        ax.set_aspect("equal")


def _drawing(panel: Panel, reference: np.ndarray) -> dict[str, Any]:
    """How a panel is drawn; fields share the colours of a reference."""
    if panel.magnitude:
        return {"cmap": MAGNITUDE, "norm": scale(panel.values)}
    colours, low, high = limits(reference[np.isfinite(reference)]) if np.isfinite(reference).any() else ("gray", 0, 1)
    return {"cmap": colours, "vmin": low, "vmax": high}


def _bars(
    made: Figure, panels: Sequence[Panel], images: Sequence[Any], beside: Sequence[list], fraction: float
) -> None:
    """A scale for all fields, which share their colours, and one for each magnitude."""
    fields = [i for i, panel in enumerate(panels) if not panel.magnitude]
    made.colorbar(images[0], ax=[ax for i in fields for ax in beside[i]], pad=0.015, fraction=fraction)
    for i in range(len(fields), len(panels)):
        made.colorbar(images[i], ax=beside[i], pad=0.015, fraction=fraction, extend="min")


def _maps(axes_of: Axes, panels: Sequence[Panel], reference: np.ndarray) -> Figure:
    """One picture a panel, over two axes."""
    (a, x), (b, y) = [one for one in axes_of.items() if len(one[1]) > 1]
    rows = (len(panels) + 1) // 2
    tall = 2.1 if a == "t" else min(2.45 * (y[-1] - y[0]) / (x[-1] - x[0]), 4.0)
    made = figure(6.8, (tall + 0.3) * rows + 0.3)
    axes: Any = made.subplots(rows, 2, sharex=True, sharey=True, squeeze=False)
    images = []
    for ax, panel in zip(np.ravel(axes), panels, strict=True):
        images.append(picture(ax, panel.values.reshape(len(x), len(y)), x, y, **_drawing(panel, reference)))
        equal_units(ax, (a, b))
        ax.set_title(panel.title, loc="left")
    _bars(made, panels, images, [[ax] for ax in np.ravel(axes)], fraction=0.05)
    for ax in axes[-1]:
        ax.set_xlabel(a)
    for ax in axes[:, 0]:
        ax.set_ylabel(b)
    return made


def _frames(axes_of: Axes, panels: Sequence[Panel], reference: np.ndarray) -> Figure:
    """A row of pictures a panel, at several times."""
    times, x, y = axes_of["t"], axes_of["x"], axes_of["y"]
    panels = [panel._replace(values=panel.values.reshape(len(times), len(x), len(y))) for panel in panels]
    width = 5.4 / len(times)
    made = figure(6.8, (width * (y[-1] - y[0]) / (x[-1] - x[0]) + 0.14) * len(panels) + 0.5)
    axes: Any = made.subplots(len(panels), len(times), sharex=True, sharey=True, squeeze=False)
    images: list[Any] = [None] * len(panels)
    for i, (row, panel) in enumerate(zip(axes, panels, strict=True)):
        drawing = _drawing(panel, reference)
        for ax, values in zip(row, panel.values, strict=True):
            images[i] = picture(ax, values, x, y, **drawing)
            equal_units(ax, ("x", "y"))
            ax.set_xticks([])
            ax.set_yticks([])
            ax.spines[:].set_visible(False)
        row[0].set_ylabel(panel.title, fontsize=8)
    _bars(made, panels, images, [list(row) for row in axes], fraction=0.03)
    for ax, t in zip(axes[0], times, strict=True):
        ax.set_title(f"t = {t:.3g}", fontsize=8)
    return made


def _profiles(axes_of: Axes, panels: Sequence[Panel]) -> Figure:
    """Curves over the only axis."""
    [(name, x)] = axes_of.items()
    made = figure(6.8, 4.4)
    top, bottom = made.subplots(2, 1, sharex=True)
    below: Any = bottom
    for i, panel in enumerate(panels):
        (below if panel.magnitude else top).plot(x, panel.values, color=COLOURS[i], ls=LINES[i], label=panel.title)
    if any((panel.values > 0).any() for panel in panels if panel.magnitude):
        below.set_yscale("log")
    for ax in (top, below):
        ax.legend(ncols=2, loc="lower left", bbox_to_anchor=(0, 1))
    below.set_xlabel(name)
    return made


def maps_figure(axes: Axes, panels: Sequence[Panel]) -> Figure:
    """Fields and magnitudes over the axes of a box: curves, maps, or maps at several times.

    **Arguments:** `axes`; `panels`: fields first; all have the colours of the second one, the truth, if there is one.
    """
    fields = [panel for panel in panels if not panel.magnitude]
    reference = fields[-1].values
    wide = [x for x in axes.values() if len(x) > 1]
    if len(wide) == 1:
        return _profiles(axes, panels)
    return (_maps if len(wide) == 2 else _frames)(axes, panels, reference)
