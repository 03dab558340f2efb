"""The result of a network of coordinates for the command line."""

from collections.abc import Mapping
from typing import Any

from pdejax.evaluation.coordinate.rows import residuals
from pdejax.evaluation.coordinate.verdict import unresolved
from pdejax.evaluation.price.field_words import field_lines
from pdejax.evaluation.result import Result
from pdejax.evaluation.tables import aligned, evaluator_lines


def _number(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.3g}"


def _claim(entry: Mapping[str, Any]) -> str:
    return ("< " if entry["censored"] else "") + _number(entry["value"])


def _place(at: Mapping[str, float] | None) -> str:
    return ", ".join(f"{axis}={x:.3g}" for axis, x in at.items()) if at else ""


def _errors(document: Mapping[str, Any]) -> list[str]:
    given = document["error"]
    if given is None:
        return [f"error: not measured, {document['no_error']}"]
    named = {**given["fields"], "all fields": given["all"]} if len(given["fields"]) > 1 else given["fields"]
    rows = [["error", "relative L2", "floor of truth", "largest", "at"]]
    for name, entry in named.items():
        relative, most = entry["relative_l2"], entry["largest"]
        rows.append([name, _claim(relative), _number(relative["floor"]), _number(most["value"]), _place(most["at"])])
    reasons = dict.fromkeys(e["relative_l2"]["reason"] for e in named.values() if e["relative_l2"]["reason"])
    return [*aligned(rows), *(f"  {reason}" for reason in reasons)]


def _residuals(document: Mapping[str, Any]) -> list[str]:
    rows = [["residual", "relative", "rms", "largest", "at"]]
    for name, entry in residuals(document).items():
        numbers = [_number(entry[key]) for key in ("relative", "rms", "largest")]
        rows.append([name, *numbers, _place(entry["at"]) or entry["reason"] or ""])
    return aligned(rows)


def _found(found: Mapping[str, Mapping[str, Any]]) -> list[str]:
    rows = [["parameter", "found", "true", "relative error"]]
    for name, entry in found.items():
        digits = "n/a" if entry["value"] is None else f"{entry['value']:.6g}"
        rows.append([name, digits, _number(entry["truth"]), _number(entry["relative_error"])])
    return aligned(rows)


def text(result: Result) -> str:
    """Errors, residuals and found parameters, a line each, and what the model is made of; first whether the problem was
    not resolved.

    `<` marks an error of which only a bound may be claimed.
    """
    document = result.document
    model = document["model"]
    gaussians = f"{model['gaussians']} Gaussians, " if model["gaussians"] else ""
    size = f"{model['field']}: {gaussians}{model['parameters']} parameters, {model['precision']}, "
    why = unresolved(document)
    parts = [[f"not resolved: {why}"]] if why else []
    parts += [_errors(document), _residuals(document)]
    parts += [_found(document["found"])] if document["found"] else []
    parts += [[size + f"{document['cost']['seconds']:.2g} s for 10,000 points", *evaluator_lines(document)]]
    parts += [price] if (price := field_lines(document.get("price"))) else []
    return "\n\n".join("\n".join(part) for part in parts)
