"""Models of the former format: what their descriptions and weights are called today."""

from collections.abc import Mapping
from typing import Any

import numpy as np

FORMER = 1
_PENALTIES = ("error", "stiffness", "both")


def upgraded(plain: Mapping[str, Any]) -> dict[str, Any]:
    """A description of format 1 in today's words."""
    method = {("error" if name == "loss" else name): value for name, value in plain["method"].items()}
    if method["kind"] == "neural_ode":
        method = _neural_ode(method)
    network = dict(plain["network"])
    if "problem" in plain["data"] and network.get("activation") == "gelu":
        network["activation"] = "gelu_exact"  # which it meant in fields alone
    return {**plain, "method": method, "network": network}


def _neural_ode(method: Mapping[str, Any]) -> dict[str, Any]:
    out, solver, penalty = dict(method), dict(method.get("solver") or {}), method.get("regularization")
    if solver.get("fixed_steps") is None and "first_step" in solver and solver["first_step"] is None:
        solver["first_step"] = "diffrax"
    out["solver"] = solver
    out["parameters"] = method.get("parameters") or {}
    if penalty is not None and penalty["kind"] in _PENALTIES:
        out["regularization"] = {**penalty, "kind": "solver", "estimate": penalty["kind"]}
    return {name: value for name, value in out.items() if value is not None}


def with_base(stored: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Weights of format 1, in which an operator that gives states took their mean from the normalisation."""
    if "normalisation.mean" not in stored:
        return dict(stored)
    return {**stored, "base.value": stored["normalisation.mean"]}
