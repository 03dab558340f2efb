"""Models of the former format: what their descriptions and weights are called today."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from pdejax._former import todays_method

FORMER = 1


def upgraded(plain: Mapping[str, Any]) -> dict[str, Any]:
    """A description of format 1 in today's words."""
    network = dict(plain["network"])
    if "problem" in plain["data"] and network.get("activation") == "gelu":
        network["activation"] = "gelu_exact"  # which it meant in fields alone
    return {**plain, "method": todays_method(plain["method"]), "network": network}


def with_base(stored: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Weights of format 1, in which an operator that gives states took their mean from the normalisation."""
    if "normalisation.mean" not in stored:
        return dict(stored)
    return {**stored, "base.value": stored["normalisation.mean"]}
