"""Families with their simulators, read from the plain mappings that configurations hold."""

from collections.abc import Mapping
from typing import Any

from pdejax.core import Domain, build, known
from pdejax.equations import Equation, Family, Times, join_names, read_equation
from pdejax.solvers import Simulator, as_simulator

ENTRIES = ("name", "equation", "parameters", "vary", "domain", "initial", "input", "time", "solver")


def read_problem(section: Mapping[str, Any]) -> tuple[Family, Simulator]:
    """A family and what solves it, of a plain mapping.

    - `name`; `equation`: a name or a mapping (see `read_equation`); `parameters`: values of some of its parameters.
    - `vary`: see `Family`.
    - `domain`: `shape`, `lengths`, `ends` (see `Grid`; `periodic` where there is time, else `value`), or a `kind`.
    - `initial`, `input`: a sampler (a mapping with a `kind`) of all fields or inputs, or one by name.
    - `time`: `step` and `burn_in`, nothing for a steady equation.
    - `solver`: a simulator; of the kind `etdrk` where there is time and else `elliptic`, if it says none.

    **Raises:** `ValueError` for unknown or missing entries, with the nearest spelling, and what does not fit.
    """
    _known("problem", section, ENTRIES)
    for key in ("equation", "domain"):
        if key not in section:
            raise ValueError(f"the problem needs the entry {key!r}, got {sorted(section)}")
    shape = section["domain"].get("shape")
    ndim = None if shape is None else len(shape)
    equation = read_equation(section["equation"], section.get("parameters"), ndim)
    evolves = isinstance(equation, Equation)
    family = Family(
        name=section.get("name", "problem"),
        equation=equation,
        domain=_domain(section["domain"], "periodic" if evolves else "value"),
        draws=_draws(section, equation, evolves),
        vary=section.get("vary") or {},
        times=_times(section, evolves),
    )
    return family, _simulator(section.get("solver") or {}, "etdrk" if evolves else "elliptic")


def _known(where: str, given: Mapping[str, Any], options: tuple[str, ...]) -> None:
    for key in given:
        if key not in options:
            what = "problem section" if where == "problem" else f"entry of problem section {where!r}"
            raise ValueError(known(what, key, options))


def _domain(given: Mapping[str, Any], ends: str) -> Domain:
    if "kind" not in given:
        _known("domain", given, ("shape", "lengths", "ends", "origin", "cells"))
        given = {"kind": "grid", "ends": ends, **given}
    return build("domain", given)


def _draws(section: Mapping[str, Any], equation: Any, evolves: bool) -> dict[str, Any]:
    draws: dict[str, Any] = {}
    for key, names in (("initial", equation.fields if evolves else ()), ("input", equation.inputs)):
        if not names:
            if section.get(key):
                nature = "is steady: its fields are solved for" if key == "initial" else "has no input fields"
                raise ValueError(f"problem section {key!r}: the equation {list(equation.terms)} {nature}")
            continue
        if not section.get(key):
            raise ValueError(f"the problem needs the entry {key!r}, got {sorted(section)}")
        given = section[key]
        together = not isinstance(given, Mapping) or "kind" in given
        draws |= {join_names(names): given} if together else {str(name): one for name, one in given.items()}
    return draws


def _times(section: Mapping[str, Any], evolves: bool) -> Times | None:
    given = dict(section.get("time") or {})
    if not evolves:
        if given:
            raise ValueError("problem section 'time': a steady equation has none")
        return None
    if "step" not in given:
        raise ValueError(f"the problem section 'time' needs the entry 'step', got {sorted(given)}")
    _known("time", given, ("step", "burn_in"))
    return Times(**given)


def _simulator(given: Any, kind: str) -> Simulator:
    return as_simulator({"kind": kind, **given} if isinstance(given, Mapping) else given)
