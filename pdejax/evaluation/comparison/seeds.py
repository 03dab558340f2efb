"""A sweep over seeds in a few numbers: mean and spread."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from pdejax.evaluation.result import Result, Row

Entries = Mapping[str, Mapping[str, Any]]
"""The metrics of one model by name."""


def summarise(results: Mapping[str, Result] | Iterable[Result]) -> list[Row]:
    """Mean and spread over the models of several results, such as runs that differ by their seed.

    **Arguments:** `results` of one kind.

    **Returns:** for each metric of the models `metric`, `count` (of models with a value), `mean`, `spread` (standard
    deviation with n - 1, none of a single one), `low` and `high` (the extreme ones), `unit`, `better`.

    **Raises:** `ValueError` if there is no result, or they differ in kind.
    """
    given = list(results.values() if isinstance(results, Mapping) else results)
    kinds = dict.fromkeys(one.kind for one in given)
    if len(kinds) != 1:
        raise ValueError(f"results of one kind are summarised, got {', '.join(kinds) or 'none'}")
    each = [{row["metric"]: row for row in one.rows() if row["system"] == "model"} for one in given]
    return [{"metric": name, **entry} for name, entry in spread_over(each).items()]


def spread_over(models: Sequence[Entries]) -> dict[str, dict[str, Any]]:
    """Mean and spread over models of the metrics that the first one has."""
    return {name: _spread(entry, [one[name]["value"] for one in models if name in one])
            for name, entry in models[0].items()}  # fmt: skip


def _spread(first: Mapping[str, Any], values: Sequence[float | str | None]) -> dict[str, Any]:
    known = np.array([x for x in values if isinstance(x, int | float)], float)  # a training is never repaid, say
    several = len(known) > 1
    return {
        "count": len(known),
        "mean": float(known.mean()) if len(known) else None,
        "spread": float(known.std(ddof=1)) if several else None,
        "low": float(known.min()) if len(known) else None,
        "high": float(known.max()) if len(known) else None,
        "unit": first.get("unit", ""),
        "better": first.get("better"),
    }
