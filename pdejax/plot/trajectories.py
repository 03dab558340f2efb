"""What data look like: space-time diagrams of one axis, frames of two or three, inputs and solutions without time."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from pdejax.plot.style import figure

COLUMNS = 5
ABREAST = 3  # trajectories of one axis beside each other


class Drawn(NamedTuple):
    """A trajectory, or a sample without time.

    **Arguments:** `title`; `times`: `(time,)`, of a sample one; `axes`: coordinates `(point,)` by name; `fields`: by
    name `(time, *space)`; `constant`: fields that do not vary in time, `(*space,)`.
    """

    title: str
    times: np.ndarray
    axes: Mapping[str, np.ndarray]
    fields: Mapping[str, np.ndarray]
    constant: Mapping[str, np.ndarray]


def trajectories_figure(trajectories: Sequence[Drawn], title: str = "") -> Figure:
    """Pictures of the fields: over space and time, at five times of the first one, or of samples with their inputs.

    **Arguments:** `trajectories` of the same fields on the same axes; `title` above.
    """
    first = trajectories[0]
    if len(first.times) == 1:
        made = _samples(trajectories)
    else:
        made = _space_time(trajectories[:ABREAST]) if len(first.axes) == 1 else _frames(first)
    middle = f", slice through the middle of {[*first.axes][-1]}" if len(first.axes) == 3 else ""
    made.suptitle(title + middle)
    return made


def _colours(values: np.ndarray) -> dict[str, Any]:
    """A diverging map about zero for fields of both signs, a sequential one otherwise."""
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    if low < 0 < high and min(-low, high) > 0.2 * max(-low, high):
        return {"cmap": "RdBu_r", "vmin": -max(-low, high), "vmax": max(-low, high)}
    return {"cmap": "viridis", "vmin": low, "vmax": high}


def _extent(horizontal: np.ndarray, vertical: np.ndarray) -> tuple[float, float, float, float]:
    """Edges of the outer cells, so that a point lies in the middle of its own."""
    edges = []
    for values in (horizontal, vertical):
        half = (values[-1] - values[0]) / max(len(values) - 1, 1) / 2
        edges += [float(values[0] - half), float(values[-1] + half)]
    return edges[0], edges[1], edges[2], edges[3]


def _space_time(trajectories: Sequence[Drawn]) -> Figure:
    """A row for each field, a column for each trajectory, time upwards."""
    names = list(trajectories[0].fields)
    made = figure(1.2 + 3.0 * len(trajectories), 0.6 + 3.2 * len(names))
    panels: Any = made.subplots(len(names), len(trajectories), squeeze=False)
    for row, name in enumerate(names):
        scale = _colours(np.stack([one.fields[name] for one in trajectories]))
        image: Any = None
        for column, one in enumerate(trajectories):
            ((axis, places),) = one.axes.items()
            drawn: Any = {"origin": "lower", "aspect": "auto", "interpolation": "nearest", **scale}
            image = panels[row, column].imshow(one.fields[name], extent=_extent(places, one.times), **drawn)
            panels[row, column].set(title=one.title, xlabel=axis, ylabel="time" if column == 0 else "")
        made.colorbar(image, ax=list(panels[row]), label=name)
    return made


def _plane(values: np.ndarray) -> np.ndarray:
    """Two axes of a frame; of three the middle slice along the last."""
    return values if values.ndim == 2 else values[:, :, values.shape[2] // 2]


def _height(x: np.ndarray, y: np.ndarray) -> float:
    """Of a row of pictures of a box, which are drawn to scale, in inches."""
    return 0.4 + 2.1 * float(np.clip(np.ptp(y) / max(np.ptp(x), 1e-30), 0.25, 1.5))


def _samples(samples: Sequence[Drawn]) -> Figure:
    """Inputs and solutions, a column for each sample."""
    fields = [{**one.constant, **{name: values[-1] for name, values in one.fields.items()}} for one in samples]
    made = figure(1.2 + 2.4 * len(samples), 0.6 + 2.5 * len(fields[0]))
    panels: Any = made.subplots(len(fields[0]), len(samples), squeeze=False)
    for row, name in enumerate(fields[0]):
        scale = _colours(np.stack([f[name] for f in fields]))
        image: Any = None
        for column, one in enumerate(samples):
            panel, places = panels[row, column], list(one.axes.values())
            if len(places) == 1:
                panel.plot(places[0], fields[column][name])
            else:
                extent = _extent(places[0], places[1])
                image = panel.imshow(_plane(fields[column][name]).T, origin="lower", extent=extent, **scale)
            panel.set(title=one.title if row == 0 else "", ylabel=name if column == 0 else "")
            panel.tick_params(labelleft=column == 0, labelbottom=row == len(fields[0]) - 1)
        if image is not None:
            made.colorbar(image, ax=list(panels[row]), label=name)
    return made


def _frames(one: Drawn) -> Figure:
    """A row for each field, a column for each of several times."""
    chosen = np.unique(np.linspace(0, len(one.times) - 1, COLUMNS).round().astype(int))
    (a, x), (b, y), *_ = one.axes.items()
    made = figure(1.2 + 2.4 * len(chosen), 0.6 + _height(x, y) * len(one.fields))
    panels: Any = made.subplots(len(one.fields), len(chosen), squeeze=False)
    for row, (name, values) in enumerate(one.fields.items()):
        scale = _colours(values[chosen])
        image: Any = None
        for column, time in enumerate(chosen):
            panel = panels[row, column]
            image = panel.imshow(_plane(values[time]).T, origin="lower", extent=_extent(x, y), **scale)
            panel.set(title=f"t = {one.times[time]:.4g}" if row == 0 else "", ylabel=b if column == 0 else "")
            panel.set_xlabel(a if row == len(one.fields) - 1 else "")
            panel.xaxis.set_major_locator(MaxNLocator(3, prune="upper"))  # the next panel begins where this one ends
            panel.tick_params(labelleft=column == 0, labelbottom=row == len(one.fields) - 1)
        made.colorbar(image, ax=list(panels[row]), label=name)
    return made
