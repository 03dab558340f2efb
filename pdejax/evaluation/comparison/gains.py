"""How much one system gains over another on the same trajectories, with paired intervals."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from pdejax.evaluation.metrics.bootstrap import bootstrap_interval
from pdejax.evaluation.metrics.table import Curves, Metric, finite_or_none


def _ends(interval: tuple[Any, Any], given: bool) -> list[float] | None:
    ends = [finite_or_none(x) for x in interval]
    return [float(x) for x in ends if x is not None] if given and None not in ends else None


def gain_entry(metric: Metric, curves: Curves, reference: Curves) -> dict[str, Any]:
    """Difference and relative gain of a metric over the reference's, with intervals over common draws.

    **Returns:** `difference` (in the metric's unit) and `gain` (ratio minus 1) with `difference_interval` and
    `gain_interval` (null with a single trajectory), `better` (whether both ends of the difference's interval are on
    the better side of zero; null without one), `bound` (whether curves that never crossed make either only a bound)
    and `reason` (why there is no value, or null).
    """
    entry: dict[str, Any] = dict.fromkeys(
        ("difference", "difference_interval", "gain", "gain_interval", "better", "reason")
    )
    entry["bound"] = False
    try:
        a, b = (np.asarray(metric.samples(c), np.float64) for c in (curves, reference))
    except KeyError:
        return entry | {"reason": "spectra are computed on periodic grids only"}
    statistic = lambda means: metric.statistic(means, curves["times"])
    mine, other = (float(statistic(x.mean(0, keepdims=True))[0]) for x in (a, b))
    if not (np.isfinite(mine) and np.isfinite(other)):
        return entry | {"reason": "not finite: the truth is zero or the numbers exceed float32"}
    several = len(a) > 1
    entry["difference"] = mine - other
    entry["difference_interval"] = _ends(bootstrap_interval(a, statistic, minus=b), several)
    entry["gain"] = None if other == 0 else mine / other - 1
    entry["gain_interval"] = _ends(bootstrap_interval(a, statistic, minus=b, relative=True), several and other != 0)
    if entry["difference_interval"]:
        low, high = entry["difference_interval"]
        entry["better"] = low > 0 if metric.better == "higher" else high < 0
    if metric.censored:
        entry["bound"] = bool(metric.censored(curves) or metric.censored(reference))
    return entry


def plain_gain(mine: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """As `gain_entry`, of two numbers that are no means: without intervals."""
    entry: dict[str, Any] = dict.fromkeys(
        ("difference", "difference_interval", "gain", "gain_interval", "better", "reason")
    )
    entry["bound"] = bool(mine.get("censored") or other.get("censored"))
    a, b = mine["value"], other["value"]
    if a is None or b is None:
        return entry | {"reason": mine.get("reason") or other.get("reason")}
    if isinstance(a, str) or isinstance(b, str):
        return entry | {"reason": f"{a if isinstance(a, str) else b} is no number"}
    return entry | {"difference": a - b, "gain": None if b == 0 else a / b - 1}
