"""Options of methods as runs of the former format said them; beside the packages, so that it needs no JAX."""

from collections.abc import Mapping
from typing import Any

_PENALTIES = ("error", "stiffness", "both")


def todays_method(method: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a method in today's words, in which what is called `error` was `loss`."""
    if "loss" not in method:
        return dict(method)
    renamed = {("error" if name == "loss" else name): value for name, value in method.items()}
    return _neural_ode(renamed) if method.get("kind") == "neural_ode" else renamed


def _neural_ode(method: dict[str, Any]) -> dict[str, Any]:
    solver, penalty = dict(method.get("solver") or {}), method.get("regularization")
    if solver.get("fixed_steps") is None and "first_step" in solver and solver["first_step"] is None:
        solver["first_step"] = "diffrax"
    if penalty is not None and penalty["kind"] in _PENALTIES:
        penalty = {**penalty, "kind": "solver", "estimate": penalty["kind"]}
    return {**method, "solver": solver, "regularization": penalty}
