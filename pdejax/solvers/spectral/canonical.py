"""From parsed right-hand sides to what a pseudo-spectral method computes, with as few transforms as possible."""

import dataclasses
import functools
from collections.abc import Iterable, Sequence
from typing import Any

import sympy

from pdejax.equations import (
    MEAN,
    STREAM,
    TIME,
    ZERO,
    Alpha,
    Equation,
    Form,
    Jet,
    Nonlocal,
    add_alpha,
    expanded,
    jet,
    jets,
    nonlocals,
    symbols,
    unit,
    varying,
    varying_in_space,
    without_linear_means,
)

Terms = dict[Alpha, dict[sympy.Expr, sympy.Expr]]  # outer derivative -> varying part -> constant coefficient


@dataclasses.dataclass(frozen=True)
class LinearTerm:
    """`coefficient * jet` in the equation of field number `row`, the coefficient being constant in space and time."""

    row: int
    jet: Jet
    coefficient: sympy.Expr


@dataclasses.dataclass(frozen=True)
class Use:
    """`coefficient * d^alpha` of a product, added to the equation of field number `row`."""

    row: int
    alpha: Alpha
    coefficient: sympy.Expr


@dataclasses.dataclass(frozen=True)
class Product:
    """A pointwise expression that is transformed once, and everything that uses its transform."""

    expression: sympy.Expr
    uses: tuple[Use, ...]

    @property
    def rows(self) -> tuple[int, ...]:
        """Numbers of the equations it occurs in."""
        return tuple(dict.fromkeys(use.row for use in self.uses))

    @property
    def constants(self) -> tuple[sympy.Symbol, ...]:
        """The parameters and coordinates in the expression, and in what it holds means and transforms of."""
        found = (s for s in symbols(self.expression) if not isinstance(s, Jet | Nonlocal) and s != TIME)
        return tuple(sorted(found, key=lambda s: s.name))  # type: ignore

    @property
    def static(self) -> bool:
        """Whether it depends neither on the state nor on time, so that one evaluation serves all steps."""
        return _static(self.expression)


@dataclasses.dataclass(frozen=True)
class Canonical:
    """A right-hand side as linear terms and derivatives of products.

    - `beside`: linear terms that a projection does not commute with, so that no exponential takes them.
    """

    linear: tuple[LinearTerm, ...]
    products: tuple[Product, ...]
    beside: tuple[LinearTerm, ...] = ()

    @property
    def jets(self) -> tuple[Jet, ...]:
        """The jets whose values in physical space the products need."""
        return tuple(sorted({j for p in self.products for j in jets(p.expression)}, key=lambda j: j.name))


def in_order(products: Iterable[Product]) -> tuple[Nonlocal, ...]:
    """The means and transforms in products, each after those it is made of."""
    return tuple(dict.fromkeys(n for p in products for n in nonlocals(p.expression)))


@functools.lru_cache(maxsize=64)
def canonical(equation: Equation) -> Canonical:
    """The right-hand sides of an equation sorted for a pseudo-spectral method, with equal products grouped.

    Terms of constant coefficients, in whichever field, its Hilbert transform or its mean, become the linear part.
    `u^n u_x` becomes
    `d_x u^(n+1) / (n+1)`, and vorticity advection takes the form of Basdevant (1983), "Technical improvements for
    direct numerical simulation of homogeneous three-dimensional turbulence": four real transforms in all.
    """
    fields = equation.fields
    monomials = [list(_monomials(form)) for form in equation.forms]
    linear = [
        LinearTerm(row, found.shifted(alpha), coefficient)
        for row, terms in enumerate(monomials)
        for alpha, part, coefficient in terms
        if (found := _linear(part)) is not None
    ]
    uses: dict[sympy.Expr, list[Use]] = {}
    for row, found in enumerate(monomials):
        terms: Terms = {}
        for alpha, part, coefficient in found:
            if _linear(part) is None:
                _add(terms, alpha, part, coefficient)
        for name in fields:
            terms = _basdevant(terms, name)
        for alpha, expression, coefficient in _groups(_conservative(terms)):
            uses.setdefault(expression, []).append(Use(row, alpha, coefficient))
    products = tuple(Product(expression, tuple(u)) for expression, u in uses.items())
    beside = _beside_projection(equation, linear)
    return Canonical(tuple(term for term in linear if term not in beside), products, tuple(beside))


def _beside_projection(equation: Equation, linear: Sequence[LinearTerm]) -> list[LinearTerm]:
    """The linear terms of a velocity that a projection does not commute with: all that its components do not share."""
    rows = [equation.fields.index(name) for name in equation.solenoidal]
    total: dict[tuple[int, Any, Any], sympy.Expr] = {}  # of a row's own field, by derivative and mark
    for term in linear:
        if term.row in rows and term.jet.field == equation.fields[term.row]:
            key = (term.row, term.jet.alpha, term.jet.mark)
            total[key] = total.get(key, sympy.S.Zero) + term.coefficient
    alike = lambda term: len({total.get((row, term.jet.alpha, term.jet.mark), 0) for row in rows}) == 1
    shared = lambda term: term.jet.field == equation.fields[term.row] and alike(term)
    return [term for term in linear if term.row in rows and not shared(term)]


def _add(terms: Terms, alpha: Alpha, part: sympy.Expr, coefficient: sympy.Expr) -> None:
    group = terms.setdefault(alpha, {})
    group[part] = group.get(part, sympy.S.Zero) + coefficient


def _linear(part: sympy.Expr) -> Jet | None:
    """The jet that a part is, if it is one: of a field, of its transform, or of its mean."""
    if isinstance(part, Nonlocal) and part.uniform and isinstance(part.inner, Jet):
        return jet(part.inner.field, mark=MEAN)
    return part if isinstance(part, Jet) else None


def _monomials(form: Form) -> list[tuple[Alpha, sympy.Expr, sympy.Expr]]:
    """Outer derivative, varying part and constant coefficient of each term of the expanded form."""
    out = []
    for alpha, expression in form.parts.items():
        total = sympy.Add(*map(without_linear_means, sympy.Add.make_args(expanded(expression))))
        for term in sympy.Add.make_args(total):
            coefficient, part = term.as_independent(*varying(term), as_Add=False) if varying(term) else (term, 1)
            uniform_derivative = alpha != ZERO and not varying_in_space(term)
            if coefficient != 0 and not uniform_derivative:
                out.append((alpha, sympy.sympify(part), coefficient))
    return out


def _conservative(terms: Terms) -> Terms:
    """`b^n d_i b` to `d_i b^(n+1) / (n+1)` for every jet b: one inverse transform less."""
    out: Terms = {}
    for alpha, group in terms.items():
        for part, coefficient in group.items():
            powers: Any = part.as_powers_dict()
            for base, derivative in ((a, b) for a in powers for b in powers if a is not b and len(powers) == 2):
                axis = _derivative_axis(base, derivative)
                if axis is not None and powers[derivative] == 1 and powers[base].is_Integer and powers[base] > 0:
                    n = powers[base] + 1
                    _add(out, add_alpha(alpha, unit(axis)), base**n, coefficient / n)
                    break
            else:
                _add(out, alpha, part, coefficient)
    return out


def _derivative_axis(base: sympy.Basic, derivative: sympy.Basic) -> int | None:
    if not (isinstance(base, Jet) and isinstance(derivative, Jet)):
        return None
    return next((axis for axis in range(3) if base.shifted(unit(axis)) == derivative), None)


def _basdevant(terms: Terms, name: str) -> Terms:
    """`u w_x + v w_y` to `(d_xx - d_yy)(u v) + d_xy(v^2 - u^2)` for the velocity (u, v) of the vorticity w."""
    w_x, w_y = jet(name, unit(0)), jet(name, unit(1))
    psi_x, psi_y = jet(name, unit(0), STREAM), jet(name, unit(1), STREAM)
    out: Terms = {alpha: dict(group) for alpha, group in terms.items()}
    for alpha, group in terms.items():
        c = group.get(psi_y * w_x)
        if c is None or sympy.simplify(group.get(psi_x * w_y, sympy.S.Zero) + c) != 0:
            continue
        del out[alpha][psi_y * w_x], out[alpha][psi_x * w_y]
        _add(out, add_alpha(alpha, (2, 0, 0)), psi_x * psi_y, -c)
        _add(out, add_alpha(alpha, (0, 2, 0)), psi_x * psi_y, c)
        _add(out, add_alpha(alpha, (1, 1, 0)), psi_x**2, c)
        _add(out, add_alpha(alpha, (1, 1, 0)), psi_y**2, -c)
    return out


def _groups(terms: Terms) -> list[tuple[Alpha, sympy.Expr, sympy.Expr]]:
    """One expression per outer derivative (static forcing apart), freed of its constant factor."""
    out = []
    for alpha, group in terms.items():
        for static in (True, False):
            total = sympy.Add(*(c * part for part, c in group.items() if _static(part) == static))
            if total == 0:
                continue
            symbols = varying(total)
            factored = sympy.factor_terms(total)
            constant, expression = factored.as_independent(*symbols, as_Add=False) if symbols else (factored, 1)
            expression = sympy.sympify(expression)
            if expression.could_extract_minus_sign():
                constant, expression = -constant, -expression
            out.append((alpha, expression, constant))
    return out


def _static(part: sympy.Expr) -> bool:
    return not jets(part) and TIME not in symbols(part)
