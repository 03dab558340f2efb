"""Measurement of a predictor of trajectories, beside its baselines."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pdejax.core import Key
from pdejax.evaluation.baselines.alone import ALONE, base_alone, host_of
from pdejax.evaluation.baselines.baseline import Baseline, build_baselines
from pdejax.evaluation.baselines.stepping import BASELINES
from pdejax.evaluation.metrics.table import METRICS, metric_entry, own_metric
from pdejax.evaluation.predictor import as_predictor
from pdejax.evaluation.price.measure import model_price
from pdejax.evaluation.price.upfront import spent_on
from pdejax.evaluation.reference import select
from pdejax.evaluation.rollouts.curves import OwnMetric, check_own
from pdejax.evaluation.systems import Progress, measured

LAYOUT = """\
evaluation.json (schema 4, kind "rollout" or "steady"); every number is finite, an unavailable one is null with its
reason beside it.

schema, kind  version of this layout, and what was measured
dataset       name, fingerprint (changes when the data do), split, trajectories (evaluated), available (in the split),
              frames, step, shape, lengths, periodic, domain (its ends, origin and whether it is of cells; empty
              where no file can say it), fields, inputs, parameters (names that vary), family and simulator (what was
              solved and by what; empty where the data do not say), equation (terms), latex, vectors (lists of the
              fields that are components of one, in the order of axes), check
              (what self_difference measures); from the manifest of generated data: recipe (splits, seed, ...),
              self_difference, rejects (their number), versions
protocol      start_frame (newest known frame, -1 for a steady problem), steps, horizon (time of the last frame),
              history, seeded (whether a random key was given), thresholds, gmean_steps, resamples, level (of the
              bootstrap intervals over trajectories), divergence_factor, bands (first and last shell, null: open),
              weighted (whether points count in means over space by the weights of their domain)
times         of the predicted frames, from the newest known frame, in the data's (nominal) unit of time
systems       model, then base (of a hybrid: its solver without the network) and the baselines solver,
              solver_coarse_grid, solver_large_step, linear, dmd, persistence, or for a steady problem solver,
              solver_coarse_grid, mean; for each
  label, meaning, kind       in words; kind is "model" or "baseline"
  metrics                    by name: value, interval ([low, high] or null), unit, better ("lower" or "higher"),
                             censored (curves that never crossed, or null), reason (why there is no value, or null)
  diverged                   count, of, first_step (smallest step at which one diverged, or null)
  cost                       seconds (of one step of one trajectory, compilation excluded), compile_seconds, chunk
                             (trajectories computed at once), solves (of a learned differential equation, else
                             empty): a list of steps (of the data, one and all), first_step (as configured, then
                             "automatic"), trajectories (solved as one state), evaluations (of the right-hand side,
                             null where the solver does not tell), accepted and rejected steps, finished
  curves                     nrmse and correlation: mean, low, high per frame
skill         by metric (relative_l2, one_step_nrmse, nrmse_gmean): value (1 - the model's error / that of the best
              baseline that knows no equation: linear, dmd, persistence, mean), interval (paired), best (its name),
              reason; empty without such a baseline, missing in former files
skipped       baselines that could not be made: name to reason
evaluators    further numbers of the model, by name: value, unit, better, reason
price         what the model costs beside the best classical solver of the same error, see `LAYOUT` of
              `pdejax.evaluation.price.describe`; null where that was not wanted, missing in former files
environment   date, python, versions, devices, processes, cores

evaluation.npz holds float32 arrays; time is the first axis:
times (time); SYSTEM/nrmse, mse, truth_ms, vrmse, correlation, nrmse_low, nrmse_mid, nrmse_high, spectrum_log_distance
(time, trajectory); SYSTEM/diverged_step (trajectory), 0 if never; SYSTEM/spectrum, error_spectrum and truth/spectrum
(time, shell), means over trajectories that have not diverged (NaN if none is left); example/trajectory (example),
example/frame (frame), example/truth and example/model (frame, example, *space, channel), in 3D the middle slice;
example/input (example, *space, input) where there are inputs.
"""


def measure(
    predictor: Any,
    data: Any,
    *,
    split: str = "test",
    trajectories: int | None = None,
    steps: int | None = None,
    baselines: bool | Sequence[str] = True,
    metrics: Mapping[str, OwnMetric] | None = None,
    chunk: int | None = None,
    key: Key | None = None,
    price: bool = True,
    trials: int = 1,
    run: str | Path | None = None,
    progress: Progress | None = None,
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Rolls a predictor and its baselines out from the first frames of a split and measures how far they get.

    All systems start from the same frame, the newest of the predictor's history. A diverged rollout (not finite, or
    its norm larger than 10 times the largest of the true trajectory) is counted; from there on its correlation is 0
    and its error 10 times the data, so that no number of the table hides it.

    **Arguments:**

    - `predictor`: with `predict(initial, times, key=...)`, and `bind(parameters)` and `history` where it has them;
        or a Stepper whose call covers one frame, starting at the time it is set to.
    - `data`: trajectories; without a `family` solver baselines are skipped.
    - `split`: its part to evaluate on; `trajectories`: only the first ones; `steps`: only the first frames.
    - `baselines`: whether to evaluate them too, or the names of some (see `BASELINES`).
    - `metrics`: your own by name: functions of prediction and truth, both `(time, trajectory, *space, channel)`, that
        JAX can trace, to numbers `(time, trajectory)`, the smaller the better.
    - `chunk`: trajectories predicted at once.
    - `key`: random key of a stochastic predictor.
    - `price`: whether to measure what it costs beside the best classical solver of the same error.
    - `trials`: how many trainings it took to find its settings; `run`: folder that tells what its training took.
    - `progress`: called with the name of a system, the number of trajectories done and their total.

    **Returns:** document (see `LAYOUT`) and arrays: metrics with bootstrap intervals, divergence, cost, curves and
    example fields.

    **Raises:** `ValueError` if the split is smaller than asked for, for an unknown baseline, or a metric of yours that
    gives another shape.
    """
    history, spent = getattr(predictor, "history", 1), spent_on(data, split, run, trials)
    truth = select(data, split, trajectories, steps, history)
    own = check_own(metrics, truth)
    made, skipped = build_baselines(BASELINES, data, baselines, truth.start)
    model = Baseline("model", "the evaluated predictor", as_predictor(predictor, data.step))
    if baselines and (alone := base_alone(predictor, data.step)):
        made = {ALONE: alone, **made}
    rows = [("model", model, "model", history), *((name, b, "baseline", 1) for name, b in made.items())]
    table = METRICS | {name: own_metric(name) for name in own}
    entries = lambda curves: {name: metric_entry(metric, curves) for name, metric in table.items()}
    document, arrays = measured(data, split, truth, rows, entries, own=own, chunk=chunk, key=key, progress=progress)
    tell = (lambda done: None) if progress is None or not price else lambda done: progress("price", done, 1)
    tell(0)
    host = host_of(predictor, data.step)
    cost = model_price(document, arrays, data, truth, model.predictor, key, spent, host) if price else None
    tell(1)
    return {**document, "skipped": skipped, "price": cost}, arrays
