"""The solution of a boundary value problem as it is declared to be known, with a measured floor of its error."""

import dataclasses
import functools
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pdejax.core import known, resample
from pdejax.equations import BoundaryValueProblem
from pdejax.equations._spec import known_keys
from pdejax.solvers.chebyshev.collocation import collocate, start_values
from pdejax.solvers.chebyshev.nodes import Fourier, Nodes
from pdejax.solvers.spectral.stepper import SpectralStepper, spectral_stepper

Progress = Callable[[int, int], None]
_FRAMES = 101
SAMPLES = 1 << 20  # of the initial state, from which its Fourier coefficients are taken
_SPACE = {1: 257, 2: 65, 3: 33}
_ENTRIES: Mapping[str, Mapping[str, Any]] = {
    "exact": {"fields": ...},
    "spectral": {"points": ..., "steps": ..., "dealias": 2 / 3},
    "chebyshev": {"points": ..., "tolerance": 1e-10, "clustered": (), "integrator": "implicit"},
}
_COMMON = ("kind", "shape", "parameters")


@dataclasses.dataclass(frozen=True)
class Truth:
    """A solution on a uniform grid.

    - `axes`: coordinates per axis of the problem, float64 `(point,)`; both ends, but for periodic axes.
    - `values`: `(*shape, channel)`, float64.
    - `floor`: relative L2 difference, over all fields and points, to a solution of about half the effort; the error
        of this one is smaller where the method converges. Zero for what is exact.
    - `how`: JSON-able: `kind`, what was solved and compared, `floors` of each field, `seconds`.
    """

    axes: tuple[np.ndarray, ...]
    values: np.ndarray
    floor: float
    how: Mapping[str, Any]


Axes = tuple[np.ndarray, ...]
Solved = tuple[np.ndarray, int]
"""Values on a grid, and how many steps it took."""


@dataclasses.dataclass(frozen=True)
class _Task:
    """What a method is asked: a problem with the values of its parameters, the grid, and the entries of `truth`."""

    problem: BoundaryValueProblem
    parameters: Mapping[str, float]
    axes: Axes
    entries: Mapping[str, Any]
    progress: Progress

    @property
    def space(self) -> Axes:
        """Coordinates of the axes of space."""
        return self.axes[self.problem.timed :]

    def start(self) -> np.ndarray:
        """The initial values on the grid, `(*space, channel)`."""
        points = np.stack(np.meshgrid(*self.space, indexing="ij"), axis=-1)
        flat = start_values(self.problem, points.reshape(-1, points.shape[-1]), self.parameters)
        return flat.reshape(*points.shape[:-1], -1)


def truth_axes(problem: BoundaryValueProblem, shape: Sequence[int] | None = None) -> Axes:
    """Uniform coordinates of all axes of a problem.

    **Arguments:** `shape`: points per axis, `t` first; when omitted `truth.shape` of the problem, or else 101 times and
    257, 65 or 33 points per axis for one, two and three axes of space (one less where periodic).

    **Raises:** `ValueError` for another number of axes or an axis with fewer than two points.
    """
    given = (problem.spec["truth"] or {}).get("shape") if shape is None else shape
    plain = [_SPACE[problem.ndim] - p for p in problem.periodic[problem.timed :]]
    counts = ([_FRAMES] * problem.timed + plain) if given is None else list(given)
    if len(counts) != len(problem.axes) or min(counts) < 2:
        raise ValueError(f"problem {problem.name!r}: the shape of its truth is at least two points for each of the "
                         f"axes {list(problem.axes)}, got {counts}")  # fmt: skip
    line = lambda n, ends, periodic: Fourier(n, *ends).nodes if periodic else np.linspace(ends[0], ends[1], n)
    return tuple(line(*of) for of in zip(counts, problem.box, problem.periodic, strict=True))


def solve_truth(
    problem: BoundaryValueProblem, shape: Sequence[int] | None = None, progress: Progress | None = None
) -> Truth:
    """The solution by the method that `truth` of the problem's specification names, in float64.

    - `kind: exact`: `fields`, an expression for each.
    - `kind: spectral`: `points` per axis of space (or one number), `steps` from start to end, `dealias`: a periodic
        equation of evolution by `spectral_stepper`; compared with half the points and half the steps.
    - `kind: chebyshev`: `points`, `tolerance`, `clustered`, `integrator`: see `collocate`; compared with three
        quarters of the points and ten times the tolerance.

    All take `shape` (see `truth_axes`) and `parameters`, the values of those that are unknown to the problem.

    **Arguments:** `problem`; `shape`: points per axis, `t` first; `progress`: called with what is done and all there is
    to do, in frames or Newton steps of one solution after the other.

    **Returns:** the solution with its floor.

    **Raises:** `ValueError` if no truth is declared, or for a problem the method cannot take; `RuntimeError` if it does
    not converge.
    """
    begun, given = time.perf_counter(), _entries(problem)
    parameters = _parameters(problem, given)
    axes, report = truth_axes(problem, shape), progress or (lambda done, total: None)
    task = _Task(problem, parameters, axes, given, report)
    values, floors, how = _METHODS[given["kind"]](task)
    floor = floors.pop("all")
    how = {"kind": given["kind"], **how, "floors": floors, "seconds": round(time.perf_counter() - begun, 3)}
    return Truth(axes, values, floor, how)


def _entries(problem: BoundaryValueProblem) -> dict[str, Any]:
    given = problem.spec["truth"]
    if given is None:
        raise ValueError(f"problem {problem.name!r} does not say how its solution is known: give it a section 'truth' "
                         f"with a 'kind' among {', '.join(_ENTRIES)}")  # fmt: skip
    if given.get("kind") not in _ENTRIES:
        raise ValueError(known("kind of truth", given.get("kind"), _ENTRIES))
    entries = _ENTRIES[given["kind"]]
    known_keys("truth", given, (*_COMMON, *entries))
    for key, default in entries.items():
        if default is ... and key not in given:
            raise ValueError(f"problem {problem.name!r}: truth of kind {given['kind']!r} needs the entry {key!r}")
    return {**{k: v for k, v in entries.items() if v is not ...}, **given}


def _parameters(problem: BoundaryValueProblem, given: Mapping[str, Any]) -> Mapping[str, float]:
    named = given.get("parameters", {})
    for name in named:
        if name not in problem.parameters:
            raise ValueError(known("parameter of truth", name, problem.parameters))
    missing = [name for name in problem.unknown if name not in named and given["kind"] != "exact"]
    if missing:
        raise ValueError(f"problem {problem.name!r}: parameter {missing[0]!r} is unknown to it; truth.parameters must "
                         f"say what it is in truth")  # fmt: skip
    return {**problem.parameters, **{k: float(v) for k, v in named.items()}}


def difference(values: np.ndarray, other: np.ndarray, fields: Sequence[str]) -> dict[str, float]:
    """Relative L2 difference of each field and of `all` together, `(..., channel)`; absolute where all is zero."""
    pairs = {field: (values[..., c], other[..., c]) for c, field in enumerate(fields)} | {"all": (values, other)}
    size = lambda a: float(np.linalg.norm(a.ravel()))
    return {name: size(a - b) / (size(a) or 1.0) for name, (a, b) in pairs.items()}


Answer = tuple[np.ndarray, dict[str, float], dict[str, Any]]
"""Values, floors and how they were found."""


def _exact(task: _Task) -> Answer:
    assert task.problem.exact is not None
    points = np.stack(np.meshgrid(*task.axes, indexing="ij"), axis=-1)
    found = np.asarray(task.problem.exact(points.reshape(-1, points.shape[-1])), np.float64)
    floors = dict.fromkeys((*task.problem.fields, "all"), 0.0)
    return found.reshape(*points.shape[:-1], -1), floors, {}


def _refuse_streams(problem: BoundaryValueProblem) -> None:
    if problem.equation is not None and problem.equation.pointwise_fields != problem.equation.fields:
        raise ValueError(f"problem {problem.name!r}: the truth of a vorticity with its stream function cannot be "
                         f"solved for; use velocities and pressure, or give an exact solution")  # fmt: skip


def _compared(task: _Task, solve: Callable[[Any], Solved], settings: Sequence[Any], names: Sequence[str]) -> Answer:
    """Solves with the coarser settings, then with the finer ones."""
    _refuse_streams(task.problem)
    (coarse, few), (fine, many) = (solve(one) for one in settings)
    how = {name: [one[i] for one in reversed(settings)] for i, name in enumerate(names)}
    return fine, difference(fine, coarse, task.problem.fields), {"steps": [many, few], **how}


# ---- periodic equations of evolution


def _spectral(task: _Task) -> Answer:
    problem, given = task.problem, task.entries["points"]
    if problem.equation is None or not problem.timed or not all(problem.periodic[1:]):
        raise ValueError(f"problem {problem.name!r}: truth of kind 'spectral' is for equations 'FIELD_t = ...' whose "
                         f"axes of space all are periodic; 'chebyshev' takes others")  # fmt: skip
    points = _counts(problem, given)
    fine = (points, int(task.entries["steps"]))
    coarse = ([n // 2 for n in points], max(fine[1] // 2, 1))
    return _compared(task, functools.partial(_evolve, task), [coarse, fine], ["points"])


def _counts(problem: BoundaryValueProblem, given: Any) -> list[int]:
    return [int(n) for n in ([given] * problem.ndim if isinstance(given, int) else given)]


def _evolve(task: _Task, settings: tuple[list[int], int]) -> Solved:
    """Frames at equal distances, each by the same number of steps of ETDRK4; the first one is exact."""
    problem, (points, steps) = task.problem, settings
    frames = len(task.axes[0]) - 1
    substeps = -(-steps // frames)
    low, high = problem.box[0]
    grid = problem.grid(points)
    nodes = Nodes(tuple(Fourier(n, *ends) for n, ends in zip(points, problem.box[1:], strict=True)))
    with jax.enable_x64(True):
        stepper = _stepper(task, grid, (high - low) / (frames * substeps), substeps)
        state = jnp.asarray(_start(task, points))
        call = jax.jit(lambda u, time: stepper.at(time)(u))
        out = [task.start()]
        for i in range(frames):
            state = call(state, jnp.asarray(task.axes[0][i]))
            out.append(_sample(np.asarray(state), nodes, task.space))
            task.progress(i + 1, frames)
    if not np.isfinite(out[-1]).all():
        raise RuntimeError(f"problem {problem.name!r}: the spectral solution has diverged; take more steps or points")
    return np.stack(out), frames * substeps


def _start(task: _Task, points: Sequence[int]) -> np.ndarray:
    """The Fourier coefficients of the initial state without aliasing: a kink's fall off slowly, and must not fold back.

    It is sampled on a grid so fine that what folds back there is small, and the modes above the solver's are dropped.
    """
    problem = task.problem
    factor = max(1, int((SAMPLES / np.prod(points)) ** (1 / problem.ndim)))
    fine = [n * factor for n in points]
    nodes = Nodes(tuple(Fourier(n, *ends) for n, ends in zip(fine, problem.box[1:], strict=True)))
    flat = start_values(problem, nodes.points(), task.parameters)
    return np.asarray(resample(jnp.asarray(flat.reshape(*fine, problem.channels)), points))


def _stepper(task: _Task, grid: Any, dt: float, substeps: int) -> SpectralStepper:
    equation = task.problem.equation
    assert equation is not None
    own = {name: task.parameters[name] for name in equation.parameters}
    return spectral_stepper(equation, grid, dt, substeps=substeps, parameters=own, dealias=task.entries["dealias"])


def _sample(values: np.ndarray, nodes: Nodes, axes: Axes) -> np.ndarray:
    """Values at the nodes of a periodic box, taken to a coarser or finer grid."""
    if all(n % len(x) == 0 for n, x in zip(nodes.shape, axes, strict=True)):
        return values[tuple(slice(None, None, n // len(x)) for n, x in zip(nodes.shape, axes, strict=True))]
    return nodes.interpolate(values, axes)


# ---- bounded boxes


def _chebyshev(task: _Task) -> Answer:
    points = _counts(task.problem, task.entries["points"])
    fine = (points, float(task.entries["tolerance"]))
    coarse = ([-(-3 * n // 4) for n in points], 10 * fine[1])
    return _compared(task, functools.partial(_collocate, task), [coarse, fine], ["points", "tolerance"])


def _collocate(task: _Task, settings: tuple[list[int], float]) -> Solved:
    points, tolerance = settings
    options: dict[str, Any] = {"tolerance": tolerance, "clustered": tuple(task.entries["clustered"])}
    options["integrator"] = task.entries["integrator"]
    options |= {"parameters": task.parameters, "progress": task.progress}
    if not task.problem.timed:
        found = collocate(task.problem, points, **options)
        return found.on(task.space), found.steps
    found = collocate(task.problem, points, times=task.axes[0], **options)
    values = found.on(task.space)
    values[0] = task.start()  # exact, even where it disagrees with the conditions on the faces
    return values, found.steps


_METHODS: Mapping[str, Callable[[_Task], Answer]] = {"exact": _exact, "spectral": _spectral, "chebyshev": _chebyshev}
