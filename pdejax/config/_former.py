"""Configurations that runs of the former layout wrote, in today's words."""

from collections.abc import Mapping
from typing import Any

from pdejax._former import todays_method

_ENDS = {"periodic": "periodic", "dirichlet": "value"}


def current(values: Mapping[str, Any]) -> dict[str, Any]:
    """The same configuration with all words in their present places."""
    out = dict(values)
    if isinstance(values.get("problem"), Mapping):
        out["problem"] = _problem(values["problem"])
    if isinstance(values.get("method"), Mapping):
        out["method"] = todays_method(values["method"])
    stated = isinstance(values.get("problem"), Mapping) and "conditions" in values["problem"]
    if stated and values["network"].get("activation") == "gelu":
        out["network"] = {**values["network"], "activation": "gelu_exact"}  # which it meant in fields alone
    if isinstance(values.get("train"), Mapping):
        train = _optimiser(values["train"])
        train["stages"] = [_optimiser(stage) for stage in train.get("stages") or ()]
        out["train"] = {name: value for name, value in train.items() if (name, value) != ("devices", "auto")}
    return out


def _problem(values: Mapping[str, Any]) -> dict[str, Any]:
    problem = {name: dict(one) if isinstance(one, Mapping) else one for name, one in values.items()}
    if isinstance(problem.get("domain"), dict) and "boundary" in problem["domain"]:
        problem["domain"]["ends"] = _ENDS[problem["domain"].pop("boundary")]
    if isinstance(problem.get("time"), dict) and "substeps" in problem["time"]:
        problem["solver"] = {**problem.get("solver", {}), "substeps": problem["time"].pop("substeps")}
    return problem


def _optimiser(values: Mapping[str, Any]) -> dict[str, Any]:
    """Settings whose optimiser had its options beside it."""
    settings = dict(values)
    options = settings.pop("options", None) or {}
    if options:
        settings["optimiser"] = {"kind": settings.get("optimiser", "adamw"), **options}
    return settings
