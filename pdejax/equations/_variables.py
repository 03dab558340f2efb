"""Variables of an equation beside its fields: what they are of each other."""

import contextlib
import functools
from collections.abc import Mapping
from typing import Any

import numpy as np
import sympy

from pdejax.core import Grid
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


SLIGHT = 0.1  # a divergence beside the gradients that is taken for rounding and for what a grid makes of a flow


def divergence_of(equation: Any, fields: Mapping[str, Any], domain: Any) -> float:
    """Size of the divergence of a solenoidal velocity beside that of its gradients, both root mean squares; zero where
    none is solenoidal or what is given is no grid.

    **Arguments:** `fields`: NumPy arrays `(*space)` by name.
    """
    names = getattr(equation, "solenoidal", ())
    if not names or not isinstance(domain, Grid):
        return 0.0
    slopes = [[_slope(fields[name], axis, domain) for axis in range(domain.ndim)] for name in names]
    size = np.sqrt(sum(np.mean(one**2) for row in slopes for one in row))
    along = np.sqrt(np.mean(sum(row[axis] for axis, row in enumerate(slopes)) ** 2))
    return float(along / size) if size else 0.0


def _slope(u: Any, axis: int, grid: Grid) -> np.ndarray:
    """The derivative along an axis, of the interpolant where it is periodic."""
    if not grid.periodic_axes[axis]:
        return np.gradient(u, grid.spacing[axis], axis=axis)
    n = grid.shape[axis]
    k = 2j * np.pi * np.fft.rfftfreq(n, grid.spacing[axis]) * (2 * np.arange(n // 2 + 1) != n)
    return np.fft.irfft(np.fft.rfft(u, axis=axis) * k.reshape([-1 if i == axis else 1 for i in range(u.ndim)]), n, axis)


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
