"""Configurations that runs wrote when a problem still said `time.substeps` and `domain.boundary`."""

from collections.abc import Mapping
from typing import Any

_ENDS = {"periodic": "periodic", "dirichlet": "value"}


def current(values: Mapping[str, Any]) -> dict[str, Any]:
    """The same configuration with all words in their present places."""
    problem = {name: dict(one) if isinstance(one, Mapping) else one for name, one in values["problem"].items()}
    if "boundary" in problem["domain"]:
        problem["domain"]["ends"] = _ENDS[problem["domain"].pop("boundary")]
    if "substeps" in problem.get("time", {}):
        problem["solver"] = {**problem.get("solver", {}), "substeps": problem["time"].pop("substeps")}
    return {**values, "problem": problem}
