"""What a result says of the problem, of the model and of the parameters it found."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import sympy

from pdejax.equations import BoundaryValueProblem, Equation, jet
from pdejax.evaluation.coordinate.errors import precision_of
from pdejax.methods import PhysicsField, count_parameters


def _sides(problem: BoundaryValueProblem, term: str) -> str:
    """A term `LEFT = RIGHT` as LaTeX."""
    sides = [problem.read([f"{side} = 0"]).expressions[0] for side in term.split("=")]
    return " = ".join(sympy.latex(side) for side in sides)


def _equation(problem: BoundaryValueProblem) -> dict[str, list[str]]:
    if problem.function is not None:
        return {"equation": ["a Python function of the derivatives"], "latex": []}
    terms = list(problem.equation.terms)
    if isinstance(problem.equation, Equation):
        return {"equation": terms, "latex": problem.equation.latex().split(" \\\\\n")}
    return {"equation": terms, "latex": [_sides(problem, term) for term in terms]}


def _conditions(problem: BoundaryValueProblem) -> list[dict[str, Any]]:
    return [
        {
            "name": c.name,
            "at": list(c.at),
            "terms": list(c.terms),
            "latex": [_sides(problem, term) for term in c.terms],
            "weight": c.weight,
        }
        for c in problem.conditions
    ]


def _undetermined(problem: BoundaryValueProblem) -> list[str]:
    """Fields of which nothing but derivatives occur."""
    residuals = [problem.residual, *(c.residual for c in problem.conditions)]
    if not all(hasattr(r, "expressions") for r in residuals):
        return []
    symbols = {s for r in residuals for e in r.expressions for s in e.free_symbols}  # type: ignore[attr-defined]
    return [field for field in problem.fields if jet(field) not in symbols]


def problem_section(problem: BoundaryValueProblem) -> dict[str, Any]:
    """What is solved."""
    return {
        "name": problem.name,
        "axes": list(problem.axes),
        "box": [list(ends) for ends in problem.box],
        "periodic": list(problem.periodic),
        "timed": problem.timed,
        "fields": list(problem.fields),
        **_equation(problem),
        "conditions": _conditions(problem),
        "parameters": dict(problem.parameters),
        "undetermined": _undetermined(problem),
    }


def model_section(model: PhysicsField, gaussians: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """What solves it."""
    edges = gaussians.get("gaussians/edges")
    return {
        "field": type(model.field).__name__,
        "parameters": count_parameters(model),
        "gaussians": len(gaussians["gaussians/centres"]) if gaussians else None,
        "slabs": None if edges is None else len(edges) - 1,
        "precision": precision_of(model).name,
    }


def found_section(model: PhysicsField) -> dict[str, Any]:
    """Parameters that were unknown."""
    known_values = getattr(model.problem.truth, "parameters", {})
    entries = {}
    for name, found in model.found.items():
        value, true = float(found), known_values.get(name)
        size = abs(float(true)) or 1.0 if true is not None else 1.0
        entries[name] = {
            "value": value if np.isfinite(value) else None,
            "guess": model.problem.unknown[name],
            "truth": None if true is None else float(true),
            "relative_error": None if true is None or not np.isfinite(value) else abs(value - float(true)) / size,
        }
    return entries
