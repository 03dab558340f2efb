"""What an ensemble of one stochastic system tells about its own error."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pdejax.core import Key
from pdejax.evaluation.metrics.divergence import FACTOR
from pdejax.evaluation.metrics.ensemble import (
    coefficient_of_determination,
    cross_correlation,
    crps,
    mean_error,
    mean_error_spectrum,
    rank_histogram,
    spread,
    spread_spectrum,
)
from pdejax.evaluation.metrics.errors import correlation
from pdejax.evaluation.metrics.horizon import THRESHOLDS, first_crossing
from pdejax.evaluation.metrics.spectra import energy_spectrum
from pdejax.evaluation.metrics.table import finite_or_none
from pdejax.evaluation.reference import Reference
from pdejax.evaluation.rollouts.ensemble import MEMBER_AXIS, EqualMembers, ensemble_rollout


def _scores(prediction: Any, frames: Any, truth: Reference, key: Key) -> dict[str, Any]:
    """The traced reduction of one chunk; every leaf is (time, trajectory, ...)."""
    samples = jnp.moveaxis(prediction, MEMBER_AXIS, 0)[..., -frames.shape[-1] :].astype(frames.dtype)
    histogram = lambda s, u: rank_histogram(s, u, key=key)
    each = jax.vmap(jax.vmap(histogram, in_axes=(1, 0)), in_axes=(1, 0))
    out = {
        "crps": crps(samples, frames).mean(tuple(range(2, frames.ndim))),
        "absolute_error": jnp.abs(samples - frames[None]).mean((0, *range(3, samples.ndim))),
        "spread": spread(samples),
        "mean_error": mean_error(samples, frames),
        "truth_ms": (frames**2).mean(tuple(range(2, frames.ndim))),
        "cross_correlation": cross_correlation(samples),
        "member_correlation": jax.vmap(correlation, in_axes=(0, None))(samples, frames).mean(0),
        "ranks": each(samples, frames),
    }
    if truth.periodic:
        out["spread_spectrum"] = spread_spectrum(samples, truth.ndim)
        out["mean_error_spectrum"] = mean_error_spectrum(samples, frames, truth.ndim)
        out["truth_spectrum"] = energy_spectrum(frames, truth.ndim)
    return out


def _kept(values: dict[str, np.ndarray]) -> np.ndarray:
    """Trajectories of which every member stayed finite and within the range of the data."""
    numbers = np.stack([values[name] for name in ("crps", "spread", "mean_error")])
    largest = FACTOR * np.sqrt(values["truth_ms"].max(0))
    finite = np.isfinite(numbers).all((0, 1))
    return finite & (np.where(np.isfinite(values["spread"]), values["spread"], np.inf).max(0) < largest)


def _alarm(values: dict[str, np.ndarray], times: np.ndarray, threshold: float) -> dict[str, Any]:
    """How well the time at which members part tells the time at which they lose the truth."""
    told, told_open = first_crossing(values["cross_correlation"], times, threshold)
    true, true_open = first_crossing(values["member_correlation"], times, threshold)
    both = ~(told_open | true_open)
    entry: dict[str, Any] = {
        "cross_correlation_time": float(told.mean()),
        "correlation_time": float(true.mean()),
        "censored": int((~both).sum()),
        "trajectories": len(told),
        "r_squared": None,
        "r_squared_identity": None,
        "reason": None,
    }
    try:
        line, identity = coefficient_of_determination(told[both], true[both])
    except ValueError as reason:
        return entry | {"reason": str(reason)}
    return entry | {"r_squared": line, "r_squared_identity": identity}


def _ratio(above: np.ndarray, below: np.ndarray) -> float | None:
    """Root of the ratio of two mean squares."""
    return finite_or_none(np.sqrt(above.mean() / below.mean())) if below.mean() > 0 else None


def _document(values: dict[str, np.ndarray], times: np.ndarray, members: int, lost: int) -> dict[str, Any]:
    size = np.sqrt(values["truth_ms"].mean(1))
    relative = values["crps"].mean(1) / np.where(size > 0, size, 1)
    spread_ms, error_ms = (values[name] ** 2 for name in ("spread", "mean_error"))
    nrmse = (values["mean_error"] / np.sqrt(np.where(values["truth_ms"] > 0, values["truth_ms"], 1))).mean(1)
    return {
        "members": members,
        "lost": lost,
        "crps": {"one_step": float(values["crps"][0].mean()), "mean": float(values["crps"].mean())},
        "crps_relative": {"one_step": float(relative[0]), "mean": float(relative.mean())},
        "mean_nrmse": {"one_step": float(nrmse[0]), "mean": float(nrmse.mean())},
        "spread_over_error": {"one_step": _ratio(spread_ms[0], error_ms[0]), "all_steps": _ratio(spread_ms, error_ms)},
        "alarm": {str(t): _alarm(values, times, t) for t in THRESHOLDS},
        "reason": None,
    }


def ensemble_section(
    predictor: Any, truth: Reference, history: int, members: int, chunk: int | None, key: Key
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Scores of an ensemble, of one predictor or of a sequence of them (then `members` is their number).

    **Returns:** the document, with a `reason` and no numbers where there is no ensemble; and arrays: crps, spread,
    mean_error, cross_correlation, member_correlation (time, trajectory), ranks (time, rank), spread_spectrum,
    mean_error_spectrum, truth_spectrum (time, shell).
    """
    try:
        result = ensemble_rollout(
            predictor,
            truth.initial(history),
            truth.times,
            members,
            key=key,
            chunk=chunk,
            parameters=truth.parameters,
            truth=truth.frames,
            measure=lambda prediction, frames: _scores(prediction, frames, truth, key),
        )
    except EqualMembers as reason:
        return {"members": 1, "reason": str(reason)}, {}
    kept = _kept(result.values)
    if not kept.any():
        return {"members": members, "reason": "a member of every trajectory diverged"}, {}
    values = {name: np.asarray(x[:, kept], np.float64) for name, x in result.values.items()}
    document = _document(values, truth.times, members, int((~kept).sum()))
    arrays = {name: x.mean(1) if name.endswith("spectrum") else x for name, x in values.items() if name != "truth_ms"}
    return document, arrays | {"ranks": values["ranks"].sum(1)}
