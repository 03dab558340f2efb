"""Metrics of rollouts: how results call what `evaluation.json` and `comparison.json` hold."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from experiments._kit.results import Row, over_seeds, row


class Metric(NamedTuple):
    """Name, direction and unit of a metric."""

    name: str
    better: str
    unit: str = "1"


METRICS: Mapping[str, Metric] = {
    "correlation_time_0.8": Metric("high-correlation time at 0.8 (batch mean)", "higher", "s"),
    "correlation_time_0.9": Metric("high-correlation time at 0.9 (batch mean)", "higher", "s"),
    "correlation_time_0.8_each": Metric("high-correlation time at 0.8 (mean over trajectories)", "higher", "s"),
    "one_step_nrmse": Metric("one-step nRMSE", "lower"),
    "one_step_nrmse_high": Metric("one-step nRMSE of wavenumbers from 13", "lower"),
    "nrmse_gmean": Metric("nRMSE, geometric mean over 100 steps", "lower"),
    "spectrum_log_distance": Metric("distance of spectra where the truth holds signal", "lower", "decades"),
}


def measured(case: str, key: str, metrics: Mapping[str, Any], **further: Any) -> Row:
    """The row of one metric of a system, with its bootstrap interval."""
    name, better, unit = METRICS[key]
    entry = metrics[key]
    return row(case, name, entry["value"], better=better, unit=unit, interval=entry["interval"], **further)


def measured_over_seeds(
    case: str, key: str, metrics: Iterable[Mapping[str, Any]], seeds: Iterable[int], **further: Any
) -> Row:
    """The row of one metric of a system trained with several seeds, with their range."""
    name, better, unit = METRICS[key]
    found = over_seeds([entries[key]["value"] for entries in metrics], list(seeds))
    return row(case, name, found.pop("value"), better=better, unit=unit, **found, **further)
