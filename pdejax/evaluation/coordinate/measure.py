"""How good a network of coordinates is: its residuals in the equation, and its error where the solution is known."""

import time
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from pdejax.evaluation.coordinate.describe import found_section, model_section, problem_section
from pdejax.evaluation.coordinate.errors import (
    CHUNK,
    CLAIM,
    errors_in_time,
    errors_of,
    on_axes,
    precision_of,
    values_at,
)
from pdejax.evaluation.coordinate.pictures import gaussians_of, history_of, pictures_of
from pdejax.evaluation.coordinate.residuals import Points, residuals_of
from pdejax.evaluation.price.fields import field_price
from pdejax.evaluation.price.upfront import spent_on
from pdejax.methods import PhysicsField
from pdejax.solvers import Truth
from pdejax.training import environment

LAYOUT = """\
evaluation.json (schema 3, kind "coordinate") of a network of coordinates; every number is finite, an unavailable one is
null with its reason.

schema, kind  version of this layout; "coordinate"
problem       name, axes, box (both ends of each axis), periodic, timed, fields, equation (terms), latex, conditions
              (name, at, terms, latex, weight), parameters, undetermined (fields of which only derivatives occur, so
              that a constant may be added to them: their error counts that constant too)
model         field (its class), parameters (their number), gaussians (their number or null), slabs, precision
protocol      points (inside the box), face_points, seed (of the quasi-random points), chunk, claim (floors of the
              truth below which no error is claimed)
residual      equations: one for each equation; conditions: name to one for each of its terms; with
  rms, largest, at           root mean square over the points, largest absolute value and the point where it occurs
  relative                   "relative residual": rms over size
  size                       rms over the points of the sum over derivatives of |d residual / d derivative| times
                             |derivative|; for conditions times the rms of the derivative inside the box, as fields
                             may well vanish on faces
  reason                     why there is no value, or null
error         null where the solution is not known (see no_error), or fields (by name) and all (together), each with
  relative_l2                value, raw, floor, censored, reason: norm of the error over norm of the truth on the grid
                             of the truth. Where raw, the measured distance, is below `claim` floors, value is `claim`
                             times floor, censored is true, and the error is only known to be below it
  largest                    value, raw, at, censored, reason: largest absolute error and where it is; no value where
                             relative_l2 is censored
found         by name of the parameter: value, guess, truth (or null), relative_error (or null)
cost          seconds (of evaluating 10,000 points, compiled), compile_seconds
truth         null, or shape, floor, how (the truth's own account)
price         what the training took beside the classical solver of the same error, see `FIELD_LAYOUT` of
              `pdejax.evaluation.price.fields`; null where that was not wanted, missing in former files
evaluators    further numbers of the model, by name: value, unit, better, reason
environment   date, python, versions, devices, processes, cores

evaluation.npz: error/times (time), error/FIELD and error/all (time): root mean square error over space at each time,
over the truth's root mean square over space and time, so that their mean square is relative_l2 squared (raw);
plot/axes/AXIS (point), plot/field, plot/truth, plot/error (*shape, channel), plot/residual (*shape, equation): on a
grid of the box, for pictures: all of (t, x), (x) or (x, y), four times of (t, x, y), the middle of z; truth and error
only where it is known; gaussians/centres, gaussians/widths (n, axis), gaussians/weights (n, feature), and where there
are, gaussians/covariances (n, axis, axis) of dense ones and gaussians/edges (edge) of slabs;
history/axes/AXIS and history/field: the field over (t, x) at the middle of the other axes, where there are more.
"""


def _cost(model: PhysicsField, points: np.ndarray, chunk: int, repeats: int = 5) -> dict[str, float]:
    """Seconds of 10,000 points: the median over repeats of one chunk, scaled."""
    given = jnp.asarray(points[:chunk])
    begun = time.perf_counter()
    compiled = eqx.filter_jit(values_at).lower(model, given).compile()
    built = time.perf_counter() - begun
    jax.block_until_ready(compiled(model, given))
    seconds = []
    for _ in range(repeats):
        begun = time.perf_counter()
        jax.block_until_ready(compiled(model, given))
        seconds.append(time.perf_counter() - begun)
    return {"seconds": float(np.median(seconds)) * 10_000 / len(given), "compile_seconds": built}


def measure(
    model: PhysicsField,
    truth: Truth | None,
    *,
    seed: int = 0,
    points: int = 20_000,
    chunk: int = CHUNK,
    price: bool = True,
    trials: int = 1,
    run: str | Path | None = None,
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Measures a network of coordinates by its residuals, and by its error where the solution is known.

    Residuals are taken at quasi-random points that no training has seen. An error below three times the floor of the
    truth is not claimed (see `claimed`). All is computed in the precision of the model: one in float64 must be
    evaluated inside of `jax.enable_x64(True)`. A pressure that is fixed up to a constant only is compared as it is.

    **Arguments:**

    - `model`: a `PhysicsField`.
    - `truth`: of the same problem, or none.
    - `seed`: of the points; `points`: their number inside, of which each face has a tenth; `chunk`: computed at once.
    - `price`: whether to measure what a classical solver of the same error takes.
    - `trials`: how many trainings it took to find its settings; `run`: folder that tells what its training took.

    **Returns:** document (see `LAYOUT`) and arrays.

    **Raises:** `ValueError` if the truth has other axes or fields, or for a model in float64 outside of that mode.
    """
    problem, real = model.problem, precision_of(model)
    if real == np.float64 and jnp.result_type(float) != np.float64:
        raise ValueError("the model is in float64: evaluate it inside of `with jax.enable_x64(True):`")
    if truth is not None and (len(truth.axes), truth.values.shape[-1]) != (len(problem.axes), problem.channels):
        raise ValueError(f"problem {problem.name!r} has axes {list(problem.axes)} and fields {list(problem.fields)}, "
                         f"the truth {len(truth.axes)} axes and {truth.values.shape[-1]} fields")  # fmt: skip
    spent = spent_on(None, "", run, trials)
    drawn = Points(problem, points, max(points // 10, 1), seed, real)
    values = None if truth is None else on_axes(values_at, model, truth.axes, chunk)
    gaussians = gaussians_of(model.field)
    arrays = {**pictures_of(model, truth, values, chunk), **gaussians}
    if problem.timed and problem.ndim > 1:
        arrays |= history_of(model, chunk)
    if truth is not None and values is not None and problem.timed:
        arrays |= errors_in_time(problem, truth, values)
    document = {
        "problem": problem_section(problem),
        "model": model_section(model, gaussians),
        "protocol": {"points": points, "face_points": drawn.face_count, "seed": seed, "chunk": chunk, "claim": CLAIM},
        "residual": residuals_of(model, drawn, chunk),
        "error": None if truth is None or values is None else errors_of(problem, truth, values),
        "no_error": "the problem does not say how its solution is known" if truth is None else None,
        "found": found_section(model),
        "cost": _cost(model, drawn.draw({}, 0), chunk),
        "truth": None
        if truth is None
        else {"shape": [len(x) for x in truth.axes], "floor": truth.floor, "how": dict(truth.how)},
        "environment": environment(),
    }
    error = None if document["error"] is None else document["error"]["all"]["relative_l2"]["raw"]
    return {**document, "price": field_price(problem, truth, error, spent) if price else None}, arrays
