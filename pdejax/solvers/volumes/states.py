"""States at which an equation is looked at in numbers."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import sympy

from pdejax.equations import COORDINATES, TIME, Equation, evaluate
from pdejax.solvers.volumes.law import ConservationLaw, Variables

SAMPLES = 64


def random_states(
    equation: Equation,
    law: ConservationLaw,
    parameters: Mapping[str, float] | None = None,
    box: Sequence[tuple[float, float]] = ((0.0, 1.0),) * 3,
    length: float = 1.0,
) -> dict[Any, Any]:
    """Random states that may be, by field, and numbers for all else that occurs.

    **Raises:** `ValueError` for parameters with which none is a number.
    """
    random = np.random.default_rng(0)
    positive = {*equation.positive, *equation.nonnegative}
    names = equation.primitive or equation.fields
    values: dict[Any, Any] = {
        sympy.Symbol(name, real=True): np.float64(v) for name, v in (parameters or equation.parameters).items()
    }
    values[TIME] = random.uniform(0, 1, SAMPLES)
    for x, (low, high) in zip(COORDINATES, box, strict=False):
        values[x] = length * np.concatenate([[low, high], random.uniform(low, high, SAMPLES - 2)])
    for symbol, name in zip(law.primitive.symbols, names, strict=True):
        values[symbol] = random.uniform(*((0.1, 2.0) if name in positive else (-1.0, 1.0)), SAMPLES)
    with np.errstate(all="ignore"):
        fields = [evaluate(e, values) for e in law.primitive.fields]
    for field, e, found in zip(equation.fields, law.primitive.fields, fields, strict=True):
        if not np.any(np.isfinite(found)):
            having = {str(s): f"{values[s]:g}" for s in sorted(e.free_symbols, key=str) if np.ndim(values[s]) == 0}
            shown = " with " + ", ".join(f"{name}={number}" for name, number in having.items()) if having else ""
            raise ValueError(f"equation {list(equation.terms)}: {field!r} of {', '.join(names)} is not a number{shown}"
                             ": is something divided by zero?")  # fmt: skip
    values |= dict(zip(law.conserved.symbols, fields, strict=True))
    return _admissible(values, law.conserved)


def _admissible(values: dict[Any, Any], conserved: Variables) -> dict[Any, Any]:
    """The same with states in which something positive is not in place of one that may be."""
    if not conserved.positive:
        return values
    with np.errstate(all="ignore"):
        good = np.all([np.broadcast_to(evaluate(e, values), (SAMPLES,)) > 0 for e in conserved.positive], axis=0)
    if not np.any(good):
        return values
    index = np.where(good, np.arange(SAMPLES), np.argmax(good))
    take = lambda v: v[index] if isinstance(v, np.ndarray) else v
    return {symbol: take(v) for symbol, v in values.items()}


def with_variables(values: dict[Any, Any], variables: Variables) -> dict[Any, Any]:
    """The same with other variables."""
    with np.errstate(all="ignore"):
        found = [evaluate(e, values) for e in variables.of_fields]
    return values | dict(zip(variables.symbols, found, strict=True))
