"""Means and Hilbert transforms of expressions, with what is known of them without a field carried out."""

import sympy

from pdejax.equations.language.jets import (
    HILBERT,
    VOLUME,
    ZERO,
    Jet,
    Nonlocal,
    jet,
    nonlocals,
    varying,
    varying_in_space,
)

Monomial = tuple[sympy.Expr, sympy.Expr]  # what is the same everywhere in space, and the rest


def mean(expression: sympy.Expr) -> sympy.Expr:
    """The mean over the box; sums stay together, since the mean of a square of differences would lose its digits."""
    uniform, part = _factors(expression)
    if part == 1:
        return uniform
    nothing = isinstance(part, Jet) and (part.alpha != ZERO or part.mark)  # has no mean
    return sympy.S.Zero if nothing else uniform * Nonlocal("mean", part)


def hilbert(expression: sympy.Expr) -> sympy.Expr:
    """The Hilbert transform in one dimension, of symbol -i sign(k): of cos(k x) it is sin(k x), of constants nothing.

    What is linear in jets becomes jets of the transformed fields, which have symbols of their own.
    """
    linear, rest = split_linear(expression)
    found = [uniform * _of_jet(one) for uniform, one in linear]
    for term in sympy.Add.make_args(rest):
        uniform, part = _factors(term)
        if part != 1:
            found.append(uniform * Nonlocal("hilbert", part))
    return sympy.Add(*found)


def whole_word(expression: sympy.Expr) -> str:
    """The word in an expression that asks for a field on the whole box, empty for none."""
    if VOLUME in expression.free_symbols:
        return "integral"
    marked = (s for s in expression.free_symbols if isinstance(s, Jet) and s.mark == HILBERT)
    return next((s.word for s in nonlocals(expression)), "hilbert" if any(marked) else "")


def expanded(expression: sympy.Expr) -> sympy.Expr:
    """The sum of products and powers that an expression is multiplied out, functions in it left as they are."""
    return sympy.expand(expression, power_base=False, power_exp=False, log=False)


def _of_jet(one: Jet) -> sympy.Expr:
    if one.mark != HILBERT:
        return jet(one.field, one.alpha, HILBERT, one.time)
    twice = jet(one.field, one.alpha, time=one.time)
    return mean(twice) - twice


def split_linear(expression: sympy.Expr) -> tuple[list[tuple[sympy.Expr, Jet]], sympy.Expr]:
    """The terms `uniform * jet` of a sum, and the rest of it; of its terms only those are multiplied out."""
    linear: list[tuple[sympy.Expr, Jet]] = []
    rest = sympy.S.Zero
    for term in sympy.Add.make_args(expression):
        factors = [_factors(one) for one in sympy.Add.make_args(expanded(term))]
        if all(isinstance(part, Jet) for _, part in factors):
            linear.extend(factors)  # type: ignore
        else:
            rest += term
    return linear, rest


def _factors(term: sympy.Expr) -> Monomial:
    moving = varying_in_space(term)
    uniform, part = term.as_independent(*moving, as_Add=False) if moving else (term, sympy.S.One)
    return uniform, sympy.sympify(part)


def without_linear_means(term: sympy.Expr) -> sympy.Expr:
    """`coefficient * mean(e)` with the mean of what is linear in `e` by itself; other terms as they are."""
    moving = varying(term)
    coefficient, part = term.as_independent(*moving, as_Add=False) if moving else (term, sympy.S.One)
    if not isinstance(part, Nonlocal) or part.word != "mean":
        return term
    linear, rest = split_linear(part.inner)
    means = (uniform * mean(one) for uniform, one in linear)
    return expanded(coefficient * sympy.Add(mean(rest), *means)) if linear else term
