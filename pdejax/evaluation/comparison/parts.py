"""The parts of a comparison beside the rollouts: Lyapunov times, very long rollouts."""

from typing import Any

import numpy as np

from pdejax.core import Key
from pdejax.evaluation.baselines.baseline import solved_by
from pdejax.evaluation.metrics.lyapunov import LyapunovExponent, in_lyapunov_times, largest_lyapunov_exponent
from pdejax.evaluation.reference import Reference
from pdejax.evaluation.rollouts.stability import stability

LYAPUNOV_STATES, LYAPUNOV_STEPS = 16, 500
LONG_TRAJECTORIES = 16


def _exponent(dataset: Any, truth: Reference) -> LyapunovExponent:
    count = max(2, min(LYAPUNOV_STATES, len(truth.states)))
    rows = np.arange(count) % len(truth.states)
    parameters = {name: values[rows] for name, values in truth.parameters.items()}
    return largest_lyapunov_exponent(
        dataset.family, dataset.simulator, truth.first()[rows], parameters=parameters, steps=LYAPUNOV_STEPS
    )


def lyapunov_section(dataset: Any, truth: Reference) -> tuple[LyapunovExponent | None, dict[str, Any]]:
    """The exponent and its section of the document."""
    entry: dict[str, Any] = dict.fromkeys(("exponent", "standard_error", "time", "states", "duration", "reason"))
    if not truth.periodic:
        return None, entry | {"reason": "the solver that measures it needs a periodic grid"}
    try:
        solved_by(dataset)
    except ValueError as reason:
        return None, entry | {"reason": str(reason)}
    exponent = _exponent(dataset, truth)
    if not np.isfinite(exponent.each).all():
        return None, entry | {"reason": "the solver diverged"}
    found = {
        "exponent": exponent.value,
        "standard_error": exponent.standard_error,
        "time": exponent.time,
        "states": len(exponent.each),
        "duration": exponent.duration,
    }
    reason = None if exponent.chaotic else "nearby solutions do not part exponentially"
    return exponent, entry | found | {"reason": reason}


def with_lyapunov(metrics: dict[str, Any], exponent: LyapunovExponent | None) -> dict[str, Any]:
    """Adds every correlation time in Lyapunov times."""
    for name, entry in metrics.items():
        if name.startswith("correlation_time") and entry["value"] is not None:
            value = in_lyapunov_times(entry["value"], exponent)
            ends = [in_lyapunov_times(x, exponent) for x in entry["interval"] or ()]
            entry["lyapunov_times"] = {"value": value, "interval": ends if ends and value is not None else None}
    return metrics


def long_section(
    predictor: Any, history: int, truth: Reference, steps: int, key: Key | None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The section and arrays of a long rollout; a predictor that does not step has a reason instead."""
    count = min(LONG_TRAJECTORIES, len(truth.states))
    try:
        result = stability(
            predictor,
            truth.initial(history)[:count],
            truth.frames,
            steps=steps,
            parameters={name: values[:count] for name, values in truth.parameters.items()},
            periodic=truth.periodic,
            key=key,
        )
    except ValueError as reason:
        return {"steps": steps, "reason": str(reason)}, {}
    arrays = {"long_step": result.every * np.arange(1, len(result.rms) + 1), "long_rms": result.rms}
    arrays["long_diverged_step"] = result.diverged_step
    if result.spectrum is not None and result.distance is not None:
        arrays |= {"long_spectrum": result.spectrum, "long_distance": result.distance}
    return result.document, arrays
