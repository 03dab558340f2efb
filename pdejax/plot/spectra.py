"""Energy spectra, and errors by shell of the spectrum."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from pdejax.plot.style import FAINT, STRONG, Look, figure, legend_above, log_axis

SIGNAL = 1e-12  # of the truth's energy: below it float32 data hold round-off


def _chosen_steps(count: int, panels: int = 4) -> np.ndarray:
    """First, last and geometrically spaced steps between."""
    return np.unique(np.rint(np.geomspace(1, count, panels)).astype(int)) - 1


def _spectrum(ax: Any, energy: np.ndarray, **drawn: Any) -> None:
    """One spectrum without the mean; nothing where it is zero."""
    ax.plot(np.arange(1, len(energy)), np.where(energy > 0, energy, np.nan)[1:], **drawn)


def spectrum_figure(
    times: Float[np.ndarray, " time"],
    truth: Float[np.ndarray, "time shell"],
    prediction: Float[np.ndarray, "time shell"],
    error: Float[np.ndarray, "time shell"],
) -> Figure:
    """Energy spectra of truth, prediction and error at four times."""
    steps = _chosen_steps(len(times))
    made = figure(6.8, 2.2 * ((len(steps) + 1) // 2) + 0.5)
    axes: Any = np.ravel(made.subplots((len(steps) + 1) // 2, 2, sharex=True, sharey=True, squeeze=False))
    for ax, step in zip(axes, steps, strict=False):
        _spectrum(ax, truth[step], label="truth", color=STRONG, lw=2.6, alpha=0.45)
        _spectrum(ax, prediction[step], label="prediction", color="#0072B2", lw=1.4)
        _spectrum(ax, error[step], label="error", color="#D55E00", ls=(0, (4, 2)), lw=1.2)
        log_axis(ax)
        ax.set_yscale("log")
        ax.set_title(f"t = {times[step]:.4g}", loc="left")
    for ax in axes[len(steps) :]:
        ax.remove()
    top = float(np.nanmax(truth))
    axes[0].set_ylim(top * SIGNAL * 1e-3, top * 5)
    for ax in axes[: len(steps)]:
        if ax.get_subplotspec().is_last_row() or len(steps) < 3:
            ax.set_xlabel("mode number")
    made.supylabel("energy per shell", fontsize=9)
    legend_above(made, axes[0])
    return made


def spectra_figure(
    times: Float[np.ndarray, " time"],
    truth: Float[np.ndarray, "time shell"],
    fields: Mapping[str, Float[np.ndarray, "time shell"]],
    errors: Mapping[str, Float[np.ndarray, "time shell"]],
    looks: Mapping[str, Look],
) -> Figure:
    """Energy spectra of the truth and of several systems, and of their errors, after one step and at the end.

    **Arguments:** `times`; `truth`; `fields`, `errors`, `looks`: by name of the system.
    """
    made = figure(6.8, 5.6)
    axes: Any = made.subplots(2, 2, sharex=True, sharey="row", squeeze=False)
    for column, step in enumerate((0, len(times) - 1)):
        for row, systems in enumerate((fields, errors)):
            ax = axes[row, column]
            ax.plot(np.arange(1, truth.shape[1]), truth[step, 1:], color=STRONG, lw=2.6, alpha=0.4, label="truth")
            for name, energy in systems.items():
                look = looks[name]
                _spectrum(ax, np.asarray(energy[step], float), color=look.colour, ls=look.line, lw=1.4, label=name)
            log_axis(ax)
            ax.set_yscale("log")
            ax.set_title(f"{('fields', 'errors')[row]} at t = {times[step]:.4g}", loc="left")
    top = float(np.nanmax(truth))
    for ax in axes[:, 0]:
        low, _ = ax.get_ylim()
        ax.set_ylim(max(low, top * SIGNAL * 1e-4), top * 5)
        ax.set_ylabel("energy per shell")
    for ax in axes[1]:
        ax.set_xlabel("mode number")
    legend_above(made, axes[0, 0], 4)
    return made


def shell_errors(
    truth: Float[np.ndarray, "time shell"], error: Float[np.ndarray, "time shell"]
) -> Float[np.ndarray, "time shell"]:
    """Decimal logarithm of the relative error of each shell, NaN where the truth is round-off.

    **Arguments:** energies of the truth and of the error.
    """
    truth, error = np.asarray(truth, float), np.asarray(error, float)
    signal = (truth > SIGNAL * truth.sum(1, keepdims=True)) & (truth > 0)
    size = np.where(signal, truth, 1.0)
    return np.where(signal, 0.5 * np.log10(np.maximum(error, size * 1e-16) / size), np.nan)


def shell_error_figure(
    times: Float[np.ndarray, " time"], relative: Mapping[str, Float[np.ndarray, "time shell"]]
) -> Figure:
    """Relative error of each shell over time, a map for each system on a common scale.

    **Arguments:** `times`; `relative`: `shell_errors` by name of the system; a single one has no title.
    """
    columns = min(len(relative), 2)
    rows = -(-len(relative) // columns)
    made = figure(6.8, 2.9 if rows == columns == 1 else 2.3 * rows + 0.5)
    axes: Any = made.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    low = _lowest(list(relative.values()))
    image: Any = None
    for ax, (name, values) in zip(axes.ravel(), relative.items(), strict=False):
        ax.grid(False)
        ax.set_facecolor(FAINT)
        extent = (times[0] - times[0] / 2, times[-1] + times[0] / 2, -0.5, values.shape[1] - 0.5)
        drawn: Any = {"origin": "lower", "aspect": "auto", "extent": extent, "interpolation": "nearest"}
        image = ax.imshow(np.ma.masked_invalid(values.T), cmap="cividis", vmin=low, vmax=0.3, **drawn)
        ax.yaxis.set_major_locator(MaxNLocator(integer=True))
        if len(relative) > 1:
            ax.set_title(name, loc="left")
    for ax in axes.ravel()[len(relative) :]:
        ax.remove()
    made.supxlabel("time after the last known frame", fontsize=9)
    made.supylabel("mode number", fontsize=9)
    shown = list(axes.ravel()[: len(relative)])
    made.colorbar(image, ax=shown, pad=0.01, extend="both").set_label("log10 of relative error")
    return made


def _lowest(values: Sequence[np.ndarray]) -> float:
    """The lowest decade shown, at most six below one."""
    finite = np.concatenate([x[np.isfinite(x)] for x in values])
    return max(float(np.floor(finite.min())), -6.0) if len(finite) else -1.0
