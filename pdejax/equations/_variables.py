"""Variables of an equation beside its fields: what they are of each other."""

import contextlib
import functools
from collections.abc import Mapping
from typing import Any

import numpy as np
import sympy

from pdejax.equations._equation import Equation
from pdejax.equations.language.evaluate import evaluate
from pdejax.equations.language.jets import COORDINATES, jet, jets

Expressions = tuple[sympy.Expr, ...]


def variable(name: str) -> sympy.Symbol:
    """The symbol of a primitive variable."""
    return sympy.Symbol(f"variable {name}", real=True)


def expression_of(equation: Equation, name: str) -> sympy.Expr:
    """A field or a definition in fields.

    **Raises:** `ValueError` if it has derivatives.
    """
    found = equation.defined[name].flat() if name in equation.definitions else jet(name)
    if any(sum(j.alpha) or j.mark for j in jets(found)):
        raise ValueError(f"{name!r} of equation {list(equation.terms)} has derivatives: variables have none")
    return found


@functools.lru_cache(maxsize=64)
def fields_in_primitive(equation: Equation) -> Expressions:
    """The fields in the primitive variables, see `variable`.

    **Raises:** `ValueError` if these do not determine the fields.
    """
    fields = tuple(jet(name) for name in equation.fields)
    declared = [variable(name) - expression_of(equation, name) for name in equation.primitive]
    found = sympy.solve(declared, fields, dict=True)
    if len(found) != 1 or {*found[0]} != {*fields}:
        raise ValueError(f"primitive {list(equation.primitive)} of equation {list(equation.terms)} does not determine "
                         f"the fields {', '.join(equation.fields)} uniquely")  # fmt: skip
    return tuple(shortest(found[0][field]) for field in fields)


def shortest(expression: sympy.Expr) -> sympy.Expr:
    """An equal expression of few operations, which is fast and does not cancel needlessly."""
    simple = sympy.simplify(expression)
    forms = [simple, sympy.expand(simple)]
    for symbol in sorted(simple.free_symbols, key=str):
        with contextlib.suppress(sympy.PolynomialError, NotImplementedError):
            forms.append(sympy.apart(simple, symbol))  # type: ignore[arg-type]
    return min(forms, key=sympy.count_ops)


def values_at(equation: Equation, parameters: Mapping[str, Any], domain: Any) -> dict[Any, Any]:
    """Parameters, and coordinates `(*space)` of a domain, by their symbols."""
    values: dict[Any, Any] = {sympy.Symbol(name, real=True): parameters.get(name, default)
                              for name, default in equation.parameters.items()}  # fmt: skip
    place = domain.coordinates()
    return values | {x: place[..., i] for i, x in enumerate(COORDINATES[: equation.ndim])}


def check_admissible(equation: Any, fields: Mapping[str, Any], parameters: Mapping[str, Any], domain: Any) -> None:
    """Whether all is above zero, or not below it, that should be.

    **Arguments:** `fields`: NumPy arrays `(*space)` by name; `parameters`: numbers by name.

    **Raises:** `ValueError` with the name and the smallest value.
    """
    above, least = getattr(equation, "positive", ()), getattr(equation, "nonnegative", ())
    names = (*above, *least)
    values: dict[Any, Any] = {jet(field): fields[field] for field in equation.fields} if names else {}
    values |= values_at(equation, parameters, domain) if names else {}
    for name in names:
        found = np.asarray(evaluate(expression_of(equation, name), values))
        if not np.all(found > 0 if name in above else found >= 0):
            what = "positive" if name in above else "not negative"
            raise ValueError(f"{name} is {np.min(found):.4g} in the state that was drawn, and is {what} in every "
                             "state: draw others")  # fmt: skip
