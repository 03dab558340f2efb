"""Comparison of models or of results."""

from collections.abc import Mapping, Sequence
from typing import Any

from pdejax.core import known, spelt
from pdejax.evaluation.comparison.results import compared
from pdejax.evaluation.comparison.seeds import spread_over
from pdejax.evaluation.result import KINDS, Result
from pdejax.evaluation.run import checked_options, evaluate, kind_for


@spelt
def compare(
    models: Mapping[str, Any],
    data: Any = None,
    *,
    reference: str | None = None,
    together: Mapping[str, Sequence[str]] | None = None,
    **options: Any,
) -> Result:
    """How several models, or results of models, compare on the same truth.

    Predictors of trajectories are rolled out together, from the same frames by the same random keys, beside the
    classical solver. Other models are evaluated one by one, and so are compared results that
    were measured before; where trajectories are common, intervals of differences are paired in any case.

    **Arguments:**

    - `models`: by name, each as in `evaluate`; or results of `evaluate`, then without `data`.
    - `data`: as in `evaluate`.
    - `reference`: the name that differences and gains are measured against, the first one when omitted.
    - `together`: groups by name of models that were trained alike but for their seed: their mean and spread is told,
        and predictors of trajectories are an ensemble.
    - `options`: of trajectories `split`, `trajectories`, `steps`, `members`, `long_steps`, `chunk`, `key`, `progress`;
        else those of `evaluate`; of all `price`, `trials`, and `runs`, by name the folders that tell what their
        trainings took.

    **Returns:** a result of the kind "comparison".

    **Raises:** `ValueError` for models of other kinds or data, an unknown name, or an option that is not one.
    """
    if not isinstance(models, Mapping):
        raise ValueError(f"models map names to predictors, such as {{'first': model}}, got {type(models).__name__}")
    if not models:
        raise ValueError("a comparison needs at least one predictor")
    groups = {name: list(those) for name, those in (together or {}).items()}
    for one in (one for those in groups.values() for one in those):
        if one not in models:
            raise ValueError(known("predictor", one, models))
    if all(isinstance(one, Result) for one in models.values()):
        checked_options("comparison of results", options, ())
        document, arrays = compared(models, reference)
    elif _kind(models, data) == "rollout":
        measure = KINDS["comparison"].function("measure")
        checked_options("comparison", options, measure)
        document, arrays = measure(models, data, reference=reference, together=groups, **options)
        document = {"of": "rollout", **document}
    else:
        runs = options.pop("runs", None) or {}
        alone = lambda name: {**options, "run": runs.get(name)}
        document, arrays = compared(
            {name: evaluate(one, data, **alone(name)) for name, one in models.items()}, reference
        )
    metrics = lambda name: document["systems"][name]["metrics"]
    seeds = {name: spread_over([metrics(one) for one in those]) for name, those in groups.items()}
    return Result("comparison", {**document, "seeds": seeds}, arrays)


def _kind(models: Mapping[str, Any], data: Any) -> str:
    """The one kind of result that all models have on the data, asked before any is measured."""
    kinds = {name: kind_for(one, data) for name, one in models.items()}
    (first, kind), *others = kinds.items()
    for name, other in others:
        if other != kind:
            raise ValueError(f"{first!r} is of the kind {kind!r} and {name!r} of {other!r}: they share no metric")
    return kind
