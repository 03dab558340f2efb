"""How good a field is that was fitted to an equation: its residuals, and its error where the solution is known."""

import dataclasses
import functools
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import sympy

from pdejax.core import TensorGrid, known
from pdejax.data import QuasiRandomPoints
from pdejax.equations import BoundaryValueProblem, Condition, Residual, jet, linearised
from pdejax.evaluation.coordinate.errors import (
    CHUNK,
    CLAIM,
    at_points,
    errors_in_time,
    errors_of,
    on_axes,
    place,
    precision_of,
    residual_at,
    values_at,
)
from pdejax.evaluation.result import save_result
from pdejax.methods import PhysicsField, count_parameters
from pdejax.networks import GaussianField, GaussianLattice
from pdejax.solvers import Truth
from pdejax.training import environment

SCHEMA, KIND = 1, "field"
_POINTS_STREAM = 1 << 20  # keys of the points, apart from those that training folds its own numbers into
_MOST = 257  # points per axis of a picture
_FRAMES = 4

FIELD_SCHEMA_DOCUMENTATION = """\
evaluation.json of a field (schema 1, kind "field"); every number is finite, an unavailable one is null with its reason.

schema, kind  version of this layout; "field"
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
environment   date, python, versions, devices, processes, cores

evaluation.npz: error/times (time), error/FIELD and error/all (time): root mean square error over space at each time,
over the truth's root mean square over space and time, so that their mean square is relative_l2 squared (raw);
plot/axes/AXIS (point), plot/field, plot/truth, plot/error (*shape, channel), plot/residual (*shape, equation): on a
grid of the box, for pictures: all of (t, x), (x) or (x, y), four times of (t, x, y), the middle of z; truth and error
only where it is known; gaussians/centres, gaussians/widths (n, axis), gaussians/weights (n, feature), and where there
are, gaussians/covariances (n, axis, axis) of dense ones and gaussians/edges (edge) of slabs;
history/axes/AXIS and history/field: the field over (t, x) at the middle of the other axes, where there are more.
"""


@dataclasses.dataclass(frozen=True)
class FieldEvaluation:
    """How good a field is.

    **Arguments:** `document`: JSON-able, see `FIELD_SCHEMA_DOCUMENTATION`; `arrays`: for pictures.
    """

    document: dict[str, Any]
    arrays: Mapping[str, np.ndarray]

    def error(self, field: str = "all") -> dict[str, Any]:
        """The relative L2 error of a field or of all together.

        **Raises:** `ValueError` for an unknown field, or if the solution is not known.
        """
        given = self.document["error"]
        if given is None:
            raise ValueError(f"no error was measured: {self.document['no_error']}")
        entries = {**given["fields"], "all": given["all"]}
        if field not in entries:
            raise ValueError(known("field", field, entries))
        return entries[field]["relative_l2"]

    def residuals(self) -> dict[str, dict[str, Any]]:
        """All residuals by a name for people: `equation`, or `equation 1`, ..., then the conditions."""
        given = self.document["residual"]
        return numbered({"equation": given["equations"], **given["conditions"]})

    def save(self, folder: str | Path) -> Path:
        """Writes `evaluation.npz`, then `evaluation.json`; returns the path of the latter."""
        return save_result(folder, "evaluation", self.document, self.arrays)

    @classmethod
    def load(cls, folder: str | Path) -> "FieldEvaluation":
        """The evaluation that `save` wrote.

        **Raises:** `FileNotFoundError` if there is none; `ValueError` if it is of no field or of another version.
        """
        path = Path(folder) / "evaluation.json"
        if not path.exists():
            raise FileNotFoundError(f"{folder} holds no evaluation.json: evaluate the run first")
        document = json.loads(path.read_text(encoding="utf-8"))
        if document.get("kind") != KIND:
            raise ValueError(f"{path} is no evaluation of a field but of trajectories: read it with Evaluation.load")
        if document["schema"] != SCHEMA:
            raise ValueError(f"{path} has schema {document['schema']}, this pdejax reads {SCHEMA}")
        with np.load(path.with_suffix(".npz")) as arrays:
            return cls(document, dict(arrays))


def numbered(groups: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    """Members of groups by the group's name, numbered from 1 where it has several."""
    name = lambda group, i: group if len(groups[group]) == 1 else f"{group} {i + 1}"
    return {name(group, i): one for group, members in groups.items() for i, one in enumerate(members)}


# ---- residuals


@dataclasses.dataclass(frozen=True)
class _Probe:
    """Residual, size of its parts, and squares of the derivatives at points.

    **Arguments:** `residual`; `orders`: derivatives to measure beside.
    """

    residual: Residual
    orders: tuple[tuple[int, ...], ...] = ()

    def __call__(self, model: PhysicsField, points: Any) -> dict[str, Any]:
        jets = model.jet(points, tuple(dict.fromkeys((*self.residual.orders, *self.orders))))
        own = {order: jets[order] for order in self.residual.orders}
        value, slopes = linearised(self.residual, own, points, model.parameters)
        parts = {order: jnp.abs(slope) for order, slope in slopes.items()}
        size = sum(jnp.sum(parts[order] * jnp.abs(own[order])[:, None], -1) for order in own)
        return {"value": value, "size": size, "slopes": parts, "squares": {o: jets[o] ** 2 for o in jets}}


@dataclasses.dataclass(frozen=True)
class _Points:
    """Independent quasi-random points of a box and its faces."""

    problem: BoundaryValueProblem
    count: int
    face_count: int
    seed: int
    real: np.dtype

    def draw(self, face: Mapping[str, float], *numbers: int) -> np.ndarray:
        """Points of a face; of the whole box if nothing is held fixed."""
        problem = self.problem
        held = lambda axis, ends: (face[axis], face[axis]) if axis in face else ends
        box = [held(axis, ends) for axis, ends in zip(problem.axes, problem.box, strict=True)]
        key = functools.reduce(jax.random.fold_in, (_POINTS_STREAM, *numbers), jax.random.key(self.seed))
        points = QuasiRandomPoints(self.count, self.face_count).draw(box, key)
        assert not isinstance(points, TensorGrid)
        return np.asarray(points).astype(self.real)


def _rms(x: np.ndarray) -> Any:
    with np.errstate(over="ignore", invalid="ignore"):
        return np.sqrt(np.mean(np.square(x), axis=0))


def _residual_entry(value: np.ndarray, size: float, points: np.ndarray, axes: Sequence[str]) -> dict[str, Any]:
    """What is recorded of one equation, from its residual (point,) there."""
    entry: dict[str, Any] = dict.fromkeys(("rms", "relative", "size", "largest", "at", "reason"))
    bad = int(np.count_nonzero(~np.isfinite(value)))
    if bad or not np.isfinite(size):
        return entry | {"reason": f"not finite at {bad} of {len(value)} points"}
    worst = int(np.argmax(np.abs(value)))
    rms = float(_rms(value))
    entry |= {"rms": rms, "size": size, "largest": float(abs(value[worst])), "at": place(points[worst], axes)}
    return entry | ({"relative": rms / size} if size else {"reason": "no derivative takes part in it"})


def _residuals(model: PhysicsField, points: _Points, chunk: int) -> dict[str, Any]:
    problem = model.problem
    wanted = tuple(dict.fromkeys(o for c in problem.conditions for o in c.residual.orders))
    inside = points.draw({}, 0)
    found = at_points(_Probe(problem.residual, wanted), model, inside, chunk)
    sizes = _rms(found["size"])
    entries = [_residual_entry(v, float(s), inside, problem.axes) for v, s in zip(found["value"].T, sizes, strict=True)]
    usual = {order: np.sqrt(np.mean(square, axis=0)) for order, square in found["squares"].items()}
    conditions = {
        c.name: _condition(model, c, [points.draw(f, 1, i, j) for j, f in enumerate(c.faces)], usual, chunk)
        for i, c in enumerate(problem.conditions)
    }
    return {"equations": entries, "conditions": conditions}


def _condition(
    model: PhysicsField, condition: Condition, faces: Sequence[np.ndarray], usual: Mapping[Any, np.ndarray], chunk: int
) -> list[dict[str, Any]]:
    points = np.concatenate(faces)
    found = at_points(_Probe(condition.residual), model, points, chunk)
    sizes = _rms(np.sum([slope @ usual[order] for order, slope in found["slopes"].items()], axis=0))
    axes = model.problem.axes
    return [_residual_entry(v, float(s), points, axes) for v, s in zip(found["value"].T, sizes, strict=True)]


# ---- arrays for pictures


def _plot_axes(problem: BoundaryValueProblem, truth: Truth | None) -> list[np.ndarray]:
    """Coordinates of the pictures, among those of the truth if there is one."""
    plain = lambda low, high, wraps: np.linspace(low, high, 129, endpoint=not wraps)
    full = [plain(*ends, wraps) for ends, wraps in zip(problem.box, problem.periodic, strict=True)]
    full = full if truth is None else list(truth.axes)
    thin = [x[:: -(-len(x) // _MOST)] for x in full]
    if problem.timed and problem.ndim > 1:
        thin[0] = full[0][np.unique(np.rint(np.linspace(0, len(full[0]) - 1, _FRAMES)).astype(int))]
    if problem.ndim == 3:
        thin[-1] = full[-1][[len(full[-1]) // 2]]
    return thin


def _chosen(axes: Sequence[np.ndarray], truth: Truth, values: np.ndarray) -> np.ndarray:
    """Values on the grid of the truth at some of its coordinates."""
    return values[np.ix_(*(np.searchsorted(x, part) for x, part in zip(truth.axes, axes, strict=True)))]


def _pictures(model: PhysicsField, truth: Truth | None, values: np.ndarray | None, chunk: int) -> dict[str, np.ndarray]:
    problem = model.problem
    axes = _plot_axes(problem, truth)
    arrays = {f"plot/axes/{name}": axis for name, axis in zip(problem.axes, axes, strict=True)}
    arrays["plot/residual"] = on_axes(residual_at, model, axes, chunk)
    if truth is None or values is None:
        arrays["plot/field"] = on_axes(values_at, model, axes, chunk)
    else:
        arrays["plot/field"], arrays["plot/truth"] = (_chosen(axes, truth, x) for x in (values, truth.values))
        arrays["plot/error"] = arrays["plot/field"] - arrays["plot/truth"]
    return arrays


def _history(model: PhysicsField, chunk: int) -> dict[str, np.ndarray]:
    """The field over time and the first axis of space, in the middle of the others."""
    problem = model.problem
    lines = [np.linspace(*ends, 129) for ends in problem.box[:2]]
    axes = [*lines, *(np.array([middle]) for middle in problem.middle[2:])]
    values = on_axes(values_at, model, axes, chunk).reshape(129, 129, -1)
    return {"history/axes/t": lines[0], f"history/axes/{problem.axes[1]}": lines[1], "history/field": values}


@functools.singledispatch
def gaussians_of(field: Any) -> dict[str, np.ndarray]:
    """Centres, widths and weights of the Gaussians a field is made of, one by one; nothing of another field."""
    return {}


@gaussians_of.register
def _(field: GaussianField) -> dict[str, np.ndarray]:
    flat = lambda x: np.asarray(x, np.float64).reshape(-1, x.shape[-1])
    centres, widths = flat(field.centres), np.exp(flat(field.log_widths))
    arrays = {"gaussians/centres": centres, "gaussians/widths": widths, "gaussians/weights": flat(field.weights)}
    if field.shears is None:
        return arrays
    ndim = centres.shape[1]
    lower = np.broadcast_to(np.eye(ndim), (len(centres), ndim, ndim)).copy()
    lower[:, *np.tril_indices(ndim, -1)] = flat(field.shears)
    root = widths[:, :, None] * np.linalg.inv(lower)  # the precision is D^-1 T^T T D^-1
    return arrays | {"gaussians/covariances": root @ root.swapaxes(1, 2)}


@gaussians_of.register
def _(field: GaussianLattice) -> dict[str, np.ndarray]:
    parts = zip(("centres", "widths", "weights"), field.gaussians(), strict=True)
    return {f"gaussians/{k}": np.asarray(x, np.float64) for k, x in parts} | {
        "gaussians/edges": np.asarray(field.edges)
    }


# ---- the document


def _sides(problem: BoundaryValueProblem, term: str) -> str:
    """A term `LEFT = RIGHT` as LaTeX."""
    sides = [problem.read([f"{side} = 0"]).expressions[0] for side in term.split("=")]
    return " = ".join(sympy.latex(side) for side in sides)


def _equation(problem: BoundaryValueProblem) -> dict[str, list[str]]:
    if problem.function is not None:
        return {"equation": ["a Python function of the derivatives"], "latex": []}
    if isinstance(problem.spec["equation"], str):
        assert problem.equation is not None
        terms = problem.equation.terms
        return {"equation": [terms] if isinstance(terms, str) else list(terms),
                "latex": problem.equation.latex().split(" \\\\\n")}  # fmt: skip
    terms = list(problem.spec["equation"]["terms"])
    return {"equation": terms, "latex": [_sides(problem, term) for term in terms]}


def _listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def _conditions(problem: BoundaryValueProblem) -> list[dict[str, Any]]:
    given = problem.spec["conditions"]
    return [
        {
            "name": c.name,
            "at": _listed(given[c.name]["at"]),
            "terms": _listed(given[c.name]["terms"]),
            "latex": [_sides(problem, term) for term in _listed(given[c.name]["terms"])],
            "weight": c.weight,
        }
        for c in problem.conditions
    ]


def _undetermined(problem: BoundaryValueProblem) -> list[str]:
    """Fields of which nothing but derivatives occur."""
    residuals = [problem.residual, *(c.residual for c in problem.conditions)]
    if not all(hasattr(r, "expressions") for r in residuals):
        return []
    symbols = {s for r in residuals for e in r.expressions for s in e.free_symbols}  # type: ignore[attr-defined]
    return [field for field in problem.fields if jet(field) not in symbols]


def _problem(problem: BoundaryValueProblem) -> dict[str, Any]:
    return {
        "name": problem.name,
        "axes": list(problem.axes),
        "box": [list(ends) for ends in problem.box],
        "periodic": list(problem.periodic),
        "timed": problem.timed,
        "fields": list(problem.fields),
        **_equation(problem),
        "conditions": _conditions(problem),
        "parameters": dict(problem.parameters),
        "undetermined": _undetermined(problem),
    }


def _model(model: PhysicsField, gaussians: Mapping[str, np.ndarray]) -> dict[str, Any]:
    edges = gaussians.get("gaussians/edges")
    return {
        "field": type(model.field).__name__,
        "parameters": count_parameters(model),
        "gaussians": len(gaussians["gaussians/centres"]) if gaussians else None,
        "slabs": None if edges is None else len(edges) - 1,
        "precision": precision_of(model).name,
    }


def _found(model: PhysicsField) -> dict[str, Any]:
    known_values = (model.problem.spec["truth"] or {}).get("parameters") or {}
    entries = {}
    for name, found in model.found.items():
        value, true = float(found), known_values.get(name)
        size = abs(float(true)) or 1.0 if true is not None else 1.0
        entries[name] = {
            "value": value if np.isfinite(value) else None,
            "guess": model.problem.unknown[name],
            "truth": None if true is None else float(true),
            "relative_error": None if true is None or not np.isfinite(value) else abs(value - float(true)) / size,
        }
    return entries


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


def evaluate_field(
    model: PhysicsField, truth: Truth | None, *, seed: int = 0, points: int = 20_000, chunk: int = CHUNK
) -> FieldEvaluation:
    """Measures a field by its residuals, and by its error where the solution is known.

    Residuals are taken at quasi-random points that no training has seen. An error below three times the floor of the
    truth is not claimed (see `claimed`). All is computed in the precision of the model: one in float64 must be
    evaluated inside of `jax.enable_x64(True)`. A pressure that is fixed up to a constant only is compared as it is.

    **Arguments:**

    - `model`: a `PhysicsField`.
    - `truth`: of the same problem, or none.
    - `seed`: of the points; `points`: their number inside, of which each face has a tenth; `chunk`: computed at once.

    **Returns:** a `FieldEvaluation`.

    **Raises:** `ValueError` if the truth has other axes or fields, or for a model in float64 outside of that mode.
    """
    problem, real = model.problem, precision_of(model)
    if real == np.float64 and jnp.result_type(float) != np.float64:
        raise ValueError("the model is in float64: evaluate it inside of `with jax.enable_x64(True):`")
    if truth is not None and (len(truth.axes), truth.values.shape[-1]) != (len(problem.axes), problem.channels):
        raise ValueError(f"problem {problem.name!r} has axes {list(problem.axes)} and fields {list(problem.fields)}, "
                         f"the truth {len(truth.axes)} axes and {truth.values.shape[-1]} fields")  # fmt: skip
    drawn = _Points(problem, points, max(points // 10, 1), seed, real)
    values = None if truth is None else on_axes(values_at, model, truth.axes, chunk)
    gaussians = gaussians_of(model.field)
    arrays = {**_pictures(model, truth, values, chunk), **gaussians}
    if problem.timed and problem.ndim > 1:
        arrays |= _history(model, chunk)
    if truth is not None and values is not None and problem.timed:
        arrays |= errors_in_time(problem, truth, values)
    document = {
        "schema": SCHEMA,
        "kind": KIND,
        "problem": _problem(problem),
        "model": _model(model, gaussians),
        "protocol": {"points": points, "face_points": drawn.face_count, "seed": seed, "chunk": chunk, "claim": CLAIM},
        "residual": _residuals(model, drawn, chunk),
        "error": None if truth is None or values is None else errors_of(problem, truth, values),
        "no_error": "the problem does not say how its solution is known" if truth is None else None,
        "found": _found(model),
        "cost": _cost(model, drawn.draw({}, 0), chunk),
        "truth": None
        if truth is None
        else {"shape": [len(x) for x in truth.axes], "floor": truth.floor, "how": dict(truth.how)},
        "environment": environment(),
    }
    return FieldEvaluation(document, arrays)
