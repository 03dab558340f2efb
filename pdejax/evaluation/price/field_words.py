"""What the price of a network of coordinates says in words and rows."""

from collections.abc import Mapping
from typing import Any

from pdejax.evaluation.price.timing import CPU
from pdejax.evaluation.price.words import duration, ratio, setting

NO_TIME = "nothing tells what CPU time the training took"
NONE = "no attempt was as accurate in the time that was given"


def field_sentence(price: Mapping[str, Any]) -> str:
    """The classical solver's cost at the field's error, beside the training."""
    last, training = price["attempts"][-1], price["training"]
    error = f"{price['error']:.2g}{', the floor of the truth' if price['at_floor'] else ''}"
    at, cost = setting(last["setting"]), duration(last["seconds"][CPU])
    if price["solver"] is None:
        done = "failed" if last["error"] is None else f"has the error {last['error']:.2g}"
        said = f"No classical solver that was tested is as accurate as the field ({error}); the last one, {at}, {done} "
        said += f"after {cost} of CPU time"
    else:
        said = f"To be as accurate as the field ({error}), the classical solver with {at} takes {cost} of CPU time"
    if not training or CPU not in training:
        return f"{said}; {NO_TIME}."
    trials = "" if price["trials"] == 1 else f", {price['trials']} times over"
    took = f"the training took {duration(training[CPU])}{trials}"
    return f"{said}; {took}." if price["dearer"] is None else f"{said}; {took}: {ratio(1 / price['dearer'])}."


def field_lines(price: Mapping[str, Any] | None) -> list[str]:
    """The price for the command line."""
    if price is None:
        return []
    return [f"price: none, because {price['reason']}" if price["reason"] else f"price: {field_sentence(price)}"]


def field_rows(price: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """CPU seconds of the classical solver that is as accurate and of the training, and the latter over the former."""
    if price is None:
        return []
    if price["reason"]:
        named = dict.fromkeys(("solver_cpu_seconds", "training_cpu_seconds", "training_over_solver"))
        return [_row(name, None, price["reason"]) for name in named]
    solver = None if price["solver"] is None else price["attempts"][price["solver"]]["seconds"][CPU]
    return [
        _row("solver_cpu_seconds", solver, NONE),
        _row("training_cpu_seconds", (price["training"] or {}).get(CPU), NO_TIME),
        _row("training_over_solver", price["dearer"], NONE if solver is None else NO_TIME),
    ]


def _row(name: str, value: float | None, why: str) -> dict[str, Any]:
    unit = "s" if name.endswith("seconds") else ""
    plain = {"system": "model", "metric": name, "interval": None, "unit": unit, "better": "lower", "censored": None}
    return {**plain, "value": value, "reason": why if value is None else None}
