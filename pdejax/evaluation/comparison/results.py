"""Results that were measured one by one, compared afterwards."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from pdejax.core import known
from pdejax.evaluation.comparison.gains import gain_entry, plain_gain
from pdejax.evaluation.metrics.table import metric_of
from pdejax.evaluation.result import KINDS, Result
from pdejax.training import environment

_COPIED = ("dataset", "problem", "protocol", "times", "truth", "skipped")


def compared(results: Mapping[str, Result], reference: str | None) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Document and arrays of a comparison, see `LAYOUT` in the measurement of rollouts.

    Where both were measured on the same trajectories, differences and gains have paired bootstrap intervals.

    **Arguments:** `results` by name; `reference`: what differences are measured against, the first one when omitted.

    **Raises:** `ValueError` for results of other kinds or of other data, or an unknown reference.
    """
    base = _checked(results, reference)
    first = results[base]
    systems: dict[str, Any] = {}
    for name, one in results.items():
        section = {k: v for k, v in one.document.get("systems", {}).get("model", {}).items() if k != "metrics"}
        systems[name] = section | {
            "label": name,
            "meaning": "a compared model",
            "kind": "model",
            "metrics": _metrics(one),
            "against_reference": None if name == base else _against(one, first),
        }
    baselines = {n: b for n, b in first.document.get("systems", {}).items() if b["kind"] == "baseline"}
    for name, section in baselines.items():
        if name in systems:
            raise ValueError(f"a model cannot be called {name!r}: that is a baseline")
        systems[name] = section
    document = {k: first.document[k] for k in _COPIED if k in first.document}
    document["protocol"] = {**document["protocol"], "reference": base}
    arrays = {f"{name}/{k}": x for name, one in results.items() for k, x in _model_arrays(one).items()}
    arrays |= {k: x for k, x in first.arrays.items() if k == "times" or k.partition("/")[0] in (*baselines, "truth")}
    return {"of": first.kind, **document, "systems": systems, "environment": environment()}, arrays


def _checked(results: Mapping[str, Result], reference: str | None) -> str:
    """The name of the reference."""
    if not results:
        raise ValueError("a comparison needs at least one result")
    base = next(iter(results)) if reference is None else reference
    if base not in results:
        raise ValueError(known("reference", base, results))
    first = results[base]
    for name, one in results.items():
        if one.kind != first.kind:
            raise ValueError(f"{name!r} is a {one.kind} result and {base!r} a {first.kind} one: they share no metric")
        subject = KINDS[one.kind].function("subject", beside="rows")
        mine, other = subject(one), subject(first)
        for key, value in other.items():
            if mine[key] != value:
                raise ValueError(f"results are compared on the same truth, but {name!r} and {base!r} differ in {key}: "
                                 f"{mine[key]} and {value}")  # fmt: skip
    return base


def _metrics(result: Result) -> dict[str, Any]:
    """The model's metrics by name."""
    plain = lambda row: {k: v for k, v in row.items() if k not in ("system", "metric")}
    return {row["metric"]: plain(row) for row in result.rows() if row["system"] == "model"}


def _model_arrays(result: Result) -> Mapping[str, np.ndarray]:
    """The model's own curves; of a network of coordinates its errors in time."""
    if "systems" in result.document:
        return {name: x for name, x in result.curves().items() if name != "times"}
    return {name: x for name, x in result.arrays.items() if name.startswith("error/")}


def _against(one: Result, base: Result) -> dict[str, Any]:
    """Differences and gains, with intervals of what is a mean over common trajectories."""
    mine, other = _metrics(one), _metrics(base)
    paired = one.document.get("systems", {}).get("model", {}).get("metrics", {})
    gain = lambda name: (
        gain_entry(metric_of(name), one.curves(), base.curves())
        if name in paired and mine[name]["value"] is not None
        else plain_gain(mine[name], other[name])
    )
    return {name: gain(name) for name in mine if name in other}
