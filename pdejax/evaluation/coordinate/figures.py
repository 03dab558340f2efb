"""Pictures of a field that was fitted to an equation: where it is wrong, what it is made of, how it was found."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.collections import EllipseCollection
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from pdejax.evaluation.coordinate.measure import FieldEvaluation
from pdejax.evaluation.rollouts.pictures import limits
from pdejax.plot import FAINT, INK, MARK, STRONG, figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8a8f98")
LINES = (
    "-",
    (0, (4, 2)),
    (0, (1, 1.2)),
    (0, (6, 1.5, 1, 1.5)),
    (0, (3, 1.5, 1, 1.5, 1, 1.5)),
    (0, (2, 2)),
    (0, (1, 3)),
)
MAGNITUDE = "cividis"
PAPER = "#f6f6f6"  # behind dark marks, also in the dark theme
DECADES = 5.0  # of an error or residual that a picture shows
FEW, LARGEST = 300, 30  # Gaussians that are all drawn; how many are drawn of more


# ---- the field, its truth, its error and its residual

Panel = tuple[str, np.ndarray, bool]
"""Title, values `(*shape)` and whether they are magnitudes, shown on a logarithmic scale."""


def _panels(evaluation: FieldEvaluation, channel: int) -> list[Panel]:
    arrays, fields = evaluation.arrays, evaluation.document["problem"]["fields"]
    residual, name = np.abs(arrays["plot/residual"]), fields[channel]
    paired = residual.shape[-1] == len(fields)  # then an equation is shown with the field of its number
    title = "residual" if residual.shape[-1] == 1 else f"residual of equation {channel + 1}" if paired else "residuals"
    shown = residual[..., channel] if paired else np.sqrt(np.sum(np.square(residual), -1))
    panels: list[Panel] = [(f"found {name}", arrays["plot/field"][..., channel], False)]
    if "plot/truth" in arrays:
        panels.append((f"true {name}", arrays["plot/truth"][..., channel], False))
        panels.append((f"error of {name}", np.abs(arrays["plot/error"][..., channel]), True))
    return [*panels, (title, shown, True)]


def _scale(values: np.ndarray) -> LogNorm:
    """Decades below the largest magnitude, fewer where all are within them."""
    kept = values[np.isfinite(values) & (values > 0)]
    if not len(kept):
        return LogNorm(1e-17, 1e-16, clip=True)
    high = float(kept.max())
    low = max(float(np.quantile(kept, 0.02)), high * 10**-DECADES)
    return LogNorm(min(low, high / 2), high, clip=True)


def _drawing(panel: Panel, reference: np.ndarray) -> dict[str, Any]:
    """How `imshow` draws a panel; fields share the colours of a reference."""
    _, values, magnitude = panel
    if magnitude:
        return {"cmap": MAGNITUDE, "norm": _scale(values)}
    colours, low, high = limits(reference[np.isfinite(reference)]) if np.isfinite(reference).any() else ("gray", 0, 1)
    return {"cmap": colours, "vmin": low, "vmax": high}


def _shaped(panel: Panel, shape: Sequence[int]) -> Panel:
    return panel[0], panel[1].reshape(*shape), panel[2]


def _image(ax: Any, values: np.ndarray, x: np.ndarray, y: np.ndarray, **drawing: Any) -> Any:
    """A picture whose first axis runs to the right."""
    ax.grid(False)
    given = np.ma.masked_invalid(values.T)
    extent = (x[0], x[-1], y[0], y[-1])
    return ax.imshow(given, origin="lower", aspect="auto", extent=extent, interpolation="nearest", **drawing)


def _bars(
    made: Figure, panels: Sequence[Panel], images: Sequence[Any], beside: Sequence[list], fraction: float
) -> None:
    """A scale for all fields, which share their colours, and one for each magnitude."""
    fields = [i for i, panel in enumerate(panels) if not panel[2]]
    made.colorbar(images[0], ax=[ax for i in fields for ax in beside[i]], pad=0.015, fraction=fraction)
    for i in range(len(fields), len(panels)):
        made.colorbar(images[i], ax=beside[i], pad=0.015, fraction=fraction, extend="min")


def _axes_of(evaluation: FieldEvaluation) -> dict[str, np.ndarray]:
    return {axis: evaluation.arrays[f"plot/axes/{axis}"] for axis in evaluation.document["problem"]["axes"]}


def _aspect(ax: Any, names: Sequence[str]) -> None:
    """Equal units on both axes, where both are of space."""
    if "t" not in names:
        ax.set_aspect("equal")


def _maps(evaluation: FieldEvaluation, panels: Sequence[Panel], reference: np.ndarray) -> Figure:
    """One picture a panel, over two axes."""
    (a, x), (b, y) = [one for one in _axes_of(evaluation).items() if len(one[1]) > 1]
    rows = (len(panels) + 1) // 2
    tall = 2.1 if a == "t" else min(2.45 * (y[-1] - y[0]) / (x[-1] - x[0]), 4.0)
    made = figure(6.8, (tall + 0.3) * rows + 0.3)
    axes: Any = made.subplots(rows, 2, sharex=True, sharey=True, squeeze=False)
    images = []
    for ax, panel in zip(np.ravel(axes), panels, strict=True):
        images.append(_image(ax, panel[1].reshape(len(x), len(y)), x, y, **_drawing(panel, reference)))
        _aspect(ax, (a, b))
        ax.set_title(panel[0], loc="left")
    _bars(made, panels, images, [[ax] for ax in np.ravel(axes)], fraction=0.05)
    for ax in axes[-1]:
        ax.set_xlabel(a)
    for ax in axes[:, 0]:
        ax.set_ylabel(b)
    return made


def _frames(evaluation: FieldEvaluation, panels: Sequence[Panel], reference: np.ndarray) -> Figure:
    """A row of pictures a panel, at several times."""
    axes_of = _axes_of(evaluation)
    times, x, y = axes_of["t"], axes_of["x"], axes_of["y"]
    panels = [_shaped(panel, (len(times), len(x), len(y))) for panel in panels]
    width = 5.4 / len(times)
    made = figure(6.8, (width * (y[-1] - y[0]) / (x[-1] - x[0]) + 0.14) * len(panels) + 0.5)
    axes: Any = made.subplots(len(panels), len(times), sharex=True, sharey=True, squeeze=False)
    images: list[Any] = [None] * len(panels)
    for i, (row, panel) in enumerate(zip(axes, panels, strict=True)):
        drawing = _drawing(panel, reference)
        for ax, values in zip(row, panel[1], strict=True):
            images[i] = _image(ax, values, x, y, **drawing)
            _aspect(ax, ("x", "y"))
            ax.set_xticks([])
            ax.set_yticks([])
            ax.spines[:].set_visible(False)
        row[0].set_ylabel(panel[0], fontsize=8)
    _bars(made, panels, images, [list(row) for row in axes], fraction=0.03)
    for ax, t in zip(axes[0], times, strict=True):
        ax.set_title(f"t = {t:.3g}", fontsize=8)
    return made


def _profiles(evaluation: FieldEvaluation, panels: Sequence[Panel]) -> Figure:
    """Curves over the only axis."""
    [(name, x)] = _axes_of(evaluation).items()
    made = figure(6.8, 4.4)
    top, bottom = made.subplots(2, 1, sharex=True)
    below: Any = bottom
    for i, (title, values, magnitude) in enumerate(panels):
        (below if magnitude else top).plot(x, values, color=COLOURS[i], ls=LINES[i], label=title)
    if any((values > 0).any() for _, values, magnitude in panels if magnitude):
        below.set_yscale("log")
    for ax in (top, below):
        ax.legend(ncols=2, loc="lower left", bbox_to_anchor=(0, 1))
    below.set_xlabel(name)
    return made


def field_figure(evaluation: FieldEvaluation, channel: int = 0) -> Figure:
    """A field, its truth and error where that is known, and the residual.

    **Arguments:** `evaluation`; `channel`: of the field.
    """
    panels = _panels(evaluation, channel)
    reference = panels[1][1] if len(panels) > 2 else panels[0][1]
    wide = [x for x in _axes_of(evaluation).values() if len(x) > 1]
    if len(wide) == 1:
        return _profiles(evaluation, panels)
    return (_maps if len(wide) == 2 else _frames)(evaluation, panels, reference)


# ---- error over time


def time_figure(evaluation: FieldEvaluation) -> Figure | None:
    """The error at each time with the floor of the truth; none for a steady problem or an unknown solution."""
    arrays, document = evaluation.arrays, evaluation.document
    if "error/times" not in arrays:
        return None
    made = figure(6.8, 2.9)
    ax: Any = made.subplots()
    fields = document["problem"]["fields"]
    names = [*fields, "all"] if len(fields) > 1 else fields
    for name, colour, line in zip(names, itertools.cycle(COLOURS), itertools.cycle(LINES), strict=False):
        values = arrays[f"error/{name}"]
        label = "all fields" if name == "all" else f"error of {name}"
        ax.plot(arrays["error/times"], np.where(values > 0, values, np.nan), color=colour, ls=line, label=label)
    floor = document["truth"]["floor"]
    if floor > 0:
        ax.axhline(floor, color=STRONG, lw=1, ls=(0, (1, 1.5)), label="floor of the truth")
        ax.axhspan(
            0, document["protocol"]["claim"] * floor, color=FAINT, lw=0, alpha=0.6, zorder=0, label="not claimed"
        )
    ax.set_yscale("log")
    low, high = ax.get_ylim()
    ax.set_ylim(min(low, high / 10), high)  # no less than a decade, so that small changes look small
    ax.set_xlabel("t")
    ax.set_ylabel("relative error")
    ax.set_xlim(arrays["error/times"][0], arrays["error/times"][-1])
    made.legend(*ax.get_legend_handles_labels(), loc="outside upper center", ncols=4)
    return made


# ---- the Gaussians


def _covariances(arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    """Of each Gaussian, (n, axis, axis)."""
    if "gaussians/covariances" in arrays:
        return arrays["gaussians/covariances"]
    widths = arrays["gaussians/widths"]
    return np.square(widths)[:, :, None] * np.eye(widths.shape[1])


def _ellipses(ax: Any, centres: np.ndarray, covariances: np.ndarray, colour: str, alpha: float) -> None:
    """One standard deviation around each centre, in the units of both axes."""
    sizes, directions = np.linalg.eigh(covariances)
    angles = np.degrees(np.arctan2(directions[:, 1, 1], directions[:, 0, 1]))
    axes = 2 * np.sqrt(np.maximum(sizes, 0))
    style = {"facecolors": "none", "edgecolors": colour, "linewidths": 0.7, "alpha": alpha}
    made = EllipseCollection(axes[:, 1], axes[:, 0], angles, units="xy", offsets=centres, **style)
    made.set_offset_transform(ax.transData)
    ax.add_collection(made)


Plane = tuple[tuple[int, int], np.ndarray, np.ndarray, np.ndarray, np.ndarray, str]
"""Two axes, their coordinates, the field over them, which Gaussians belong to it, and a title."""


def _planes(evaluation: FieldEvaluation, channel: int) -> list[Plane]:
    """Where Gaussians are shown: over all axes if there are two, else over time and over space at a moment."""
    arrays, names = evaluation.arrays, evaluation.document["problem"]["axes"]
    axes, field = _axes_of(evaluation), arrays["plot/field"][..., channel]
    centres, widths = arrays["gaussians/centres"], arrays["gaussians/widths"]
    everything = np.ones(len(centres), bool)
    near = lambda axis, x: np.abs(centres[:, axis] - x) <= widths[:, axis]
    if len(names) == 1:
        return []
    if len(names) == 2:
        return [((0, 1), axes[names[0]], axes[names[1]], field, everything, "")]
    if names[0] != "t":
        z = float(axes["z"][0])
        return [((0, 1), axes["x"], axes["y"], field[..., 0], near(2, z), f"within a width of z = {z:.3g}")]
    frame = len(axes["t"]) // 2
    time = float(axes["t"][frame])
    flat = field[frame] if field.ndim == 3 else field[frame, ..., 0]
    moment = ((1, 2), axes["x"], axes["y"], flat, near(0, time), f"within a width of t = {time:.3g}")
    history = arrays["history/field"][..., channel]
    along = ((0, 1), arrays["history/axes/t"], arrays["history/axes/x"], history, everything, "all, seen along y")
    return [moment, along]


def _edges(ax: Any, edges: np.ndarray, axis: int) -> None:
    for edge in edges:
        (ax.axvline if axis == 0 else ax.axhline)(edge, color=MARK, lw=0.8, ls=(0, (4, 2)))


def _frame(ax: Any, evaluation: FieldEvaluation, plane: tuple[int, int]) -> None:
    """Limits somewhat wider than the box, the box itself, and names of the axes."""
    problem = evaluation.document["problem"]
    (left, right), (low, high) = (problem["box"][i] for i in plane)
    wide, tall = 0.08 * (right - left), 0.08 * (high - low)
    ax.add_patch(Rectangle((left, low), right - left, high - low, fill=False, edgecolor=MARK, lw=0.9))
    ax.set_xlim(left - wide, right + wide)
    ax.set_ylim(low - tall, high + tall)
    ax.grid(False)
    ax.set_facecolor(PAPER)
    a, b = (problem["axes"][i] for i in plane)
    ax.set_xlabel(a)
    ax.set_ylabel(b)
    _aspect(ax, (a, b))


def _largest(evaluation: FieldEvaluation, plane: Plane) -> np.ndarray:
    """Numbers of a plane's Gaussians with the largest weights, without those that are wider than its box."""
    pair, _, _, _, chosen, _ = plane
    arrays, box = evaluation.arrays, np.array(evaluation.document["problem"]["box"])[list(pair)]
    inside = np.all(arrays["gaussians/widths"][:, pair] < (box[:, 1] - box[:, 0])[None], axis=1)
    members = np.flatnonzero(chosen & inside)
    size = np.linalg.norm(arrays["gaussians/weights"][members], axis=1)
    return members[np.argsort(-size, kind="stable")[:LARGEST]]


def _over_field(made: Figure, ax: Any, evaluation: FieldEvaluation, plane: Plane, channel: int) -> None:
    """Ellipses of all Gaussians, or of those with the largest weights, over the field."""
    pair, x, y, field, chosen, title = plane
    arrays, total = evaluation.arrays, int(np.count_nonzero(chosen))
    shown = np.flatnonzero(chosen) if total <= FEW else _largest(evaluation, plane)
    colours, low, high = limits(field)
    image = _image(ax, field, x, y, cmap=colours, vmin=low, vmax=high, alpha=0.55)
    covariances = _covariances(arrays)[shown][:, pair][:, :, pair]
    _ellipses(ax, arrays["gaussians/centres"][shown][:, pair], covariances, MARK, 0.75)
    count = f"{total} Gaussians" if len(shown) == total else f"largest {len(shown)} of {total}"
    ax.set_title(f"{count}\n{title}" if title else count, loc="left", fontsize=8.5)
    name = evaluation.document["problem"]["fields"][channel]
    made.colorbar(image, ax=ax, pad=0.02, fraction=0.05).set_label(name)


def _all_centres(made: Figure, ax: Any, evaluation: FieldEvaluation, plane: Plane) -> None:
    """A dot for each centre, coloured by the size of its weights."""
    pair, _, _, _, chosen, _ = plane
    centres = evaluation.arrays["gaussians/centres"][chosen][:, pair]
    size = np.linalg.norm(evaluation.arrays["gaussians/weights"][chosen], axis=1)
    order = np.argsort(size, kind="stable")  # the largest on top
    places = len(np.unique(centres.round(6), axis=0))  # those of a lattice lie behind each other
    dots = {"s": float(np.clip(4000 / max(places, 1), 2, 14)), "lw": 0, "rasterized": True}
    image = ax.scatter(*centres[order].T, c=size[order], cmap=MAGNITUDE, norm=_scale(size), **dots)
    ax.set_title("centres, by size of weight", loc="left", fontsize=8.5)
    made.colorbar(image, ax=ax, pad=0.02, fraction=0.05, extend="min")


def gaussians_figure(evaluation: FieldEvaluation, channel: int = 0) -> Figure | None:
    """The Gaussians over the field; none for a field of another kind or of one axis.

    Up to 300 of them are drawn as ellipses of one standard deviation; of more those with the largest weights, beside
    the centres of all. Dashed lines part slabs. Images by periods and mirrors are not drawn.

    **Arguments:** `evaluation`; `channel`: of the field behind them.
    """
    arrays = evaluation.arrays
    planes = _planes(evaluation, channel) if "gaussians/centres" in arrays else []
    if not planes:
        return None
    many = any(np.count_nonzero(plane[4]) > FEW for plane in planes)
    made = figure(4.9 if len(planes) == 1 and not many else 6.8, 2.9 * len(planes) + 0.2 if many else 3.7)
    axes: Any = made.subplots(len(planes), 2) if many else made.subplots(1, len(planes))
    grid = np.reshape(axes, (len(planes), 2 if many else 1))
    for row, plane in zip(grid, planes, strict=True):
        _over_field(made, row[0], evaluation, plane, channel)
        if many:
            _all_centres(made, row[1], evaluation, plane)
        for ax in row:
            _frame(ax, evaluation, plane[0])
            if 0 in plane[0] and len(arrays.get("gaussians/edges", ())) > 2:
                _edges(ax, arrays["gaussians/edges"], plane[0].index(0))
    return made


# ---- training

Stage = tuple[str, Sequence[Mapping[str, Any]]]
"""Name of a part of the training and its record, a mapping for each line."""

_PLAIN = ("step", "time", "loss", "learning_rate", "grad_norm", "samples_per_second")


def _series(stages: Sequence[Stage], name: str) -> tuple[np.ndarray, np.ndarray]:
    """Updates since the very start, and the finite values of a metric."""
    found, offset = [(np.nan, np.nan)], 0
    for _, lines in stages:
        own = [line for line in lines if isinstance(line.get("step"), int)]
        given = [(offset + line["step"], line[name]) for line in own if isinstance(line.get(name), int | float)]
        found += [*given, (np.nan, np.nan)]  # a gap between stages, whose losses may have other weights
        offset += max((line["step"] for line in own), default=0)
    steps, values = np.array(found, float).T
    return steps, values


def _names(stages: Sequence[Stage]) -> list[str]:
    """Metrics of which there are finite values, in the order of their first line."""
    named = dict.fromkeys(name for _, lines in stages for line in lines for name in line)
    return [name for name in named if np.isfinite(_series(stages, name)[1]).any()]


def _starts(ax: Any, stages: Sequence[Stage], label: bool) -> None:
    """Lines between stages, and their names."""
    offset = 0
    for i, (name, lines) in enumerate(stages):
        if i:
            ax.axvline(offset, color=INK, lw=0.8, ls=(0, (2, 2)))
        if label and len(stages) > 1:
            place = {"xycoords": ("data", "axes fraction"), "xytext": (3, 3 + 10 * (i % 2)), "fontsize": 8}
            ax.annotate(name, (offset, 1.0), textcoords="offset points", **place)
        offset += max((line.get("step", 0) for line in lines), default=0)


def _curves(ax: Any, stages: Sequence[Stage], names: Sequence[str]) -> None:
    for name, colour, line in zip(names, itertools.cycle(COLOURS), itertools.cycle(LINES), strict=False):
        steps, values = _series(stages, name)
        few = np.count_nonzero(np.isfinite(values)) < 25
        label = name.removeprefix("valid/").removeprefix("found_").replace("_", " ")
        ax.plot(steps, values, color=colour, ls=line, lw=1.3, marker="o" if few else None, ms=2.5, label=label)
    known = np.concatenate([_series(stages, name)[1] for name in names])
    if np.nanmin(known) > 0 and np.nanmax(known) > 5 * np.nanmin(known):
        ax.set_yscale("log")
    if len(names) > 1 or names[0].startswith("valid/"):
        ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), handlelength=2.5)


def _stack(stages: Sequence[Stage], panels: Sequence[tuple[str, Sequence[str]]]) -> tuple[Figure, Any]:
    """Panels one above the other, each with a label and the metrics it shows, over all updates."""
    made = figure(6.8, 1.8 * len(panels) + 0.6)
    axes: Any = np.ravel(made.subplots(len(panels), 1, sharex=True, squeeze=False))
    for i, (ax, (label, names)) in enumerate(zip(axes, panels, strict=True)):
        _curves(ax, stages, names)
        _starts(ax, stages, label=i == 0)
        ax.set_ylabel(label)
    axes[-1].set_xlabel("optimiser updates")
    return made, axes


def field_training_figure(stages: Sequence[Stage], terms: Sequence[str]) -> Figure | None:
    """Loss, its terms, errors and the learning rate over the updates of all stages; none without a record.

    **Arguments:** `stages`: name and record of each; `terms`: names that terms of the loss may have.
    """
    names = _names(stages)
    groups = {
        "loss": [n for n in names if n == "loss"],
        "terms of the loss": [n for n in names if n in terms],
        "validation": [n for n in names if n.startswith("valid/")],
        "learning rate": [n for n in names if n == "learning_rate"],
    }
    panels = [(label, members) for label, members in groups.items() if members]
    return _stack(stages, panels)[0] if panels else None


def found_figure(evaluation: FieldEvaluation, stages: Sequence[Stage]) -> Figure | None:
    """How unknown parameters were found, with their true values where these are known; none without a record.

    **Arguments:** `evaluation`; `stages`: name and record of each part of the training.
    """
    found = evaluation.document["found"]
    names = [name for name in found if f"found_{name}" in _names(stages)]
    if not names:
        return None
    made, axes = _stack(stages, [(name, [f"found_{name}"]) for name in names])
    for ax, name in zip(axes, names, strict=True):
        if (true := found[name]["truth"]) is not None:
            ax.axhline(true, color=STRONG, lw=1.1, ls=(0, (1, 1.5)), label="true value")
            ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return made
