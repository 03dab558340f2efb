"""Several systems measured on the same reference: the model and what it is compared with."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from pdejax.core import Key, describe
from pdejax.evaluation.baselines.baseline import Baseline
from pdejax.evaluation.metrics.bootstrap import LEVEL, RESAMPLES, bootstrap_interval
from pdejax.evaluation.metrics.divergence import FACTOR
from pdejax.evaluation.metrics.horizon import THRESHOLDS
from pdejax.evaluation.metrics.spectra import BANDS
from pdejax.evaluation.metrics.table import GMEAN_STEPS
from pdejax.evaluation.reference import Reference
from pdejax.evaluation.rollouts.curves import OwnMetric, curves_of, measure_of, middle_slice, spectra_of
from pdejax.evaluation.rollouts.rollout import Rollout, rollout
from pdejax.evaluation.rollouts.solves import solve_counts
from pdejax.evaluation.skill import skill_section
from pdejax.solvers import vectors
from pdejax.training import environment

Curves = Mapping[str, np.ndarray]
Progress = Callable[[str, int, int], None]
Row = tuple[str, Baseline, str, int]
"""Name of a system, the system, its kind ("model" or "baseline") and the frames it starts from."""


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
    label: str, meaning: str, kind: str, result: Rollout, curves: Curves, metrics: Mapping[str, Any]
) -> dict[str, Any]:
    """What the document holds of one system."""
    steps = curves["diverged_step"]
    bad = steps[steps > 0]
    return {
        "label": label,
        "meaning": meaning,
        "kind": kind,
        "metrics": dict(metrics),
        "diverged": {"count": len(bad), "of": len(steps), "first_step": int(bad.min()) if len(bad) else None},
        "cost": {"seconds": result.seconds, "compile_seconds": result.compile_seconds, "chunk": result.chunk},
        "curves": {name: band_of(curves[name]) for name in ("nrmse", "correlation")},
    }


def _examples(result: Rollout, curves: Curves, truth: Reference) -> dict[str, np.ndarray]:
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


def dataset_section(data: Any, split: str, count: int) -> dict[str, Any]:
    """What the document holds of the data; what only their family or their recipe tells is empty without one."""
    domain, part, manifest = data.domain, data.split(split), getattr(data, "manifest", {})
    return {
        "name": data.name,
        "fingerprint": data.fingerprint,
        "split": split,
        "trajectories": count,
        "available": len(part),
        "frames": part.frames,
        "step": float(data.step or 0),
        "shape": list(domain.shape),
        "lengths": list(getattr(domain, "lengths", ())),
        "periodic": bool(getattr(domain, "periodic", False)),
        "domain": _described(domain),
        "fields": list(data.field_names),
        "inputs": list(data.input_names),
        "parameters": list(data.parameter_names),
        **_origin_of(data, manifest.get("recipe", {})),
        "check": manifest.get("check", ""),
        "recipe": {k: v for k, v in manifest.get("recipe", {}).items() if k not in ("family", "simulator")},
        "self_difference": manifest.get("self_difference"),
        "rejects": len(manifest.get("rejects", ())),
        "versions": manifest.get("versions"),
    }


def _origin_of(data: Any, recipe: Mapping[str, Any]) -> dict[str, Any]:
    """What was solved and by what; empty where that is not known."""
    family = data.family
    known = {} if family is None else {"family": family, "simulator": data.simulator}
    return {
        "family": {},
        "simulator": {},
        **{name: recipe.get(name) or _described(one) for name, one in known.items()},
        "equation": [] if family is None else list(family.equation.terms),
        "latex": [] if family is None else family.latex.split(" \\\\\n"),
        "vectors": [] if family is None else [list(one) for one in vectors(family.equation)],
    }


def _described(one: Any) -> Any:
    """An object as JSON; nothing where it holds what no file can."""
    try:
        return describe(one) or {}
    except ValueError:
        return {}


def protocol_section(truth: Reference, history: int, key: Key | None) -> dict[str, Any]:
    """What the document holds of the measurement."""
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
        "weighted": truth.weights is not None,
    }


def single_precision(arrays: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Arrays as they are saved: float32 instead of float64."""
    smaller = lambda x: x.astype(np.float32) if np.issubdtype(x.dtype, np.floating) else x
    return {name: smaller(np.asarray(x)) for name, x in arrays.items()}


def measured(
    data: Any,
    split: str,
    truth: Reference,
    rows: Iterable[Row],
    entries: Callable[[Curves], Mapping[str, Any]],
    *,
    own: Mapping[str, OwnMetric],
    chunk: int | None,
    key: Key | None,
    progress: Progress | None,
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Document and arrays of the model and its baselines, all predicting the same frames.

    **Arguments:** `data`, `split`, `truth`: what they are measured on; `rows`: the systems, the model first;
    `entries`: from the curves of a system to its metrics; `own`: further metrics; the rest as of `evaluate`.
    """
    systems, arrays, every, rows = {}, {"times": truth.times}, {}, list(rows)
    for name, one, kind, history in rows:
        result = rollout(
            one.predictor,
            truth.initial(history),
            truth.times,
            parameters=truth.parameters,
            truth=truth.frames,
            measure=measure_of(truth, own),
            chunk=chunk,
            key=key,
            double=one.double,
            progress=None if progress is None else lambda done, total, name=name: progress(name, done, total),
        )
        curves = every[name] = curves_of(result, truth)
        systems[name] = system_section(one.label, one.meaning, kind, result, curves, entries(curves))
        solves = solve_counts(one.predictor, truth, history, trajectories=result.chunk, key=key)
        systems[name]["cost"]["solves"] = solves
        arrays |= {f"{name}/{k}": v for k, v in curves.items() if k != "times"}
        if kind == "model":
            arrays |= _examples(result, curves, truth)
            if truth.periodic:
                arrays["truth/spectrum"] = spectra_of(result)["truth"].mean(1)
    document = {
        "dataset": dataset_section(data, split, len(truth.states)),
        "protocol": protocol_section(truth, rows[0][3], key),
        "times": [float(t) for t in truth.times],
        "systems": systems,
        "skill": skill_section(systems, every),
        "environment": environment(),
    }
    return document, single_precision(arrays)
