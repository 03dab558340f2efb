"""Skill: the share of the error of the best baseline that knows no equation, which a model does without."""

from collections.abc import Mapping
from typing import Any

from pdejax.evaluation.comparison.gains import gain_entry
from pdejax.evaluation.metrics.table import METRICS, Curves

UNTAUGHT = ("linear", "dmd", "persistence", "mean")  # fitted to the training split, or to nothing
SKILLED = ("relative_l2", "one_step_nrmse", "nrmse_gmean")


def skill_section(systems: Mapping[str, Any], curves: Mapping[str, Curves]) -> dict[str, Any]:
    """By metric `value` (1 - error / error of the best of `UNTAUGHT`), `interval` of it over trajectories, paired,
    `best` (which baseline that is) and `reason` (why there is no value, or null); empty without such a baseline.

    **Arguments:** `systems`: sections of the document, the model among them; `curves`: of each system.
    """
    section: dict[str, Any] = {}
    for name in SKILLED:
        known = {one: systems[one]["metrics"][name]["value"] for one in UNTAUGHT if one in systems}
        known = {one: value for one, value in known.items() if value is not None}
        if known:
            best = min(known, key=lambda one: known[one])
            section[name] = {"best": best} | _entry(gain_entry(METRICS[name], curves["model"], curves[best]))
    return section


def _entry(gain: Mapping[str, Any]) -> dict[str, Any]:
    ends = gain["gain_interval"]
    value = None if gain["gain"] is None else -gain["gain"]
    reason = None if value is not None else gain["reason"] or "the best baseline makes no error"
    return {"value": value, "interval": None if ends is None else [-ends[1], -ends[0]], "reason": reason}


def skill_rows(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The skill of the model as numbers of a result."""
    plain = {"system": "model", "unit": "", "better": "higher", "censored": None}
    return [{**plain, "metric": f"skill_{name}", **entry} for name, entry in document.get("skill", {}).items()]


def skill_lines(document: Mapping[str, Any]) -> list[str]:
    """Skill in sentences."""
    lines = []
    for name, entry in document.get("skill", {}).items():
        label, best = METRICS[name].label, document["systems"][entry["best"]]["label"]
        ends = f" [{entry['interval'][0]:.3g}, {entry['interval'][1]:.3g}]" if entry["interval"] else ""
        told = f"none, as {entry['reason']}" if entry["value"] is None else f"{entry['value']:.3g}{ends}"
        lines.append(f"skill in {label}: {told}, over {best}")
    return lines
