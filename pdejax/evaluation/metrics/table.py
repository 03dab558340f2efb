"""The numbers of the result table: each defined once, from curves per trajectory."""

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from pdejax.evaluation.metrics.bootstrap import bootstrap_interval
from pdejax.evaluation.metrics.horizon import THRESHOLDS, first_crossing
from pdejax.evaluation.metrics.spectra import BANDS

GMEAN_STEPS = 100

Curves = Mapping[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class Metric:
    """A column of the result table.

    **Arguments:**

    - `label`, `unit`, `better` ("lower" or "higher"), `meaning`: for people.
    - `samples`: from the curves of a system (see `evaluate`) to one value or curve per trajectory.
    - `statistic`: from means of those over trajectories (leading axis: resamples) to the number, given the times.
    - `censored`: how many curves only bound the number, or none if that cannot happen.
    - `timed`: whether it needs a solution that evolves in time.
    - `ours`: whether it is one of `METRICS`, or was brought from outside.
    """

    label: str
    unit: str
    better: str
    meaning: str
    samples: Callable[[Curves], np.ndarray]
    statistic: Callable[[np.ndarray, np.ndarray], np.ndarray] = lambda means, times: means
    censored: Callable[[Curves], int] | None = None
    timed: bool = False
    ours: bool = True


def _gmean(means: np.ndarray, times: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore"):  # an exact prediction has log 0 = -inf and the mean 0
        return np.exp(np.log(means).mean(-1))


def _time_of_mean(threshold: float) -> Metric:
    return Metric(
        label=f"time to {threshold}",
        unit="time",
        better="higher",
        meaning=f"first frame at which the correlation averaged over trajectories is below {threshold}",
        samples=lambda c: c["correlation"].T,
        statistic=lambda means, times: first_crossing(means.T, times, threshold)[0],
        censored=lambda c: int(first_crossing(c["correlation"].mean(1), c["times"], threshold)[1]),
        timed=True,
    )


def _time_of_each(threshold: float) -> Metric:
    return Metric(
        label=f"time to {threshold}, each",
        unit="time",
        better="higher",
        meaning=f"mean over trajectories of the first frame at which its own correlation is below {threshold}",
        samples=lambda c: first_crossing(c["correlation"], c["times"], threshold)[0],
        censored=lambda c: int(first_crossing(c["correlation"], c["times"], threshold)[1].sum()),
        timed=True,
    )


def _lower(label: str, unit: str, meaning: str, samples: Callable[[Curves], np.ndarray], timed: bool = False) -> Metric:
    return Metric(label, unit, "lower", meaning, samples, timed=timed)


METRICS: dict[str, Metric] = {
    "relative_l2": _lower(
        "relative L2 error",
        "",
        "norm of the error over that of the truth, both over space and all steps",
        lambda c: np.sqrt(c["mse"].sum(0) / np.maximum(c["truth_ms"].sum(0), np.finfo(float).tiny)),
    ),
    "one_step_nrmse": _lower(
        "first-frame nRMSE",
        "",
        "error norm over norm of the truth one frame of the data later",
        lambda c: c["nrmse"][0],
        timed=True,
    ),
    "nrmse_gmean": Metric(
        "nRMSE, geometric mean",
        "",
        "lower",
        f"geometric mean over the first {GMEAN_STEPS} steps (all, if fewer) of the nRMSE averaged over trajectories",
        lambda c: c["nrmse"][:GMEAN_STEPS].T,
        _gmean,
        timed=True,
    ),
    **{f"correlation_time_{t}": _time_of_mean(t) for t in THRESHOLDS},
    **{f"correlation_time_{t}_each": _time_of_each(t) for t in THRESHOLDS},
    "mse": _lower("MSE", "field²", "mean square error over all steps", lambda c: c["mse"].mean(0)),
    "one_step_vrmse": _lower(
        "first-frame VRMSE",
        "",
        "error over the truth's spatial standard deviation one frame of the data later",
        lambda c: c["vrmse"][0],
        timed=True,
    ),
    "vrmse": _lower(
        "VRMSE",
        "",
        "error over the truth's spatial standard deviation, averaged over all steps",
        lambda c: c["vrmse"].mean(0),
    ),
    **{
        f"one_step_nrmse_{band}": _lower(
            f"first-frame nRMSE, {band} modes",
            "",
            f"share of modes {first} to {last or 'the last'} in the first-frame nRMSE (squares add up)",
            lambda c, band=band: c[f"nrmse_{band}"][0],
            timed=True,
        )
        for band, (first, last) in BANDS.items()
    },
    "spectrum_log_distance": _lower(
        "spectrum distance",
        "decades",
        "root mean square difference of log10 energies over the shells with signal, averaged over all steps",
        lambda c: c["spectrum_log_distance"].mean(0),
    ),
}
"""Every metric of the result table, by its key in `evaluation.json`."""


def finite_or_none(value: Any) -> float | None:
    """A JSON number, or null for what JSON cannot hold."""
    return float(value) if math.isfinite(value) else None


def own_metric(name: str) -> Metric:
    """A metric that was brought from outside, the mean over all steps of the curve of its name."""
    meaning = "a metric of your own, averaged over all steps"
    return dataclasses.replace(_lower(name.replace("_", " "), "", meaning, lambda c: c[name].mean(0)), ours=False)


def metric_of(name: str) -> Metric:
    """The metric of a key in `evaluation.json`, one of your own where it is none of ours."""
    return METRICS[name] if name in METRICS else own_metric(name)


def no_entry(metric: Metric, reason: str) -> dict[str, Any]:
    """What is recorded of a metric that has no value."""
    return {
        "value": None,
        "interval": None,
        "unit": metric.unit,
        "better": metric.better,
        "censored": None,
        "reason": reason,
    }


def metric_entry(metric: Metric, curves: Curves) -> dict[str, Any]:
    """Value, interval and, where there is no value, the reason."""
    entry = no_entry(metric, "") | {"reason": None}
    try:
        samples = np.asarray(metric.samples(curves), np.float64)
    except KeyError:
        return entry | {"reason": "spectra are computed on periodic grids only"}
    value = metric.statistic(samples.mean(0, keepdims=True), curves["times"])[0]
    if not math.isfinite(value):
        blame = "the truth is zero or the numbers exceed float32" if metric.ours else "the metric gave such a number"
        return entry | {"reason": f"not finite: {blame}"}
    entry["value"] = float(value)
    entry["censored"] = metric.censored(curves) if metric.censored else None
    if len(samples) > 1:
        low, high = bootstrap_interval(samples, lambda means: metric.statistic(means, curves["times"]))
        entry["interval"] = [float(low), float(high)]
    return entry
