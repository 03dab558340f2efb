"""What finite volumes compute of an equation: its fluxes, sources and variables."""

import dataclasses
import functools
from typing import Any

import sympy

from pdejax.equations import (
    ZERO,
    Alpha,
    Equation,
    Jet,
    expression_of,
    fields_in_primitive,
    jet,
    jets,
    shortest,
    unit,
    variable,
    varying,
    whole_word,
)
from pdejax.equations.language.jets import total_derivative

Expressions = tuple[sympy.Expr, ...]


@dataclasses.dataclass(frozen=True)
class Variables:
    """A choice of as many variables as there are fields, and the law in them.

    - `symbols`: they; `of_fields`: what they are in fields; `fields`: what the fields are in them.
    - `fluxes`: along each axis, one a field.
    - `positive`: what is above zero.
    """

    symbols: tuple[sympy.Symbol, ...]
    of_fields: Expressions
    fields: Expressions
    fluxes: tuple[Expressions, ...]
    positive: Expressions

    @property
    def plain(self) -> bool:
        """Whether they are the fields themselves."""
        return self.symbols == self.of_fields


@dataclasses.dataclass(frozen=True)
class ConservationLaw:
    """fields_t + div(fluxes) = mobility*div(viscous) + sources + products.

    - `conserved`, `primitive`: the law in its fields, and in the variables that the equation declares beside them.
    - `viscous`: along each axis, one a field, in fields and their first derivatives.
    - `mobility`: one a field, in fields; one but for `f(u)*u_xx`, of which the integral of `1/f` is conserved.
    - `sources`: one a field, in fields.
    - `products`: along each axis, one a field: what slopes of fields that stay are multiplied by, by their numbers.
    - `still`: numbers of the fields that stay.
    - `vanishing`: what of `positive` may be zero.
    """

    conserved: Variables
    primitive: Variables
    viscous: tuple[Expressions, ...]
    sources: Expressions
    mobility: Expressions
    products: tuple[tuple[tuple[tuple[int, sympy.Expr], ...], ...], ...] = ()
    still: tuple[int, ...] = ()
    vanishing: Expressions = ()

    @property
    def ndim(self) -> int:
        """Axes of space."""
        return len(self.viscous)

    @property
    def diffuses(self) -> bool:
        """Whether there are second derivatives."""
        return any(e != 0 for axis in self.viscous for e in axis)


@functools.lru_cache(maxsize=64)
def conservation_law(equation: Equation) -> ConservationLaw:
    """An equation as a law for averages over cells.

    **Raises:** `ValueError` for a term that is no divergence of a flux and no source, naming it.
    """
    if equation.solenoidal:
        raise ValueError(f"the flow {', '.join(equation.solenoidal)} is incompressible: finite volumes have no "
                         "pressure for it, solvers staggered and etdrk have")  # fmt: skip
    for term, form in zip(equation.terms, equation.forms, strict=True):
        if word := next(filter(None, map(whole_word, form.parts.values())), ""):
            raise ValueError(f"equation {term!r}: {word}(...) asks for the whole box, and finite volumes see the cells "
                             "beside a face alone")  # fmt: skip
    rows = [_Row(equation, row) for row in range(equation.channels)]
    fields = tuple(jet(name) for name in equation.fields)
    each = lambda what: tuple(tuple(getattr(row, what)[axis] for row in rows) for axis in range(equation.ndim))
    fluxes = each("flux")
    positive = tuple(expression_of(equation, name) for name in (*equation.positive, *equation.nonnegative))
    conserved = Variables(fields, fields, fields, fluxes, positive)
    primitive = _in_primitive(equation, conserved, positive) if equation.primitive else conserved
    return ConservationLaw(
        conserved,
        primitive,
        each("viscous"),
        tuple(row.source for row in rows),
        tuple(row.mobility for row in rows),
        tuple(tuple(tuple(row.products[axis].items()) for row in rows) for axis in range(equation.ndim)),
        still(equation),
        positive[len(equation.positive) :],
    )


def still(equation: Equation) -> tuple[int, ...]:
    """Numbers of the fields of which the text says that they stay as they are, `b_t = 0`."""
    return tuple(i for i, form in enumerate(equation.forms) if all(e == 0 for e in form.parts.values()))


class _Row:
    """The right-hand side of one field, sorted."""

    def __init__(self, equation: Equation, row: int) -> None:
        self.term, self.ndim = equation.terms[row], equation.ndim
        self.flux: list[Any] = [sympy.S.Zero] * self.ndim
        self.viscous: list[Any] = [sympy.S.Zero] * self.ndim
        self.source = sympy.S.Zero
        self.products: list[dict[int, Any]] = [{} for _ in range(self.ndim)]
        self.still = {equation.fields[i]: i for i in still(equation)}
        self.mobilities: dict[sympy.Expr, None] = {}
        for alpha, expression in equation.forms[row].parts.items():
            self._add(alpha, expression)
        if len(self.mobilities) > 1:
            raise ValueError(f"equation {self.term!r}: its diffusion is divided by different things, so that finite "
                             "volumes know of nothing that it conserves")  # fmt: skip
        self.mobility = next(iter(self.mobilities), sympy.S.One)

    def _add(self, alpha: Alpha, expression: sympy.Expr) -> None:
        if alpha == ZERO:
            for term in sympy.Add.make_args(sympy.expand(expression)):
                self._pointwise(term)
            return
        axis = next(i for i in range(3) if alpha[i])
        rest = (alpha[0] - unit(axis)[0], alpha[1] - unit(axis)[1], alpha[2] - unit(axis)[2])
        inner = expression
        for other in range(3):
            for _ in range(rest[other]):
                inner = total_derivative(inner, other)
        self._divergence(axis, inner)

    def _pointwise(self, term: sympy.Expr) -> None:
        """A source, or a derivative of a field times a constant, which is a divergence as well."""
        moving = [j for j in jets(term) if sum(j.alpha) or j.mark]
        if not moving:
            self.source += term
            return
        orders = [sum(j.alpha) for j in moving]
        if orders == [1] and moving[0].field in self.still and self._product(term, moving[0]):
            return
        if orders == [2] and self._slowed(term, moving[0]):
            return
        coefficient, part = term.as_independent(*varying(term), as_Add=False)
        if not isinstance(part, Jet) or part.mark:
            raise ValueError(f"equation {self.term!r}: {_written(term)} is neither a source nor the divergence of a "
                             f"flux; finite volumes need dx(...) of one, such as -dx(u**2)/2 for -u*u_x")  # fmt: skip
        self._derivative(coefficient, part)

    def _slowed(self, term: sympy.Expr, second: Jet) -> bool:
        """Whether it is a second derivative times what depends on the state, `D*u_xx/R(u)`, without which it is kept:
        what `R` is the derivative of is conserved then."""
        coefficient, part = term.as_independent(*varying(term), as_Add=False)
        factor = sympy.cancel(part / second)
        if not jets(factor) or factor.has(second):
            return False
        self._derivative(coefficient, second, factor)
        return True

    def _derivative(self, coefficient: sympy.Expr, part: Jet, mobility: sympy.Expr = sympy.S.One) -> None:
        axis = next(i for i in range(3) if part.alpha[i])
        lowered = jet(part.field, tuple(n - m for n, m in zip(part.alpha, unit(axis), strict=True)))  # type: ignore
        self._divergence(axis, coefficient * lowered, mobility)

    def _product(self, term: sympy.Expr, slope: Jet) -> bool:
        """Whether it is one of something and the slope of a field that stays; then it is kept."""
        factor = sympy.cancel(term / slope)
        if factor.has(slope) or not any(not j.mark for j in jets(factor)):
            return False
        products = self.products[slope.alpha.index(1)]
        number = self.still[slope.field]
        products[number] = products.get(number, sympy.S.Zero) + factor
        return True

    def _divergence(self, axis: int, inner: sympy.Expr, mobility: sympy.Expr = sympy.S.One) -> None:
        """d/d_axis of what may have first derivatives itself."""
        for j in jets(inner):
            if sum(j.alpha) > 1 or j.mark:
                raise ValueError(f"equation {self.term!r}: finite volumes take derivatives of fields up to second "
                                 f"order, and {_written(j)} stands under another derivative")  # fmt: skip
        slopes = {j: sympy.S.Zero for j in jets(inner) if sum(j.alpha)}
        plain = inner.xreplace(slopes)
        self.flux[axis] -= plain
        if slopes:
            self.viscous[axis] += sympy.expand(inner - plain)
            self.mobilities[mobility] = None


def _written(expression: sympy.Expr) -> str:
    return str(expression).replace("~", "stream function of ")


def _in_primitive(equation: Equation, conserved: Variables, positive: Expressions) -> Variables:
    """The same law in the primitive variables."""
    symbols = tuple(map(variable, equation.primitive))
    of_fields = tuple(expression_of(equation, name) for name in equation.primitive)
    fields = fields_in_primitive(equation)
    inserted = dict(zip(conserved.symbols, fields, strict=True))
    there = lambda e: shortest(e.xreplace(inserted))
    fluxes = tuple(tuple(map(there, axis)) for axis in conserved.fluxes)
    return Variables(symbols, of_fields, fields, fluxes, tuple(map(there, positive)))
