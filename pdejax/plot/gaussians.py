"""The Gaussians that a function of coordinates is made of, over the function."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from matplotlib.collections import EllipseCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from pdejax.plot.maps import MAGNITUDE, equal_units, picture, scale
from pdejax.plot.style import MARK, figure, limits

PAPER = "#f6f6f6"  # behind dark marks, also in the dark theme
FEW, LARGEST = 300, 30  # Gaussians that are all drawn; how many are drawn of more


class Gaussians(NamedTuple):
    """Gaussians one by one; `edges` part the slabs of the first axis."""

    centres: Float[np.ndarray, "n axis"]
    widths: Float[np.ndarray, "n axis"]
    weights: Float[np.ndarray, "n feature"]
    covariances: Float[np.ndarray, "n axis axis"] | None = None
    edges: Float[np.ndarray, " edge"] | None = None

    def covariance(self) -> Float[np.ndarray, "n axis axis"]:
        """Of each Gaussian."""
        if self.covariances is not None:
            return self.covariances
        return np.square(self.widths)[:, :, None] * np.eye(self.widths.shape[1])


class Plane(NamedTuple):
    """Where Gaussians are shown.

    **Arguments:** `pair`: numbers of two axes; `x`, `y`: their coordinates; `values`: the function over them;
    `chosen`: which Gaussians belong there; `title`.
    """

    pair: tuple[int, int]
    x: Float[np.ndarray, " x"]
    y: Float[np.ndarray, " y"]
    values: Float[np.ndarray, "x y"]
    chosen: Bool[np.ndarray, " n"]
    title: str = ""


class Box(NamedTuple):
    """Names and both ends of all axes."""

    axes: Sequence[str]
    ends: Sequence[Sequence[float]]


def _ellipses(ax: Any, centres: np.ndarray, covariances: np.ndarray) -> None:
    """One standard deviation around each centre, in the units of both axes."""
    sizes, directions = np.linalg.eigh(covariances)
    angles = np.degrees(np.arctan2(directions[:, 1, 1], directions[:, 0, 1]))
    axes = 2 * np.sqrt(np.maximum(sizes, 0))
    style: Any = {"facecolors": "none", "edgecolors": MARK, "linewidths": 0.7, "alpha": 0.75}
    made = EllipseCollection(axes[:, 1], axes[:, 0], angles, units="xy", offsets=centres, **style)
    made.set_offset_transform(ax.transData)
    ax.add_collection(made)


def _edges(ax: Any, edges: np.ndarray, axis: int) -> None:
    for edge in edges:
        (ax.axvline if axis == 0 else ax.axhline)(edge, color=MARK, lw=0.8, ls=(0, (4, 2)))


def _frame(ax: Any, box: Box, pair: tuple[int, int]) -> None:
    """Limits somewhat wider than the box, the box itself, and names of the axes."""
    (left, right), (low, high) = (box.ends[i] for i in pair)
    wide, tall = 0.08 * (right - left), 0.08 * (high - low)
    ax.add_patch(Rectangle((left, low), right - left, high - low, fill=False, edgecolor=MARK, lw=0.9))
    ax.set_xlim(left - wide, right + wide)
    ax.set_ylim(low - tall, high + tall)
    ax.grid(False)
    ax.set_facecolor(PAPER)
    a, b = (box.axes[i] for i in pair)
    ax.set_xlabel(a)
    ax.set_ylabel(b)
    equal_units(ax, (a, b))


def _largest(gaussians: Gaussians, box: Box, plane: Plane) -> np.ndarray:
    """Numbers of a plane's Gaussians with the largest weights, without those that are wider than its box."""
    ends = np.array(box.ends)[list(plane.pair)]
    inside = np.all(gaussians.widths[:, plane.pair] < (ends[:, 1] - ends[:, 0])[None], axis=1)
    members = np.flatnonzero(plane.chosen & inside)
    size = np.linalg.norm(gaussians.weights[members], axis=1)
    return members[np.argsort(-size, kind="stable")[:LARGEST]]


def _over_values(made: Figure, ax: Any, gaussians: Gaussians, box: Box, plane: Plane, name: str) -> None:
    """Ellipses of all Gaussians, or of those with the largest weights, over the function."""
    pair, total = plane.pair, int(np.count_nonzero(plane.chosen))
    shown = np.flatnonzero(plane.chosen) if total <= FEW else _largest(gaussians, box, plane)
    colours, low, high = limits(plane.values)
    image = picture(ax, plane.values, plane.x, plane.y, cmap=colours, vmin=low, vmax=high, alpha=0.55)
    _ellipses(ax, gaussians.centres[shown][:, pair], gaussians.covariance()[shown][:, pair][:, :, pair])
    count = f"{total} Gaussians" if len(shown) == total else f"largest {len(shown)} of {total}"
    ax.set_title(f"{count}\n{plane.title}" if plane.title else count, loc="left", fontsize=8.5)
    made.colorbar(image, ax=ax, pad=0.02, fraction=0.05).set_label(name)


def _all_centres(made: Figure, ax: Any, gaussians: Gaussians, plane: Plane) -> None:
    """A dot for each centre, coloured by the size of its weights."""
    centres = gaussians.centres[plane.chosen][:, plane.pair]
    size = np.linalg.norm(gaussians.weights[plane.chosen], axis=1)
    order = np.argsort(size, kind="stable")  # the largest on top
    places = len(np.unique(centres.round(6), axis=0))  # those of a lattice lie behind each other
    dots: Any = {"s": float(np.clip(4000 / max(places, 1), 2, 14)), "lw": 0, "rasterized": True}
    image = ax.scatter(*centres[order].T, c=size[order], cmap=MAGNITUDE, norm=scale(size), **dots)
    ax.set_title("centres, by size of weight", loc="left", fontsize=8.5)
    made.colorbar(image, ax=ax, pad=0.02, fraction=0.05, extend="min")


def gaussians_figure(gaussians: Gaussians, box: Box, planes: Sequence[Plane], name: str = "u") -> Figure | None:
    """The Gaussians over the function they make; none without a plane to show them in.

    Up to 300 of them are drawn as ellipses of one standard deviation; of more those with the largest weights, beside
    the centres of all. Dashed lines part slabs. Images by periods and mirrors are not drawn.

    **Arguments:** `gaussians`; `box`; `planes`; `name` of the function.
    """
    if not planes:
        return None
    many = any(np.count_nonzero(plane.chosen) > FEW for plane in planes)
    made = figure(4.9 if len(planes) == 1 and not many else 6.8, 2.9 * len(planes) + 0.2 if many else 3.7)
    axes: Any = made.subplots(len(planes), 2) if many else made.subplots(1, len(planes))
    grid = np.reshape(axes, (len(planes), 2 if many else 1))
    for row, plane in zip(grid, planes, strict=True):
        _over_values(made, row[0], gaussians, box, plane, name)
        if many:
            _all_centres(made, row[1], gaussians, plane)
        for ax in row:
            _frame(ax, box, plane.pair)
            if 0 in plane.pair and gaussians.edges is not None and len(gaussians.edges) > 2:
                _edges(ax, gaussians.edges, plane.pair.index(0))
    return made
