"""What a staggered grid computes of an equation: inertia, diffusion and sources of every field."""

import dataclasses
import functools
from typing import Any

import sympy

from pdejax.equations import (
    STREAM,
    ZERO,
    Alpha,
    Equation,
    jet,
    jets,
    nonlocals,
    unit,
    varying,
    whole_word,
)

Expressions = tuple[sympy.Expr, ...]


@dataclasses.dataclass(frozen=True)
class FieldTerms:
    """field_t = -inertia * (velocity . grad) field + drift . grad field + diffusion . (field_xx, ...) + source.

    - `axis`: that the field is the velocity along, none of a scalar.
    - `inertia`, `diffusion`: of parameters; `drift`: of parameters, places and time; `source`: of fields as well.
    """

    axis: int | None
    inertia: sympy.Expr
    drift: Expressions
    diffusion: Expressions
    source: sympy.Expr


@functools.lru_cache(maxsize=64)
def flow_terms(equation: Equation) -> tuple[FieldTerms, ...]:
    """The terms of an equation, one a field.

    **Raises:** `ValueError` for an equation of no incompressible flow, or a term that is none of these, naming it.
    """
    if not equation.solenoidal:
        raise ValueError(f"solver staggered is for an incompressible flow, and {list(equation.terms)} declare none: "
                         f"name its velocity, such as solenoidal={list(equation.fields[:max(equation.ndim, 2)])}; "
                         "conservation laws are for solver finite_volume")  # fmt: skip
    return tuple(_read(equation, row) for row in range(equation.channels))


def _read(equation: Equation, row: int) -> FieldTerms:
    term, form, field = equation.terms[row], equation.forms[row], equation.fields[row]
    if word := next(filter(None, map(whole_word, form.parts.values())), ""):
        raise ValueError(f"equation {term!r}: {word}(...) asks for the whole box, and solver staggered sees the cells "
                         "beside a face alone")  # fmt: skip
    drift: list[Any] = [sympy.S.Zero] * equation.ndim
    diffusion: list[Any] = [sympy.S.Zero] * equation.ndim
    source = products = sympy.S.Zero
    for part in sympy.Add.make_args(sympy.expand(form.flat())):
        moving = [j for j in jets(part) if j.alpha != ZERO or j.mark]
        if not moving:
            source += part
            continue
        factor = part / moving[0]
        linear = len(moving) == 1 and not jets(factor)
        if linear and moving[0].field == field and not moving[0].mark and not nonlocals(factor):
            axis = _axis(moving[0].alpha)
            if sum(moving[0].alpha) == 1:
                drift[axis] += factor
                continue
            if moving[0].alpha == _twice(axis) and not varying(factor):
                diffusion[axis] += factor
                continue
        if linear or any(sum(j.alpha) != 1 or j.mark for j in moving):
            raise ValueError(f"equation {term!r}: solver staggered takes inertia, sources, and of {field!r} first and "
                             f"unmixed second derivatives, these times a number or parameter; {_written(part)} is "
                             "none of these")  # fmt: skip
        products += part
    axis = equation.solenoidal.index(field) if field in equation.solenoidal else None
    return FieldTerms(axis, _inertia(equation, row, products), tuple(drift), tuple(diffusion), source)


def _inertia(equation: Equation, row: int, products: sympy.Expr) -> sympy.Expr:
    """The factor of the flow's inertia, by what `div(velocity) = 0` makes of products with a first derivative."""
    field, last = equation.fields[row], equation.ndim - 1
    velocity = [jet(name) for name in equation.solenoidal]
    whole = -sympy.Add(*(v * jet(field, unit(a)) for a, v in enumerate(velocity)))
    diverging = jet(equation.solenoidal[last], unit(last))
    others = -sympy.Add(*(jet(name, unit(a)) for a, name in enumerate(equation.solenoidal[:last])))
    reduced = lambda e: sympy.expand(e.xreplace({diverging: others}))
    found = reduced(products)
    factor = -sympy.expand(found).coeff(jet(field, unit(0))).coeff(velocity[0])
    if varying(factor) or sympy.expand(found - factor * reduced(whole)) != 0:
        raise ValueError(f"equation {equation.terms[row]!r}: {_written(products)} is not the inertia {_written(whole)} "
                         "of the flow, nor a multiple of it, which is what solver staggered takes of products with a "
                         "derivative")  # fmt: skip
    return factor


def _axis(alpha: Alpha) -> int:
    return next(axis for axis in range(3) if alpha[axis])


def _twice(axis: int) -> Alpha:
    one = unit(axis)
    return (2 * one[0], 2 * one[1], 2 * one[2])


def _written(expression: sympy.Expr) -> str:
    return str(expression).replace(STREAM, "stream function of ")


def source_derivative(equation: Equation) -> sympy.Matrix | None:
    """The derivative of sources by fields; none where no power of it grows, so that it has no rate of its own."""
    fields = [jet(name) for name in equation.fields]
    matrix = sympy.Matrix([one.source for one in flow_terms(equation)]).jacobian(fields)
    return None if sympy.expand(matrix**matrix.rows).is_zero_matrix else matrix


def buoyancies(equation: Equation) -> tuple[tuple[int, int, sympy.Expr], ...]:
    """What scalars do to the velocity: axis, number of the scalar, derivative of the source."""
    terms = flow_terms(equation)
    found = []
    for one in terms:
        for number, other in enumerate(terms):
            derivative = sympy.diff(one.source, jet(equation.fields[number]))
            if one.axis is not None and other.axis is None and derivative != 0:
                found.append((one.axis, number, derivative))
    return tuple(found)
