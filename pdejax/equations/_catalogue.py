"""Equations by name, and equations in their own words."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pdejax.core import build, factory_of, known, options_of, registered
from pdejax.equations._equation import Equation
from pdejax.equations._given import term_list
from pdejax.equations._steady_equation import SteadyEquation
from pdejax.equations.language.parse import split_sides

# of one in its own words
ENTRIES = (
    "terms",
    "parameters",
    "ndim",
    "definitions",
    "primitive",
    "positive",
    "solenoidal",
    "nonnegative",
    "complex",
)
FORMS = ("evolution", "steady", "stated")  # kinds of equations in their own words


class Catalogue(Mapping[str, Any]):
    """All named equations with the defaults of their parameters, a view of `registered("equation")`."""

    def __getitem__(self, name: str) -> Equation | SteadyEquation:
        if name not in self._names():
            raise KeyError(known("equation", name, self._names()))
        return build("equation", name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names())

    def __len__(self) -> int:
        return len(self._names())

    @staticmethod
    def _names() -> list[str]:
        return [name for name in registered("equation") if name not in FORMS]


EQUATIONS = Catalogue()
"""Equations by name."""


def read_equation(
    given: Any, parameters: Mapping[str, float] | None = None, ndim: int | None = None
) -> Equation | SteadyEquation:
    """The equation that a name or a mapping describes, with its parameters set; an object has its parameters set.

    **Arguments:** `given`: the name of one in `EQUATIONS`, a mapping of `terms` with `parameters` and `ndim`, or a
    mapping with a `kind`; `parameters`: values in place of defaults; `ndim`: number of axes where it is not said.

    **Raises:** `ValueError` for an unknown name, with the nearest spelling, and what the equation refuses.
    """
    if isinstance(given, Mapping) and "kind" not in given:
        given = _with_kind(given)
    if isinstance(given, Mapping | str):
        kind = given if isinstance(given, str) else given["kind"]
        takes = "ndim" in options_of(factory_of("equation", kind)) and not (
            isinstance(given, Mapping) and "ndim" in given
        )
        given = build("equation", given, **({"ndim": ndim} if takes and ndim is not None else {}))
    if not hasattr(given, "with_parameters"):
        raise ValueError(f"equation should be a name, a mapping with terms or an Equation, got {str(given)[:80]}")
    return given.with_parameters(parameters or {})


def _with_kind(given: Mapping[str, Any]) -> dict[str, Any]:
    """Terms `FIELD_t = ...` are an evolution, others are steady."""
    given = {name: value for name, value in given.items() if value is not None}
    for name in given:
        if name not in ENTRIES:
            raise ValueError(known("entry of section 'equation':", name, ENTRIES))
    if not given.get("terms"):
        raise ValueError("an equation in its own words needs the entry 'terms', for example ['u_t = nu*u_xx']")
    terms = list(term_list(given["terms"]))
    evolves = any(str(term).split("=")[0].strip().endswith("_t") for term in terms)
    for term in terms if not evolves else ():
        if re.search(r"_t+\b|\bd\w+/dt\b|^\s*[A-Za-z]+_?t+\s*=", str(term)):  # a rate that is written otherwise
            split_sides(str(term))
    return {"kind": "evolution" if evolves else "steady", **given, "terms": terms}
