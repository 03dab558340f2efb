"""Measurement of a solution operator of a steady problem, beside its baselines."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pdejax.core import Key
from pdejax.evaluation.baselines.baseline import Baseline, build_baselines
from pdejax.evaluation.baselines.steady import BASELINES
from pdejax.evaluation.metrics.table import METRICS, metric_entry, no_entry, own_metric
from pdejax.evaluation.predictor import as_predictor
from pdejax.evaluation.price.measure import model_price
from pdejax.evaluation.price.upfront import spent_on
from pdejax.evaluation.reference import select
from pdejax.evaluation.rollouts.curves import OwnMetric, check_own
from pdejax.evaluation.systems import Curves, Progress, measured

TIMELESS = "a steady problem has no time"


def _entries(curves: Curves, own: Mapping[str, OwnMetric]) -> dict[str, Any]:
    entry = lambda m: no_entry(m, TIMELESS) if m.timed else metric_entry(m, curves)
    return {name: entry(metric) for name, metric in (METRICS | {n: own_metric(n) for n in own}).items()}


def measure(
    operator: Any,
    data: Any,
    *,
    split: str = "test",
    trajectories: int | None = None,
    baselines: bool | Sequence[str] = True,
    metrics: Mapping[str, OwnMetric] | None = None,
    chunk: int | None = None,
    key: Key | None = None,
    price: bool = True,
    trials: int = 1,
    run: str | Path | None = None,
    progress: Progress | None = None,
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Applies an operator and its baselines to the inputs of a split and measures the errors of the solutions.

    **Arguments:**

    - `operator`: a function from input fields `(batch, *space, input)` to the solution; or with
        `predict(initial, times, key=...)`, and `bind(parameters)` where it has it.
    - `data`: samples, that is, trajectories without a `step`.
    - the rest as of the measurement of rollouts, with one frame for the time axis.

    **Returns:** document and arrays, in the layout of rollouts.

    **Raises:** `ValueError` if the split is smaller than asked for, or for an unknown baseline.
    """
    spent = spent_on(data, split, run, trials)
    truth = select(data, split, trajectories, None, 0)
    own = check_own(metrics, truth)
    made, skipped = build_baselines(BASELINES, data, baselines, truth.start)
    model = Baseline("model", "the evaluated operator", as_predictor(operator, None))
    rows = [("model", model, "model", 1), *((name, b, "baseline", 1) for name, b in made.items())]
    document, arrays = measured(
        data, split, truth, rows, lambda c: _entries(c, own), own=own, chunk=chunk, key=key, progress=progress
    )
    tell = (lambda done: None) if progress is None or not price else lambda done: progress("price", done, 1)
    tell(0)
    cost = model_price(document, arrays, data, truth, model.predictor, key, spent) if price else None
    tell(1)
    return {**document, "skipped": skipped, "price": cost}, arrays
