"""Steady equations on a box: -div(a grad u) + c u = f, with what is given read from the text."""

import dataclasses
import functools
import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import sympy

from pdejax.core import known, register
from pdejax.equations._given import default_values, term_list
from pdejax.equations.language.evaluate import evaluate
from pdejax.equations.language.jets import AXES, COORDINATES, TIME, ZERO, Jet, jet, jets, total_derivative, unit
from pdejax.equations.language.latex import symbols
from pdejax.equations.language.parse import RESERVED, Parser

FIELD = "u"


@register("equation", "steady")
@dataclasses.dataclass(frozen=True)
class SteadyEquation:
    """An elliptic equation of a field `u` that can be brought into the form -div(a grad u) + c u = f.

    A name in the text that is neither `u` nor a parameter nor a word of the grammar (see `Equation`) is an input: a
    field that is given.

    **Arguments:**

    - `terms`: the equation, for example `"-div(a*grad(u)) = f"`.
    - `parameters`: names and default values of numbers in it.
    - `ndim`: number of space axes, one to three.

    **Raises:** `ValueError` naming what cannot be read, or what keeps it from that form.
    """

    terms: tuple[str, ...]
    parameters: Mapping[str, float] = dataclasses.field(default_factory=dict, hash=False)
    ndim: int = 2

    fields: ClassVar[tuple[str, ...]] = (FIELD,)
    channels: ClassVar[int] = 1

    def __init__(
        self, terms: str | Sequence[str], parameters: Mapping[str, float] | None = None, ndim: int = 2
    ) -> None:
        set_ = functools.partial(object.__setattr__, self)
        set_("terms", term_list(terms))
        set_("parameters", default_values(parameters))
        set_("ndim", ndim)
        if not 1 <= ndim <= 3:
            raise ValueError(f"a SteadyEquation has one to three space axes, got ndim={ndim}")
        if len(self.terms) != 1:
            raise ValueError(f"a SteadyEquation is one equation such as '-div(a*grad(u)) = f', got {self.terms}")
        _ = self.symbols  # read now, so that mistakes are reported where they are made

    @functools.cached_property
    def inputs(self) -> tuple[str, ...]:
        """Names of the fields that are given, in the order in which they occur."""
        words = (word.partition("_")[0] for word in re.findall(r"[A-Za-z]\w*", self.terms[0]))
        taken = (*RESERVED, FIELD, *self.parameters)
        return tuple(dict.fromkeys(w for w in words if w not in taken))

    @functools.cached_property
    def symbols(self) -> tuple[sympy.Expr, sympy.Expr, sympy.Expr]:
        """(a, c, f) as expressions in inputs, parameters and coordinates."""
        residual, axes = sympy.expand(self._residual()), range(self.ndim)
        own = [j for j in jets(residual) if j.field == FIELD]
        if not own:
            raise self._error("the field 'u' does not occur")
        if any(j.field == FIELD for o in own for j in jets(residual.diff(o))):
            raise self._error("it is not linear in u")
        a = -residual.diff(jet(FIELD, _twice(0)))
        c, f = residual.diff(jet(FIELD)), -residual.xreplace(dict.fromkeys(own, sympy.S.Zero))
        wanted = -sum((_second(a, axis) for axis in axes), sympy.S.Zero) + c * jet(FIELD) - f
        if a == 0 or sympy.expand(residual - wanted) != 0:
            raise self._error("it cannot be brought into the form -div(a*grad(u)) + c*u = f")
        if a.could_extract_minus_sign():
            a, c, f = -a, -c, -f
        for name, one in (("a", a), ("c", c), ("f", f)):
            if rates := [j for j in jets(one) if j.alpha != ZERO]:
                raise self._error(f"its {name} holds {rates[0]}, a derivative of a given field")
        return a, c, f

    def _residual(self) -> sympy.Expr:
        left, equals, right = self.terms[0].partition("=")
        if not equals or "=" in right:
            raise self._error("expected 'LEFT = RIGHT', for example '-div(a*grad(u)) = f'")
        parser = Parser((FIELD, *self.inputs), self.parameters, self.ndim)
        read = lambda side: parser(self.terms[0], side.strip()).flat()
        residual = read(left) - read(right)
        if residual.has(TIME):
            raise self._error("t occurs, but it is steady")
        return residual

    def _error(self, message: str) -> ValueError:
        return ValueError(f"equation {self.terms[0]!r}: {message}")

    def with_parameters(self, parameters: Mapping[str, float]) -> "SteadyEquation":
        """The same equation with other defaults.

        **Raises:** `ValueError` for a name the equation does not have.
        """
        for name in parameters:
            if name not in self.parameters:
                raise ValueError(known("parameter", name, self.parameters))
        return SteadyEquation(self.terms, {**self.parameters, **parameters}, self.ndim)

    def uniform(self, number: int) -> bool:
        """Whether a, c or f (0, 1, 2) is the same everywhere, made of numbers and parameters alone."""
        found = self.symbols[number].free_symbols
        return not any(isinstance(s, Jet) or s in COORDINATES for s in found)

    def coefficients(self, values: Mapping[str, Any]) -> tuple[Any, Any, Any]:
        """(a, c, f); `None` for an a of one.

        **Arguments:** `values`: numbers or arrays for inputs, coordinates and parameters by name; arrays of one rank.
        """
        places = {symbol: values[axis] for axis, symbol in zip(AXES, COORDINATES, strict=True) if axis in values}
        known_ = {sympy.Symbol(k, real=True): v for k, v in {**self.parameters, **values}.items()}
        given = {jet(name): values[name] for name in self.inputs}
        a, c, f = (None if i == 0 and e == 1 else evaluate(e, known_ | places | given)
                   for i, e in enumerate(self.symbols))  # fmt: skip
        return a, c, f

    def latex(self) -> str:
        """The equation as LaTeX."""
        a, c, f = self.symbols
        left = r"-\Delta u" if a == 1 else rf"-\nabla \cdot \left({_factor(a)} \nabla u\right)"
        if c != 0:
            negative = c.could_extract_minus_sign()
            left += (" - " if negative else " + ") + f"{_factor(-c if negative else c)} u".strip()
        return f"{left} = {sympy.latex(f, symbol_names=symbols(f))}"


def _factor(expression: Any) -> str:
    """A factor as LaTeX, in brackets where it is a sum, nothing for one."""
    text = sympy.latex(expression, symbol_names=symbols(expression))
    return "" if expression == 1 else rf"\left({text}\right)" if expression.is_Add else text


def _twice(axis: int) -> tuple[int, int, int]:
    x, y, z = unit(axis)
    return 2 * x, 2 * y, 2 * z


def _second(a: sympy.Expr, axis: int) -> sympy.Expr:
    """d_i (a d_i u)."""
    return a * jet(FIELD, _twice(axis)) + total_derivative(a, axis) * jet(FIELD, unit(axis))
