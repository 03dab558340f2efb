"""The solution of a boundary value problem as it is declared to be known, with a measured floor of its error."""

import dataclasses
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pdejax.core import kind_of, known, registered
from pdejax.equations import BoundaryValueProblem, Exact
from pdejax.solvers._exact import check_exact
from pdejax.solvers._truth import Answer, Axes, Progress, Task
from pdejax.solvers.chebyshev.nodes import Fourier

FRAMES = 101
SPACE = {1: 257, 2: 65, 3: 33}  # points per axis, by the number of axes


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


def truth_axes(problem: BoundaryValueProblem, shape: Sequence[int] | None = None) -> Axes:
    """Uniform coordinates of all axes of a problem.

    **Arguments:** `shape`: points per axis, `t` first; when omitted `truth.shape` of the problem, or else 101 times and
    257, 65 or 33 points per axis for one, two and three axes of space (one less where periodic).

    **Raises:** `ValueError` for another number of axes or an axis with fewer than two points.
    """
    given = getattr(problem.truth, "shape", None) if shape is None else shape
    plain = [SPACE[problem.ndim] - p for p in problem.periodic[problem.timed :]]
    counts = ([FRAMES] * problem.timed + plain) if given is None else list(given)
    if len(counts) != len(problem.axes) or min(counts) < 2:
        raise ValueError(f"problem {problem.name!r}: the shape of its truth is at least two points for each of the "
                         f"axes {list(problem.axes)}, got {counts}")  # fmt: skip
    line = lambda n, ends, periodic: Fourier(n, *ends).nodes if periodic else np.linspace(ends[0], ends[1], n)
    return tuple(line(*of) for of in zip(counts, problem.box, problem.periodic, strict=True))


def solve_truth(
    problem: BoundaryValueProblem, shape: Sequence[int] | None = None, progress: Progress | None = None
) -> Truth:
    """The solution by the method that `truth` of the problem names, in float64.

    It is a formula (`Exact`), or a method's result: `SpectralTruth`, `CollocatedTruth`, or another one of the group
    `truth`.

    **Arguments:** `problem`; `shape`: points per axis, `t` first (see `truth_axes`); `progress`: called with what is
    done and all there is to do, in frames or Newton steps of one solution after the other.

    **Returns:** the solution with its floor.

    **Raises:** `ValueError` if no truth is declared, or for a problem the method cannot take; `RuntimeError` if it does
    not converge.
    """
    begun, method = time.perf_counter(), problem.truth
    if method is None:
        raise ValueError(f"problem {problem.name!r} does not say how its solution is known: give it a section 'truth' "
                         f"with a 'kind' among {', '.join(registered('truth'))}")  # fmt: skip
    report = progress or (lambda done, total: None)
    task = Task(problem, _parameters(problem), truth_axes(problem, shape), report)
    values, floors, how = _exact(task) if isinstance(method, Exact) else method.solve(task)
    floor, kind = floors.pop("all"), (kind_of(method) or ("", type(method).__name__))[1]
    how = {"kind": kind, **how, "floors": floors, "seconds": round(time.perf_counter() - begun, 3)}
    return Truth(task.axes, values, floor, how)


def _parameters(problem: BoundaryValueProblem) -> Mapping[str, float]:
    named = problem.truth.parameters
    for name in named:
        if name not in problem.parameters:
            raise ValueError(known("parameter of truth", name, problem.parameters))
    missing = [name for name in problem.unknown if name not in named and not isinstance(problem.truth, Exact)]
    if missing:
        raise ValueError(f"problem {problem.name!r}: parameter {missing[0]!r} is unknown to it; truth.parameters must "
                         f"say what it is in truth")  # fmt: skip
    return {**problem.parameters, **{k: float(v) for k, v in named.items()}}


def _exact(task: Task) -> Answer:
    assert task.problem.exact is not None
    if {*task.problem.unknown} <= {*task.problem.truth.parameters}:  # else there is nothing to put in
        check_exact(task.problem, task.parameters)
    points = np.stack(np.meshgrid(*task.axes, indexing="ij"), axis=-1)
    found = np.asarray(task.problem.exact(points.reshape(-1, points.shape[-1])), np.float64)
    floors: dict[str, float] = dict.fromkeys((*task.problem.fields, "all"), 0.0)
    return found.reshape(*points.shape[:-1], -1), floors, {}
