"""Evaluation of a predictor on a data set, beside its baselines."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from pdejax.core import Key
from pdejax.evaluation.baselines.stepping import Baseline, build_baselines
from pdejax.evaluation.metrics.bootstrap import LEVEL, RESAMPLES, bootstrap_interval
from pdejax.evaluation.metrics.divergence import FACTOR
from pdejax.evaluation.metrics.horizon import THRESHOLDS
from pdejax.evaluation.metrics.spectra import BANDS
from pdejax.evaluation.metrics.table import GMEAN_STEPS, METRICS, metric_entry
from pdejax.evaluation.predictor import as_predictor
from pdejax.evaluation.reference import Truth, select
from pdejax.evaluation.rollouts.curves import curves_of, measure_of, middle_slice
from pdejax.evaluation.rollouts.document import SCHEMA, Evaluation
from pdejax.evaluation.rollouts.rollout import Rollout, rollout
from pdejax.evaluation.rollouts.solves import solve_counts
from pdejax.training import environment

Progress = Callable[[str, int, int], None]


def band_of(values: np.ndarray) -> dict[str, Any]:
    """Mean over trajectories per frame with its interval, as JSON lists."""
    known = np.asarray(np.isfinite(values).all(1))
    known_spread = known if values.shape[1] > 1 else np.zeros_like(known)
    low, high = bootstrap_interval(np.where(known[:, None], values, 0.0).T)
    listed = lambda x, given: [float(f"{v:.6g}") if ok else None for v, ok in zip(x, given, strict=True)]
    return {
        "mean": listed(values.mean(1), known),
        "low": listed(low, known_spread),
        "high": listed(high, known_spread),
    }


def system_section(
    label: str, meaning: str, kind: str, result: Rollout, curves: Mapping[str, np.ndarray], steady: bool
) -> dict[str, Any]:
    steps = curves["diverged_step"]
    bad = steps[steps > 0]
    return {
        "label": label,
        "meaning": meaning,
        "kind": kind,
        "metrics": {name: metric_entry(metric, curves, steady) for name, metric in METRICS.items()},
        "diverged": {"count": len(bad), "of": len(steps), "first_step": int(bad.min()) if len(bad) else None},
        "cost": {"seconds": result.seconds, "compile_seconds": result.compile_seconds, "chunk": result.chunk},
        "curves": {name: band_of(curves[name]) for name in ("nrmse", "correlation")},
    }


def _examples(result: Rollout, curves: Mapping[str, np.ndarray], truth: Truth) -> dict[str, np.ndarray]:
    """The trajectories of median and of smallest mean correlation: a typical one and the worst, not chosen by eye."""
    order = np.argsort(curves["correlation"].mean(0), kind="stable")
    chosen = np.unique([order[len(order) // 2], order[0]])
    chosen = chosen if chosen[0] == order[len(order) // 2] else chosen[::-1]
    shown = truth.example_frames()
    given = {"example/input": middle_slice(truth.inputs[chosen], truth.ndim)} if truth.inputs.shape[-1] else {}
    return {
        **given,
        "example/trajectory": chosen,
        "example/frame": shown,
        "example/truth": middle_slice(truth.frames[shown][:, chosen], truth.ndim),
        "example/model": result.values["frames"][:, chosen],
    }


def dataset_section(dataset: Any, split: str, count: int) -> dict[str, Any]:
    equation, part, manifest = dataset.problem.equation, dataset.split(split), dataset.manifest
    return {
        "name": dataset.name,
        "fingerprint": dataset.fingerprint,
        "split": split,
        "trajectories": count,
        "available": len(part),
        "frames": part.frames,
        "step": float(dataset.step),
        "shape": list(dataset.domain.shape),
        "lengths": list(dataset.domain.lengths),
        "periodic": dataset.domain.periodic,
        "steady": dataset.problem.steady,
        "fields": list(dataset.field_names),
        "inputs": list(dataset.problem.input_names),
        "parameters": list(dataset.parameter_names),
        "problem": dataset.problem.spec,
        "equation": [equation.terms] if isinstance(equation.terms, str) else list(equation.terms),
        "latex": equation.latex().split(" \\\\\n"),
        "recipe": {name: value for name, value in manifest.get("recipe", {}).items() if name != "problem"},
        "check": dataset.problem.check,
        "self_difference": manifest.get("self_difference"),
        "rejects": len(manifest.get("rejects", ())),
        "versions": manifest.get("versions"),
    }


def protocol_section(truth: Truth, history: int, key: Key | None) -> dict[str, Any]:
    return {
        "start_frame": truth.start,
        "steps": len(truth.times),
        "horizon": float(truth.times[-1]),
        "history": history,
        "seeded": key is not None,
        "thresholds": list(THRESHOLDS),
        "gmean_steps": min(GMEAN_STEPS, len(truth.times)),
        "resamples": RESAMPLES,
        "level": LEVEL,
        "divergence_factor": FACTOR,
        "bands": {name: list(ends) for name, ends in BANDS.items()},
    }


def evaluate(
    predictor: Any,
    dataset: Any,
    *,
    split: str = "test",
    trajectories: int | None = None,
    steps: int | None = None,
    baselines: bool | Sequence[str] = True,
    chunk: int | None = None,
    key: Key | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Rolls a predictor and its baselines out from the first frames of a split and measures how far they get.

    All systems start from the same frame, the newest of the predictor's history. A diverged rollout (not finite, or
    its norm larger than 10 times the largest of the true trajectory) is counted; from there on its correlation is 0
    and its error 10 times the data, so that no number of the table hides it.

    **Arguments:**

    - `predictor`: with `predict(initial, times, key=...)`, and `bind(parameters)` and `history` where it has them;
        or a Stepper whose call covers one frame, starting at the time it is set to; or, for a steady problem, a
        function from input fields to the solution.
    - `dataset`: a `pdejax.data.Dataset`.
    - `split`: its part to evaluate on; `trajectories`: only the first ones; `steps`: only the first frames.
    - `baselines`: whether to evaluate them too, or the names of some (see `BASELINES`).
    - `chunk`: trajectories predicted at once.
    - `key`: random key of a stochastic predictor.
    - `progress`: called with the name of a system, the number of trajectories done and their total.

    **Returns:** an `Evaluation`: metrics with bootstrap intervals, divergence, cost, curves and example fields.

    **Raises:** `ValueError` if the split is smaller than asked for, or for an unknown baseline.
    """
    history = getattr(predictor, "history", 1)
    truth = select(dataset, split, trajectories, steps, history)
    made, skipped = build_baselines(dataset, baselines, truth.start)
    systems, arrays = {}, {"times": truth.times}
    model = Baseline("model", "the evaluated predictor", as_predictor(predictor, dataset.problem))
    rows = [("model", model, "model", history), *((name, b, "baseline", 1) for name, b in made.items())]
    for name, one, kind, frames in rows:
        result = rollout(
            one.predictor,
            truth.initial(frames),
            truth.times,
            parameters=truth.parameters,
            truth=truth.frames,
            measure=measure_of(truth),
            chunk=chunk,
            key=key,
            double=one.double,
            progress=None if progress is None else lambda done, total, name=name: progress(name, done, total),
        )
        curves = curves_of(result, truth)
        systems[name] = system_section(one.label, one.meaning, kind, result, curves, truth.steady)
        solves = solve_counts(one.predictor, truth, frames, trajectories=result.chunk, key=key)
        systems[name]["cost"]["solves"] = solves
        arrays |= {f"{name}/{k}": v for k, v in curves.items() if k != "times"}
        if kind == "model":
            arrays |= _examples(result, curves, truth)
            if truth.periodic:
                arrays["truth/spectrum"] = result.values["spectra"]["truth"].mean(1, dtype=np.float64)
    document = {
        "schema": SCHEMA,
        "dataset": dataset_section(dataset, split, len(truth.states)),
        "protocol": protocol_section(truth, history, key),
        "times": [float(t) for t in truth.times],
        "systems": systems,
        "skipped": skipped,
        "environment": environment(),
    }
    smaller = lambda x: x.astype(np.float32) if np.issubdtype(x.dtype, np.floating) else x
    return Evaluation(document, jax.tree.map(smaller, arrays))
