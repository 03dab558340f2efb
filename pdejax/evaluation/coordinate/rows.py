"""The numbers of a network of coordinates, and what two of them must have in common to be compared."""

from collections.abc import Mapping, Sequence
from typing import Any

from pdejax.evaluation.price.field_words import field_rows
from pdejax.evaluation.result import Result, Row

MAIN = ("relative_l2", "largest_error", "relative_residual", "parameters", "seconds")
"""The metrics that are shown first."""


def numbered(groups: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    """Members of groups by the group's name, numbered from 1 where it has several."""
    name = lambda group, i: group if len(groups[group]) == 1 else f"{group} {i + 1}"
    return {name(group, i): one for group, members in groups.items() for i, one in enumerate(members)}


def residuals(document: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """All residuals by a name for people: `equation`, or `equation 1`, ..., then the conditions."""
    given = document["residual"]
    return numbered({"equation": given["equations"], **given["conditions"]})


def errors(document: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Errors of all fields together, then of each where there are several; of the only one; none if not known."""
    given = document["error"]
    if given is None:
        return {}
    each = given["fields"] if len(given["fields"]) > 1 else {}
    return {"": given["all"], **{f" {name}": entry for name, entry in each.items()}}


def _entry(metric: str, entry: Mapping[str, Any], unit: str = "") -> Row:
    plain = {"interval": None, "unit": unit, "better": "lower", "censored": False, "reason": None}
    return {"system": "model", "metric": metric, **plain, **entry}


def rows(result: Result) -> list[Row]:
    """Errors (`relative_l2`, `largest_error`, of several fields also by field), residuals (the worst of the equations
    and each by name), found parameters, size, cost and price."""
    document = result.document
    listed: list[Row] = []
    for name, entry in errors(document).items():
        listed.append(_entry(f"relative_l2{name}", entry["relative_l2"]))
        listed.append(_entry(f"largest_error{name}", entry["largest"]))
    if not listed:
        listed = [_entry("relative_l2", {"value": None, "reason": document["no_error"]})]
    listed.append(_entry("relative_residual", _worst(document["residual"]["equations"])))
    for name, entry in residuals(document).items():
        found = {"value": entry["relative"], "reason": entry["reason"]}
        listed.append(_entry(f"relative_residual {name}", found))
    for name, entry in document["found"].items():
        unknown = None if entry["relative_error"] is not None else "its true value is not known"
        listed.append(_entry(f"found {name}", {"value": entry["value"], "better": None}))
        listed.append(_entry(f"relative_error {name}", {"value": entry["relative_error"], "reason": unknown}))
    listed.append(_entry("parameters", {"value": document["model"]["parameters"]}))
    listed.append(_entry("seconds", {"value": document["cost"]["seconds"]}, "s"))
    return [*listed, *field_rows(document.get("price"))]


def _worst(equations: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The largest relative residual; none if one has none."""
    missing = next((one["reason"] for one in equations if one["relative"] is None), None)
    return {"value": None if missing else max(one["relative"] for one in equations), "reason": missing}


def subject(result: Result) -> dict[str, Any]:
    """What was solved, and the truth it was compared with."""
    problem, truth = result.document["problem"], result.document["truth"] or {}
    return {f"problem.{k}": problem[k] for k in ("name", "axes", "box", "fields", "equation")} | {
        f"truth.{k}": truth.get(k) for k in ("shape", "floor")
    }
