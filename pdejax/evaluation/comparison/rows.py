"""The numbers of a comparison."""

from collections.abc import Mapping
from typing import Any

from pdejax.evaluation.coordinate.rows import MAIN as COORDINATE
from pdejax.evaluation.price.rows import price_rows
from pdejax.evaluation.result import Result, Row
from pdejax.evaluation.steady.rows import MAIN as STEADY

ROLLOUT = (
    "correlation_time_0.8",
    "correlation_time_0.9",
    "correlation_time_0.8_each",
    "correlation_time_0.9_each",
    "one_step_nrmse",
    "nrmse_gmean",
    "spectrum_log_distance",
)
MAIN: Mapping[str, tuple[str, ...]] = {"rollout": ROLLOUT, "steady": STEADY, "coordinate": COORDINATE}
"""The metrics that are shown first, by the kind of what is compared."""


def main_metrics(document: Mapping[str, Any]) -> tuple[str, ...]:
    """Those of this comparison."""
    first = next(iter(document["systems"].values()))["metrics"]
    return tuple(name for name in MAIN[document.get("of", "rollout")] if name in first)


def rows(result: Result) -> list[Row]:
    """Every metric of every system, with its gain over the reference, and the prices of the models."""
    listed: list[Row] = []
    for name, one in result.document["systems"].items():
        against = one.get("against_reference") or {}
        for metric, entry in one["metrics"].items():
            gain = against.get(metric) or {}
            told = {"gain": gain.get("gain"), "gain_interval": gain.get("gain_interval")}
            listed.append({"system": name, "metric": metric, **entry, **told})
    return listed + price_rows(result.document.get("price"))
