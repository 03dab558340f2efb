"""Data sets of the format before families and simulators: their recipe held the specification of a problem."""

from collections.abc import Mapping
from typing import Any

from pdejax.data.generation.recipe import SPACE_TOLERANCE, Recipe

FORMER = "pdejax-dataset-2"
_COMPARING = ("etdrk", "elliptic")  # solvers that compared no grids when the first data sets were made
# what sections of a recipe could not say when the first data sets were made, as it was then
_LATER = {
    "equation": {
        "evolution": {
            "definitions": {},
            "primitive": [],
            "positive": [],
            "solenoidal": [],
            "nonnegative": [],
            "complex": {},
        }
    },
    "domain": {"grid": {"cells": False}},
}
_LATER_OF_SAMPLERS = {"matern": {"zero_mean": False}}
_ENDS = {"periodic": "periodic", "dirichlet": "value", "neumann": "slope"}


def current(recipe: Mapping[str, Any]) -> Mapping[str, Any]:
    """A recipe as JSON in the present form, whichever it is in; what it did not say yet has its default."""
    if "problem" not in recipe:
        compared = {"space_tolerance": SPACE_TOLERANCE} if recipe.get("simulator", {}).get("kind") in _COMPARING else {}
        return {**compared, **recipe, **_completed(recipe.get("family"))}
    return Recipe.of({**_section(recipe["problem"]), **{k: v for k, v in recipe.items() if k != "problem"}}).plain


def _completed(family: Any) -> dict[str, Any]:
    """The family with what came later; nothing where it is none."""
    if not isinstance(family, Mapping):
        return {}
    parts = {}
    for name, kinds in _LATER.items():
        part = family.get(name)
        if isinstance(part, Mapping):
            parts[name] = {**kinds.get(str(part.get("kind")), {}), **part}
    if isinstance(draws := family.get("draws"), Mapping):
        parts["draws"] = _completed_draws(draws)
    return {"family": {**family, **parts}}


def _completed_draws(given: Any) -> Any:
    """Samplers, and those within them, with what came later."""
    if isinstance(given, Mapping):
        later = _LATER_OF_SAMPLERS.get(str(given.get("kind")), {})
        return {**later, **{name: _completed_draws(one) for name, one in given.items()}}
    return [_completed_draws(one) for one in given] if isinstance(given, list | tuple) else given


def _section(problem: Mapping[str, Any]) -> dict[str, Any]:
    domain, time = dict(problem["domain"]), dict(problem.get("time", {}))
    solver = {k: v for k, v in problem.get("solver", {}).items() if v is not None}
    words = domain.pop("boundary")
    domain["ends"] = _ENDS[words] if isinstance(words, str) else [_ENDS[word] for word in words]
    if "substeps" in time:
        solver["substeps"] = time.pop("substeps")
    return {**problem, "domain": domain, "time": time, "solver": solver}
