"""Equations in general, `LEFT = RIGHT` in fields and their derivatives, as they are stated."""

import dataclasses
import functools
import re
from collections.abc import Mapping, Sequence
from typing import Any

import sympy

from pdejax.core import known, register
from pdejax.equations._given import definition_texts
from pdejax.equations._residual import SymbolicResidual
from pdejax.equations.language.jets import TIME, Form
from pdejax.equations.language.parse import RESERVED, Parser

ENTRIES = ("terms", "fields", "parameters", "definitions")


@register("equation", "stated")
@dataclasses.dataclass(frozen=True)
class Statement:
    """Terms that hold in a box, and the words they are made of.

    **Arguments:**

    - `terms`: such as `"u_tt - u_xx + u**2 = sin(x)"`, in the grammar of `Equation` with derivatives in time beside.
    - `fields`: their names, in the order of the channels; those of which a term `FIELD_t = ...` is, or else `u`.
    - `parameters`: names and values of numbers; `definitions`: named expressions, each of words defined before it.

    **Raises:** `ValueError` for names that cannot be.
    """

    terms: tuple[str, ...]
    fields: tuple[str, ...]
    parameters: Mapping[str, float] = dataclasses.field(hash=False)
    definitions: Mapping[str, str] = dataclasses.field(hash=False)

    def __init__(
        self,
        terms: str | Sequence[str] = (),
        fields: Sequence[str] | None = None,
        parameters: Mapping[str, Any] | None = None,
        definitions: Mapping[str, Any] | None = None,
    ) -> None:
        set_ = functools.partial(object.__setattr__, self)
        set_("terms", (terms,) if isinstance(terms, str) else tuple(map(str, terms)))
        set_("fields", tuple(fields) if fields else _evolving(self.terms))
        set_("parameters", {str(name): float(value) for name, value in (parameters or {}).items()})
        set_("definitions", definition_texts(definitions))
        for field in self.fields:
            if re.fullmatch("[A-Za-z][A-Za-z0-9]*", field) is None or field in RESERVED:
                raise ValueError(f"field name {field!r} is reserved or not a word of letters and digits")
        for name in self.parameters:
            if not name.isidentifier() or name in RESERVED or name in self.fields:
                raise ValueError(f"parameter name {name!r} is reserved, a field, or not a word; choose another")
        for name in self.definitions:
            if not name.isidentifier() or name in (*RESERVED, *self.fields, *self.parameters):
                raise ValueError(f"definition {name!r} is reserved, a field, a parameter or not a word")

    @property
    def evolves(self) -> bool:
        """Whether all terms are `FIELD_t = ...`, in words that an `Equation` has."""
        return (
            bool(self.terms)
            and not self.definitions
            and all(t.split("=")[0].strip().endswith("_t") for t in self.terms)
        )

    def side(self, term: str, side: str, axes: tuple[str, ...]) -> sympy.Expr:
        """One side of a term as an expression in jets, on a box of these axes.

        **Raises:** `ValueError` naming the term, the bad word and the nearest valid spelling.
        """
        expression = self._parser(axes, _forms(self, axes))(term, side.strip()).flat()
        if "t" not in axes and expression.has(TIME):
            raise ValueError(f"t occurs in {term!r}, but the domain has no axis t")
        return expression

    def residual(self, terms: Sequence[str], axes: tuple[str, ...]) -> SymbolicResidual:
        """Left minus right sides of terms such as `"u_x = 0"`.

        **Raises:** `ValueError` naming the term, the bad word and the nearest valid spelling.
        """
        expressions = []
        for term in map(str, terms):
            left, equals, right = term.partition("=")
            if not equals or "=" in right:
                raise ValueError(f"term {term!r}: expected 'LEFT = RIGHT', for example 'u = sin(pi*x)'")
            expressions.append(self.side(term, left, axes) - self.side(term, right, axes))
        return SymbolicResidual(tuple(expressions), self.fields, axes)

    def _parser(self, axes: tuple[str, ...], definitions: Mapping[str, Form]) -> Parser:
        timed = "t" in axes
        return Parser(self.fields, self.parameters, len(axes) - timed, rates=timed, definitions=definitions)


def _evolving(terms: Sequence[str]) -> tuple[str, ...]:
    left = [re.fullmatch(r"\s*([A-Za-z][A-Za-z0-9]*)_t\s*", term.partition("=")[0]) for term in terms]
    return tuple(m[1] for m in left if m) if left and all(left) else ("u",)


@functools.lru_cache(maxsize=64)
def _forms(statement: Statement, axes: tuple[str, ...]) -> Mapping[str, Form]:
    found: dict[str, Form] = {}
    for name, text in statement.definitions.items():
        found[name] = statement._parser(axes, found)(f"{name} = {text}", text)
    return found


def read_statement(given: Mapping[str, Any]) -> Statement:
    """The statement of a plain mapping.

    **Raises:** `ValueError` for an unknown entry, with the nearest spelling.
    """
    for key in given:
        if key not in ENTRIES:
            raise ValueError(known("entry of problem section 'equation'", key, ENTRIES))
    return Statement(**given)
