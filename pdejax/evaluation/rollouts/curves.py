"""From a rollout to curves: what is reduced on the device, and what is kept of one system."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pdejax.evaluation.metrics.divergence import first_diverged, without_divergence
from pdejax.evaluation.metrics.errors import moments, over_scale
from pdejax.evaluation.metrics.spectra import BANDS, FLOOR, band_error, energy_spectrum, spectrum_log_distance
from pdejax.evaluation.metrics.table import METRICS
from pdejax.evaluation.reference import Reference
from pdejax.evaluation.rollouts.rollout import Rollout


def middle_slice(u: Any, ndim: int) -> Any:
    return u[..., u.shape[-2] // 2, :] if ndim == 3 else u


# curves that the metrics are made of, beside the metrics themselves: nobody else's may have these names
TAKEN = (
    *METRICS, "times", "nrmse", "mse", "truth_ms", "vrmse", "correlation", "diverged_step", "spectrum",
    "error_spectrum", "spectrum_log_distance", *(f"nrmse_{band}" for band in BANDS),
)  # fmt: skip
OwnMetric = Callable[[Any, Any], Any]
"""Of the prediction and the truth, `(time, trajectory, *space, channel)`, to numbers `(time, trajectory)`; traced."""


def check_own(own: Any, truth: Reference) -> Mapping[str, OwnMetric]:
    """Metrics of a user's as a mapping, asked of shapes alone before anything is predicted.

    **Raises:** `ValueError` that names the metric that does not take two arrays, or gives another shape.
    """
    if not isinstance(own or {}, Mapping):
        raise ValueError(f"metrics map names to functions of prediction and truth, got {type(own).__name__}")
    frames = jax.ShapeDtypeStruct(truth.frames.shape, truth.frames.dtype)
    for name, metric in (own or {}).items():
        if name in TAKEN:
            raise ValueError(f"a metric cannot be called {name!r}: another number has that name")
        try:
            made = jax.eval_shape(lambda u, v, metric=metric: jnp.asarray(metric(u, v)), frames, frames)
            found = made.shape
        except Exception as error:
            reason = (str(error).splitlines() or [""])[0]
            raise ValueError(f"metric {name!r} cannot be traced on prediction and truth, both {frames.shape}: "
                             f"{type(error).__name__}: {reason}") from error  # fmt: skip
        if found != frames.shape[:2]:
            raise ValueError(f"metric {name!r} should give numbers (time, trajectory), here {frames.shape[:2]}, from "
                             f"prediction and truth {frames.shape}; it gave the shape {found}")  # fmt: skip
        if jnp.issubdtype(made.dtype, jnp.complexfloating):
            raise ValueError(f"metric {name!r} should give real numbers, it gave {made.dtype}")
    return own or {}


def measure_of(truth: Reference, own: Mapping[str, OwnMetric] | None = None) -> Callable[[Any, Any], dict[str, Any]]:
    """The traced reduction of one chunk: moments and spectra per frame, and a thinned copy for pictures.

    **Arguments:** `truth`; `own`: further metrics by name.
    """
    ndim, shown = truth.ndim, truth.example_frames()

    def measure(prediction: Any, frames: Any) -> dict[str, Any]:
        newest = prediction[..., -frames.shape[-1] :].astype(frames.dtype)
        out = {"moments": moments(newest, frames, truth.weights), "frames": middle_slice(newest[shown], ndim)}
        out["own"] = {name: metric(newest, frames) for name, metric in (own or {}).items()}
        if truth.periodic:
            fields = {"prediction": newest, "truth": frames, "error": newest - frames}
            scale = out["moments"].scale
            out["spectra"] = {name: energy_spectrum(over_scale(u, scale), ndim) for name, u in fields.items()}
        return out

    return measure


def spectra_of(result: Rollout) -> dict[str, np.ndarray]:
    """Spectra of prediction, truth and error in the units of the data, in double precision, which holds them."""
    squares = np.asarray(result.values["moments"].scale, np.float64)[..., None] ** 2
    return {name: np.asarray(x, np.float64) * squares for name, x in result.values["spectra"].items()}


def _mean_of_valid(spectra: np.ndarray, diverged: np.ndarray) -> np.ndarray:
    """Mean over trajectories that have not diverged (where spectra are zero); NaN where none is left."""
    count = np.asarray(~diverged).sum(1, keepdims=True)
    return np.where(count > 0, spectra.sum(1) / np.maximum(count, 1), np.nan)


def _spectral_curves(spectra: Mapping[str, np.ndarray], nrmse: np.ndarray, diverged: np.ndarray) -> dict[str, Any]:
    """Band errors and spectrum distance; a diverged frame counts with the nRMSE's and the largest possible value."""
    truth, prediction, error = (
        np.where(diverged[..., None], 0.0, spectra[name]) for name in ("truth", "prediction", "error")
    )
    bands = {f"nrmse_{b}": np.where(diverged, nrmse, band_error(error, truth, b)) for b in BANDS}
    return {
        **bands,
        "spectrum_log_distance": np.where(diverged, -np.log10(FLOOR), spectrum_log_distance(prediction, truth)),
        "spectrum": _mean_of_valid(prediction, diverged),
        "error_spectrum": _mean_of_valid(error, diverged),
    }


def curves_of(result: Rollout, truth: Reference) -> dict[str, np.ndarray]:
    """Everything kept of one system, without a number that is not finite (but for a truth that is zero)."""
    kept, diverged = without_divergence(result.values["moments"], truth.sizes())
    curves = {
        "nrmse": kept.nrmse(),
        "mse": kept.mse(),
        "truth_ms": kept.truth.mean(-1),
        "vrmse": kept.vrmse(),
        "correlation": kept.correlation,
        "diverged_step": first_diverged(diverged),
        **result.values["own"],
    }
    if truth.periodic:
        curves |= _spectral_curves(spectra_of(result), curves["nrmse"], diverged)
    return {"times": truth.times, **{name: np.asarray(x) for name, x in curves.items()}}
