"""Truth, prediction and their difference: over space and time, at several times, or without time."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure
from matplotlib.ticker import ScalarFormatter

from pdejax.plot.style import DIFFERENCE, INK, MARK, SEQUENTIAL, SYSTEM_COLOURS, figure, limits

ARROWS = 8  # along the longer side of a box
_ROWS = ("truth", "prediction", "prediction minus truth")


class Mark(NamedTuple):
    """A time that is marked, and what it is."""

    time: float
    text: str


def saturated(truth: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    """A prediction as it is drawn: a diverged one within 100 times the truth."""
    bound = 100 * np.abs(truth).max()
    prediction = np.asarray(prediction, float)
    return np.where(np.isfinite(prediction), np.clip(prediction, -bound, bound), np.nan)


def _rows(truth: np.ndarray, prediction: np.ndarray) -> list[tuple[str, np.ndarray, Any]]:
    """Title, values and colours (map, low, high) of the truth, the prediction and their difference."""
    prediction = saturated(truth, prediction)
    cmap, low, high = limits(truth)
    half = (high - low) / 2
    looks = ((cmap, low, high), (cmap, low, high), (DIFFERENCE, -half, half))
    return list(zip(_ROWS, (truth, prediction, prediction - truth), looks, strict=True))


def _image(ax: Any, values: np.ndarray, extent: Sequence[float], colours: Any, **options: Any) -> Any:
    """A picture whose first axis runs to the right."""
    cmap, low, high = colours
    ax.grid(False)
    shown: Any = {"origin": "lower", "interpolation": "nearest", "extent": tuple(extent), **options}
    return ax.imshow(np.ma.masked_invalid(values.T), cmap=cmap, vmin=low, vmax=high, **shown)


SIDES: Any = {"closed": {"lw": 1.6, "ls": "-"}, "open": {"lw": 1.0, "ls": (0, (1, 2))}}
"""How sides of a box are drawn; where an axis goes on at its other side, nothing is."""


def _draw_sides(ax: Any, sides: Sequence[tuple[str, str]]) -> None:
    """Sides of a box, of each axis the low and the high one."""
    named = zip((("left", "right"), ("bottom", "top")), sides, strict=False)
    for spine, kind in [one for names, kinds in named for one in zip(names, kinds, strict=True)]:
        ax.spines[spine].set(visible=kind in SIDES, color=INK)
        if kind in SIDES:
            ax.spines[spine].set(linewidth=SIDES[kind]["lw"], linestyle=SIDES[kind]["ls"])


def _draw_arrows(ax: Any, vectors: np.ndarray, lengths: Sequence[float], most: float) -> None:
    """Arrows of some of the points, one of the size `most` as long as they are apart."""
    apart = max(max(lengths) / ARROWS, 1e-30)
    counts = [max(round(length / apart), 1) for length in lengths]
    places = [(np.arange(c) + 0.5) / c for c in counts]
    rows, columns = ((p * n).astype(int) for p, n in zip(places, vectors.shape[:2], strict=True))
    x, y = ((p + 0.5) / n * long for p, n, long in zip((rows, columns), vectors.shape[:2], lengths, strict=True))
    shown = np.nan_to_num(vectors[np.ix_(rows, columns)])
    look: Any = {"pivot": "mid", "color": "white", "edgecolor": MARK, "linewidth": 0.3, "width": 0.012, "zorder": 3}
    ax.quiver(*np.meshgrid(x, y, indexing="ij"), shown[..., 0], shown[..., 1], angles="xy", scale_units="xy",
              scale=max(most, 1e-30) / apart, **look)  # fmt: skip


def space_time_figure(
    times: Float[np.ndarray, " time"],
    extent: tuple[float, float],
    truth: Float[np.ndarray, "time point"],
    prediction: Float[np.ndarray, "time point"],
    *,
    name: str = "u",
    axis: str = "x",
    mark: Mark | None = None,
) -> Figure:
    """Truth, prediction and difference, time to the right and space upwards.

    **Arguments:** `times` of the frames; `extent`: both ends of the space axis, `axis` its name; `truth`,
    `prediction`; `name` of the field; `mark`: a time to mark.
    """
    made = figure(6.8, 4.6)
    axes: Any = made.subplots(3, 1, sharex=True, sharey=True)
    end = float(times[-1])
    for ax, (title, values, colours) in zip(axes, _rows(truth, prediction), strict=True):
        image = _image(ax, values, (0.0, end, *extent), colours, aspect="auto")
        ax.set_title(title, loc="left")
        ax.set_ylabel(axis)
        made.colorbar(image, ax=ax, pad=0.01, fraction=0.04).set_label(name if title != _ROWS[2] else f"Δ{name}")
        if mark is not None:
            ax.axvline(mark.time, color=MARK, lw=1.0, ls=(0, (4, 2)))
    if mark is not None:
        side = "right" if mark.time > end / 2 else "left"
        place: Any = {"xycoords": ("data", "axes fraction"), "xytext": (0, 3), "textcoords": "offset points"}
        axes[0].annotate(mark.text, (mark.time, 1.0), fontsize=8, ha=side, **place)
    axes[-1].set_xlabel("time after the last known frame")
    return made


def frames_figure(
    titles: Sequence[str],
    lengths: Sequence[float],
    truth: Float[np.ndarray, "frame x y"],
    prediction: Float[np.ndarray, "frame x y"],
    *,
    name: str = "u",
    caption: str = "",
    sides: Sequence[tuple[str, str]] = (),
    arrows: tuple[Float[np.ndarray, "frame x y 2"], Float[np.ndarray, "frame x y 2"]] | None = None,
) -> Figure:
    """Truth, prediction and difference, a column for each of several times.

    **Arguments:** `titles` of the columns; `lengths` of the box; `truth`, `prediction`; `name` of the field;
    `caption`: below; `sides`: of each axis the low and the high one, `closed`, `open` or another word for one that is
    not drawn; `arrows`: components of a vector of the truth and of the prediction, whose size the fields are.
    """
    tall = 1.1 * (lengths[1] / lengths[0]) * 5.4 / max(len(titles), 1)
    made = figure(6.8, float(np.clip(3 * tall + 0.6, 2.0, 9.0)))
    vectors = None if arrows is None else _vector_rows(*arrows)
    most = float(np.quantile(np.abs(truth), 0.999))
    axes: Any = made.subplots(3, len(titles), sharex=True, sharey=True, squeeze=False)
    for number, (row, (title, values, colours)) in enumerate(zip(axes, _rows(truth, prediction), strict=True)):
        image: Any = None
        for column, ax in enumerate(row):
            image = _image(ax, values[column], (0.0, lengths[0], 0.0, lengths[1]), colours)
            ax.set_xticks([])
            ax.set_yticks([])
            ax.spines[:].set_visible(False)
            _draw_sides(ax, sides)
            if vectors is not None:
                _draw_arrows(ax, vectors[number][column], lengths, most)
        row[0].set_ylabel("difference" if title == _ROWS[2] else title)
        label = name if title != _ROWS[2] else f"Δ{name}"
        made.colorbar(image, ax=list(row), pad=0.01, fraction=0.03).set_label(label)
    for ax, title in zip(axes[0], titles, strict=True):
        ax.set_title(title, fontsize=8)
    made.supxlabel(caption, fontsize=8)
    return made


def _vector_rows(truth: np.ndarray, prediction: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Arrows of the truth, of the prediction and of their difference."""
    prediction = saturated(truth, prediction)
    return truth, prediction, prediction - truth


def solutions_figure(
    lengths: Sequence[float],
    inputs: Mapping[str, Float[np.ndarray, " sample *space"]],
    truth: Float[np.ndarray, " sample *space"],
    prediction: Float[np.ndarray, " sample *space"],
    labels: Sequence[str],
) -> Figure:
    """Inputs, true and predicted solution and their difference, a row for each sample, over one or two axes.

    **Arguments:** `lengths` of the box; `inputs` by name; `truth`, `prediction`; `labels` of the samples.
    """
    made = figure(2.3 * (len(inputs) + 3) + 0.4, 2.2 * len(labels) + 0.3)
    axes: Any = made.subplots(len(labels), len(inputs) + 3, squeeze=False)
    for sample, (line, label) in enumerate(zip(axes, labels, strict=True)):
        given = {name: values[sample] for name, values in inputs.items()}
        panels = [(f"input {name}", x, (SEQUENTIAL, float(x.min()), float(x.max()))) for name, x in given.items()]
        panels += _rows(truth[sample], prediction[sample])
        for ax, (title, values, colours) in zip(line, panels, strict=True):
            ax.set_title(title, fontsize=8)
            if values.ndim == 1:
                ax.plot(np.linspace(0, lengths[0], len(values)), values, color=SYSTEM_COLOURS["model"])
            else:
                _map(made, ax, values, lengths, _own_scale(values) if title == _ROWS[2] else colours)
        line[0].set_ylabel(label)
    return made


def _own_scale(difference: np.ndarray) -> tuple[str, float, float]:
    most = max(float(np.nanmax(np.abs(difference))), 1e-30)
    return DIFFERENCE, -most, most


def _map(made: Figure, ax: Any, values: np.ndarray, lengths: Sequence[float], colours: Any) -> None:
    """A picture with a scale of its own."""
    image = _image(ax, values, (0.0, lengths[0], 0.0, lengths[1]), colours)
    ax.set_xticks([])
    ax.set_yticks([])
    shown = ScalarFormatter()
    shown.set_powerlimits((-2, 3))
    made.colorbar(image, ax=ax, pad=0.02, fraction=0.046, format=shown)
