"""The result of an evaluation: a JSON document and arrays, and what is in them."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pdejax.core import known
from pdejax.evaluation.metrics.table import METRICS, compare_entry
from pdejax.evaluation.result import save_result

SCHEMA = 2

SCHEMA_DOCUMENTATION = """\
evaluation.json (schema 2); every number is finite, an unavailable one is null with its reason beside it.

schema        version of this layout
dataset       name, fingerprint (sha256 of the manifest), split, trajectories (evaluated), available (in the split),
              frames, step, shape, lengths, periodic, steady, fields, inputs, parameters (names that vary), family
              and simulator (what the data were generated from, as `describe` gives it), equation (terms), latex, check (what self_difference
              measures); from the manifest: recipe (splits, seed, ...), self_difference, rejects (their number),
              versions
protocol      start_frame (newest known frame, -1 for a steady problem), steps, horizon (time of the last frame),
              history, seeded (whether a random key was given), thresholds, gmean_steps, resamples, level (of the
              bootstrap intervals over trajectories), divergence_factor, bands (first and last shell, null: open)
times         of the predicted frames, from the newest known frame, in the data's (nominal) unit of time
systems       model, then the baselines solver, solver_coarse_grid, solver_large_step, linear, persistence, or for a
              steady problem solver, solver_coarse_grid, mean; for each
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
skipped       baselines that could not be made: name to reason
environment   date, python, versions, devices, processes, cores

evaluation.npz holds float32 arrays; time is the first axis:
times (time); SYSTEM/nrmse, mse, truth_ms, vrmse, correlation, nrmse_low, nrmse_mid, nrmse_high, spectrum_log_distance
(time, trajectory); SYSTEM/diverged_step (trajectory), 0 if never; SYSTEM/spectrum, error_spectrum and truth/spectrum
(time, shell), means over trajectories that have not diverged (NaN if none is left); example/trajectory (example),
example/frame (frame), example/truth and example/model (frame, example, *space, channel), in 3D the middle slice;
example/input (example, *space, input) where there are inputs.
"""


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """How good a predictor is beside its baselines.

    **Arguments:** `document`: JSON-able, see `SCHEMA_DOCUMENTATION`; `arrays`: curves and example fields.
    """

    document: dict[str, Any]
    arrays: Mapping[str, np.ndarray]

    def metric(self, name: str, system: str = "model") -> dict[str, Any]:
        """Value, interval, unit, ... of a metric.

        **Raises:** `ValueError` for an unknown metric or system.
        """
        if system not in self.document["systems"]:
            raise ValueError(known("system", system, self.document["systems"]))
        if name not in METRICS:
            raise ValueError(known("metric", name, METRICS))
        return self.document["systems"][system]["metrics"][name]

    def curves(self, system: str = "model") -> dict[str, np.ndarray]:
        """Arrays of one system without its prefix, with the times."""
        prefix = f"{system}/"
        own = {name[len(prefix) :]: x for name, x in self.arrays.items() if name.startswith(prefix)}
        return {"times": self.arrays["times"], **own}

    def save(self, folder: str | Path) -> Path:
        """Writes `evaluation.npz`, then `evaluation.json`; returns the path of the latter."""
        return save_result(folder, "evaluation", self.document, self.arrays)

    @classmethod
    def load(cls, folder: str | Path) -> "Evaluation":
        """The evaluation that `save` wrote.

        **Raises:** `FileNotFoundError` if there is none; `ValueError` if another version wrote it.
        """
        path = Path(folder) / "evaluation.json"
        if not path.exists():
            raise FileNotFoundError(f"{folder} holds no evaluation.json: evaluate the run first")
        document = json.loads(path.read_text(encoding="utf-8"))
        if document["schema"] != SCHEMA:
            raise ValueError(f"{path} has schema {document['schema']}, this pdejax reads {SCHEMA}")
        with np.load(path.with_suffix(".npz")) as arrays:
            return cls(document, dict(arrays))


def compare(first: Evaluation, second: Evaluation, metric: str, *, system: str = "model") -> dict[str, Any]:
    """How much two evaluations on the same trajectories differ in a metric.

    **Arguments:** `first`, `second`; `metric`: a name of `METRICS`; `system`: whose metric.

    **Returns:** `difference` (first minus second) and its paired bootstrap `interval` over trajectories.

    **Raises:** `ValueError` if data set, split, trajectories or frames differ.
    """
    if metric not in METRICS:
        raise ValueError(known("metric", metric, METRICS))
    same = lambda e: (
        {k: e.document["dataset"][k] for k in ("fingerprint", "split", "trajectories")}
        | {k: e.document["protocol"][k] for k in ("start_frame", "steps")}
    )
    for name, value in same(first).items():
        if same(second)[name] != value:
            raise ValueError(f"the evaluations differ in {name}: {value} and {same(second)[name]}")
    return compare_entry(METRICS[metric], first.curves(system), second.curves(system))
