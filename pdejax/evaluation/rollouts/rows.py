"""The numbers of a rollout's result, and what two of them must have in common to be compared."""

from typing import Any

from pdejax.evaluation.price.rows import price_rows
from pdejax.evaluation.result import Result, Row
from pdejax.evaluation.skill import skill_rows

MAIN = (
    "relative_l2",
    "correlation_time_0.8",
    "correlation_time_0.9",
    "correlation_time_0.8_each",
    "one_step_nrmse",
    "nrmse_gmean",
    "spectrum_log_distance",
)
"""The metrics that are shown first."""


def rows(result: Result) -> list[Row]:
    """Every metric of every system, the share that diverged, the cost, and the skill and the price of the model."""
    listed: list[Row] = []
    for name, one in result.document["systems"].items():
        listed += [{"system": name, "metric": metric, **entry} for metric, entry in one["metrics"].items()]
        plain = {"system": name, "interval": None, "better": "lower", "censored": None, "reason": None}
        share = one["diverged"]["count"] / one["diverged"]["of"]
        listed.append({**plain, "metric": "diverged", "value": share, "unit": ""})
        listed.append({**plain, "metric": "seconds", "value": one["cost"]["seconds"], "unit": "s"})
    return listed + skill_rows(result.document) + price_rows(result.document.get("price"))


def subject(result: Result) -> dict[str, Any]:
    """What was predicted."""
    dataset, protocol = result.document["dataset"], result.document["protocol"]
    return {k: dataset[k] for k in ("fingerprint", "split", "trajectories")} | {
        k: protocol[k] for k in ("start_frame", "steps")
    }
