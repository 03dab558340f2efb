"""Any number of predictors measured together on the same truth, beside the classical solver and their prices."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from pdejax.core import Key, known
from pdejax.evaluation.baselines.alone import host_of
from pdejax.evaluation.comparison.cost import step_costs
from pdejax.evaluation.comparison.ensembles import ensemble_section
from pdejax.evaluation.comparison.gains import gain_entry
from pdejax.evaluation.comparison.participants import SOLVER, Participant, models_of, solvers_of
from pdejax.evaluation.comparison.parts import long_section, lyapunov_section, with_lyapunov
from pdejax.evaluation.metrics.table import METRICS, metric_entry
from pdejax.evaluation.price.measure import Network, price_section
from pdejax.evaluation.price.upfront import spent_on
from pdejax.evaluation.reference import Reference, select
from pdejax.evaluation.rollouts.curves import curves_of, measure_of, spectra_of
from pdejax.evaluation.rollouts.rollout import chunk_size, rollout
from pdejax.evaluation.rollouts.solves import calls_per_step, solve_counts
from pdejax.evaluation.systems import dataset_section, protocol_section, single_precision, system_section
from pdejax.training import environment

LAYOUT = """\
comparison.json (schema 3, kind "comparison"); every number is finite, an unavailable one is null with its reason beside
it. Rollouts that were measured together have all of this, results that were compared afterwards have `of` to `systems`
and `seeds`.

of            the kind of the compared results
seeds         by name of a group of models that differ by their seed: by metric count, mean, spread (standard deviation
              of the models, n - 1), low and high (the extreme ones), unit, better

dataset, protocol, times, environment   as in evaluation.json; protocol also has reference (name), members, long_steps,
              chunk; start_frame is the newest known frame of the longest history
lyapunov      exponent and its standard_error per unit of time (of `states` trajectories over `duration`), time (its
              inverse), reason; measured by the problem's solver in float64
systems       the compared predictors, then solver (as generated, float64); for each
  label, meaning, kind, metrics, diverged, curves   as in evaluation.json; kind is "model" or "solver"; correlation
                             times also have lyapunov_times: value and interval (of the trajectories, not the exponent)
  history, calls             frames it starts from; network calls per step, of a differential equation evaluations of
                             its right-hand side in a solve over all steps (null for a solver, or where unknown)
  resolution                 of a solver: shape, substeps, precision; null for a model
  against_reference          by metric: difference, gain (ratio minus 1), their paired bootstrap intervals, better
                             (whether the difference is on the better side with both ends), bound (whether either is
                             censored), reason; null for the reference itself
  cost                       of one trajectory in a batch: seconds_per_step, seconds_per_time (of a simulated unit of
                             time, medians), batch, compile_seconds; where prices were measured by turns also range
                             (of seconds_per_time over repeats), repeats; solves of models, as in evaluation.json
  stability                  of models, if asked for: steps, every (steps between records), trajectories, bounded
                             (share), first_diverged_step, spectrum_distance_first and _last (of the first and last
                             record's mean spectrum to the truth's, without the mean, in decades), mean_size_first and
                             _last (of the spatial mean, relative to the truth's root mean square), reason
ensembles     by name of a model, or of several models together: members, lost (trajectories with a diverged member,
              left out), crps and crps_relative (to the truth's root mean square), mean_nrmse (of the ensemble mean):
              one_step and mean over steps; spread_over_error: one_step and all_steps; alarm by threshold: mean
              cross_correlation_time (of members) and correlation_time (to the truth), r_squared (of the line between
              both over trajectories), r_squared_identity (of the first taken for the second), censored (trajectories
              left out of these); reason
price         what the predictors cost beside the best classical solver of the same error, as in evaluation.json

comparison.npz holds float32 arrays; time is the first axis: times; truth/spectrum; of each SYSTEM those of
evaluation.npz; SYSTEM/long_step (record), long_rms (record, trajectory), long_spectrum (record, shell), long_distance
(record), long_diverged_step (trajectory); SYSTEM/ensemble_crps, _absolute_error, _spread, _mean_error,
_cross_correlation, _member_correlation (time, trajectory), _ranks (time, rank), _spread_spectrum,
_mean_error_spectrum, _truth_spectrum (time, shell).
"""

Progress = Callable[[str], None]


def _check(predictors: Mapping[str, Any], dataset: Any, reference: str | None, members: int) -> str:
    """The reference's name.

    **Raises:** `ValueError` for requests that cannot be met.
    """
    if not predictors:
        raise ValueError("a comparison needs at least one predictor")
    taken = [name for name in predictors if name in (SOLVER, "truth") or name.startswith(f"{SOLVER}_") or "/" in name]
    if taken:
        raise ValueError(
            f"a predictor cannot be called {taken[0]!r}: 'truth', 'solver...' and names with '/' are taken"
        )
    if reference is not None and reference not in predictors:
        raise ValueError(known("reference", reference, predictors))
    if members == 1:
        raise ValueError("an ensemble has at least 2 members, got 1")
    return next(iter(predictors)) if reference is None else reference


def _roll(
    rows: Mapping[str, Participant], truth: Reference, chunk: int, key: Key, tell: Progress
) -> tuple[dict[str, Any], dict[str, np.ndarray], dict[str, Any]]:
    """Sections, arrays and curves of all systems."""
    systems, arrays, curves = {}, {"times": truth.times}, {}
    for name, row in rows.items():
        tell(f"rollout of {name}")
        result = rollout(
            row.one.predictor,
            truth.initial(row.history),
            truth.times,
            parameters=truth.parameters,
            truth=truth.frames,
            measure=measure_of(truth),
            chunk=chunk,
            key=key,
            double=row.one.double,
        )
        curves[name] = curves_of(result, truth)
        metrics = {m: metric_entry(metric, curves[name]) for m, metric in METRICS.items()}
        section = system_section(row.one.label, row.one.meaning, row.kind, result, curves[name], metrics)
        systems[name] = section | {"history": row.history, "calls": row.calls, "resolution": row.resolution}
        arrays |= {f"{name}/{k}": v for k, v in curves[name].items() if k != "times"}
        if truth.periodic and "truth/spectrum" not in arrays:
            arrays["truth/spectrum"] = spectra_of(result)["truth"].mean(1)
    return systems, arrays, curves


def _ensembles(
    models: Mapping[str, Participant], members: int, together: Mapping[str, Sequence[str]] | None
) -> dict[str, tuple[Any, int, int]]:
    """Predictor or predictors, history and number of members of every ensemble.

    **Raises:** `ValueError` for an unknown name, a name that is taken, or models of different history.
    """
    made: dict[str, tuple[Any, int, int]] = {}
    if members:
        made |= {name: (row.one.predictor, row.history, members) for name, row in models.items()}
    for name, those in (together or {}).items():
        unknown = [one for one in those if one not in models]
        if unknown:
            raise ValueError(known("predictor", unknown[0], models))
        if name in models or "/" in name:
            raise ValueError(f"an ensemble cannot be called {name!r}: predictors' names and those with '/' are taken")
        histories = {models[one].history for one in those}
        if len(histories) != 1 or len(set(those)) < 2:
            raise ValueError(f"ensemble {name!r} needs at least 2 different predictors of one history, got {those}")
        made[name] = ([models[one].one.predictor for one in those], histories.pop(), len(those))
    return made


def _gains(curves: Mapping[str, Any], name: str, base: str) -> dict[str, Any] | None:
    if name == base:
        return None
    return {metric: gain_entry(one, curves[name], curves[base]) for metric, one in METRICS.items()}


def _costs(rows: Mapping[str, Participant], truth: Reference, step: float, key: Key) -> dict[str, dict[str, Any]]:
    return step_costs({n: (r.one.predictor, r.history, r.one.double) for n, r in rows.items()}, truth, step, key)


def _own_cost(cost: Mapping[str, Any], step: float) -> dict[str, Any]:
    """What the rollout itself took; no turns were taken."""
    each = cost["seconds"]
    return {"seconds_per_step": each, "seconds_per_time": each / step, "batch": cost["chunk"]}


def measure(
    predictors: Mapping[str, Any],
    dataset: Any,
    *,
    reference: str | None = None,
    split: str = "test",
    trajectories: int | None = None,
    steps: int | None = None,
    members: int = 0,
    together: Mapping[str, Sequence[str]] | None = None,
    long_steps: int = 0,
    price: bool = True,
    trials: int = 1,
    runs: Mapping[str, str | Path] | None = None,
    chunk: int | None = None,
    key: Key | None = None,
    progress: Progress | None = None,
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Rolls several predictors out from the same true frames and tells how they compare.

    All start from the newest frame of the longest history, see the same trajectories in the same chunks and draw by
    the same key (common random numbers), so that intervals of differences and gains are paired. Divergence counts as
    in `evaluate`.

    **Arguments:**

    - `predictors`: by name; each as in `evaluate`, with `calls` where one step calls its network several times.
    - `dataset`: trajectories; without a family there are no classical solvers beside.
    - `split`, `trajectories`, `steps`: as in `evaluate`.
    - `reference`: the name that differences and gains are measured against, the first one when omitted.
    - `members`: of the ensemble of every stochastic predictor; 0 for none.
    - `together`: further ensembles by name, each of the predictors named, which were trained independently.
    - `long_steps`: of a rollout far beyond the data that tells stability; 0 for none.
    - `price`: whether to measure what they cost, by turns, beside the best classical solver of the same error; if not,
        their rollouts alone tell what a step takes.
    - `trials`: how many trainings it took to find the settings of each; `runs`: by name folders that tell what their
        trainings took.
    - `chunk`: trajectories at once; `key`: of stochastic predictors, `jax.random.key(0)` when omitted.
    - `progress`: called with a word on what is done next.

    **Returns:** document (see `LAYOUT`) and arrays.

    **Raises:** `ValueError` for an unknown or taken name, an ensemble that cannot be made, or more
    than the split holds.
    """
    base = _check(predictors, dataset, reference, members)
    for name, count in (("members", members), ("long_steps", long_steps)):
        if count < 0:
            raise ValueError(f"{name} should be greater than or equal to 0, got {count}")
    key = jax.random.key(0) if key is None else key
    tell = progress or (lambda text: None)
    spent = {name: spent_on(dataset, split, (runs or {}).get(name), trials) for name in predictors}
    models = models_of(predictors, dataset.step)
    wanted = _ensembles(models, members, together)
    longest = max(one.history for one in models.values())
    truth = select(dataset, split, trajectories, steps, longest)
    solvers, skipped = solvers_of(dataset, truth.start)
    rows = models | solvers
    size = chunk or chunk_size((*truth.states[:, 0].shape[:-1], longest * truth.states.shape[-1]), len(truth.times), 8)
    tell("Lyapunov exponent")
    exponent, lyapunov = lyapunov_section(dataset, truth)
    systems, arrays, curves = _roll(rows, truth, size, key, tell)
    if price:
        tell("cost")
        costs = _costs(rows, truth, dataset.step, key)
    else:
        costs = {name: _own_cost(section["cost"], dataset.step) for name, section in systems.items()}
    for name, section in systems.items():
        section["metrics"] = with_lyapunov(section["metrics"], exponent)
        section["against_reference"] = _gains(curves, name, base)
        section["cost"] = costs[name] | {"compile_seconds": section["cost"]["compile_seconds"]}
    for name, row in models.items():
        solves = solve_counts(row.one.predictor, truth, row.history, trajectories=size, key=key)
        systems[name]["cost"]["solves"] = solves
        if solves:
            systems[name]["calls"] = calls_per_step(solves)
        if long_steps:
            tell(f"{long_steps} steps of {name}")
            systems[name]["stability"], more = long_section(row.one.predictor, row.history, truth, long_steps, key)
            arrays |= {f"{name}/{k}": v for k, v in more.items()}
    if price:
        tell("price")
    networks = {
        name: Network(row.one.predictor, row.history, curves[name], costs[name]["seconds_per_step"], spent[name],
                      host_of(predictors[name], dataset.step))
        for name, row in models.items()
    }  # fmt: skip
    ensembles: dict[str, Any] = {}
    for name, (one, history, count) in wanted.items():
        tell(f"{count} members of {name}")
        ensembles[name], more = ensemble_section(one, truth, history, count, max(1, size // count), key)
        arrays |= {f"{name}/ensemble_{k}": v for k, v in more.items()}
    document = {
        "dataset": dataset_section(dataset, split, len(truth.states)),
        "protocol": protocol_section(truth, longest, key)
        | {"reference": base, "members": members, "long_steps": long_steps, "chunk": size},
        "lyapunov": lyapunov,
        "times": [float(t) for t in truth.times],
        "systems": systems,
        "skipped": skipped,
        "ensembles": ensembles,
        "price": price_section(dataset, split, truth, networks, key=key) if price else None,
        "environment": environment(),
    }
    return document, single_precision(arrays)
