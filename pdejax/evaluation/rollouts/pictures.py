"""Pictures of fields: space-time diagrams in 1D, frames in 2D, middle slices in 3D."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from pdejax.evaluation.metrics.horizon import first_crossing
from pdejax.evaluation.rollouts.document import Evaluation
from pdejax.plot import DIFFERENCE, DIVERGING, MARK, SEQUENTIAL, figure

ROLES = ("typical", "worst")


def limits(truth: np.ndarray) -> tuple[str, float, float]:
    """Colour map and range of a field: symmetric about zero if the field changes sign."""
    low, high = np.quantile(truth, [0.001, 0.999]).astype(float)
    if low < -0.1 * high and high > -0.1 * low:
        bound = max(abs(low), abs(high))
        return DIVERGING, -bound, bound
    return SEQUENTIAL, low, max(high, low + 1e-12)


def example_title(evaluation: Evaluation, example: int) -> str:
    """Which trajectory an example is and why it is shown."""
    number = int(evaluation.arrays["example/trajectory"][example])
    total = evaluation.document["dataset"]["trajectories"]
    if total == 1:
        return "the only trajectory"
    return f"{ROLES[example]} trajectory (number {number} of {total}, by mean correlation)"


def _crossing(evaluation: Evaluation, trajectory: int, threshold: float) -> float | None:
    curve = evaluation.arrays["model/correlation"][:, trajectory]
    value, censored = first_crossing(curve, evaluation.arrays["times"], threshold)
    return None if censored else float(value)


def triple(evaluation: Evaluation, example: int, channel: int) -> list[tuple[str, np.ndarray]]:
    """Title and kept frames of the truth, the prediction and their difference."""
    truth = evaluation.arrays["example/truth"][:, example, ..., channel]
    model = evaluation.arrays["example/model"][:, example, ..., channel].astype(float)
    bound = 100 * np.abs(truth).max()  # a diverged prediction is drawn saturated
    model = np.where(np.isfinite(model), np.clip(model, -bound, bound), np.nan)
    return [("truth", truth), ("prediction", model), ("difference", model - truth)]


def _space_time(evaluation: Evaluation, example: int, channel: int) -> Figure:
    document, frames = evaluation.document, evaluation.arrays["example/frame"]
    times, length = evaluation.arrays["times"], document["dataset"]["lengths"][0]
    name = document["dataset"]["fields"][channel]
    made = figure(6.8, 4.6)
    axes: Any = made.subplots(3, 1, sharex=True, sharey=True)
    panels = triple(evaluation, example, channel)
    cmap, low, high = limits(panels[0][1])
    threshold = document["protocol"]["thresholds"][0]
    crossing = _crossing(evaluation, int(evaluation.arrays["example/trajectory"][example]), threshold)
    extent = (0.0, float(times[frames[-1]]), 0.0, length)
    image: Any = None
    for ax, (title, values) in zip(axes, panels, strict=True):
        ax.grid(False)
        colours = DIFFERENCE if title == "difference" else cmap
        bounds = (-(high - low) / 2, (high - low) / 2) if title == "difference" else (low, high)
        image = ax.imshow(
            np.ma.masked_invalid(values.T),
            origin="lower",
            aspect="auto",
            extent=extent,
            cmap=colours,
            vmin=bounds[0],
            vmax=bounds[1],
            interpolation="nearest",
        )
        ax.set_title(title if title != "difference" else "prediction minus truth", loc="left")
        ax.set_ylabel("x")
        made.colorbar(image, ax=ax, pad=0.01, fraction=0.04).set_label(name if title != "difference" else f"Δ{name}")
        if crossing is not None:
            ax.axvline(crossing, color=MARK, lw=1.0, ls=(0, (4, 2)))
    if crossing is not None:
        label = f"correlation < {threshold} at t = {crossing:.4g}"
        axes[0].annotate(
            label,
            (crossing, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(0, 3),
            textcoords="offset points",
            fontsize=8,
            ha="right" if crossing > extent[1] / 2 else "left",
        )
    axes[-1].set_xlabel("time after the last known frame")
    return made


def _frames(evaluation: Evaluation, example: int, channel: int) -> Figure:
    document, frames = evaluation.document, evaluation.arrays["example/frame"]
    times, lengths = evaluation.arrays["times"], document["dataset"]["lengths"]
    name, count = document["dataset"]["fields"][channel], len(frames)
    made = figure(6.8, 3.9)
    axes: Any = made.subplots(3, count, sharex=True, sharey=True, squeeze=False)
    panels = triple(evaluation, example, channel)
    cmap, low, high = limits(panels[0][1])
    trajectory = int(evaluation.arrays["example/trajectory"][example])
    for row, (title, values) in zip(axes, panels, strict=True):
        colours = DIFFERENCE if title == "difference" else cmap
        bounds = (-(high - low) / 2, (high - low) / 2) if title == "difference" else (low, high)
        image: Any = None
        for column, ax in enumerate(row):
            ax.grid(False)
            image = ax.imshow(
                np.ma.masked_invalid(values[column].T),
                origin="lower",
                extent=(0.0, lengths[0], 0.0, lengths[1]),
                cmap=colours,
                vmin=bounds[0],
                vmax=bounds[1],
                interpolation="nearest",
            )
            ax.set_xticks([])
            ax.set_yticks([])
            ax.spines[:].set_visible(False)
        row[0].set_ylabel(title)
        label = name if title != "difference" else f"Δ{name}"
        made.colorbar(image, ax=list(row), pad=0.01, fraction=0.03).set_label(label)
    for ax, frame in zip(axes[0], frames, strict=True):
        correlation = round(float(evaluation.arrays["model/correlation"][frame, trajectory]), 2) + 0.0  # no minus zero
        ax.set_title(f"t = {times[frame]:.3g}\ncorr. {correlation:.2f}", fontsize=8)
    extent = " × ".join(f"{length:.4g}" for length in lengths)
    middle = ", slice through the middle of the last axis" if len(lengths) == 3 else ""
    made.supxlabel(f"box of {extent}{middle}", fontsize=8)
    return made


def rollout_figure(evaluation: Evaluation, example: int = 0, channel: int = 0) -> Figure:
    """Truth, prediction and their difference along a rollout.

    **Arguments:** `evaluation`; `example`: 0 the typical, 1 the worst trajectory; `channel`: of the field.
    """
    one_dimensional = len(evaluation.document["dataset"]["shape"]) == 1
    return (_space_time if one_dimensional else _frames)(evaluation, example, channel)
