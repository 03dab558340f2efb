"""What methods that solve a boundary value problem once are asked, and what they answer."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import sympy

from pdejax.equations import SYMBOLS, BoundaryValueProblem, evaluate

Progress = Callable[[int, int], None]
Axes = tuple[np.ndarray, ...]
Solved = tuple[np.ndarray, int]
"""Values on a grid, and how many steps it took."""

Answer = tuple[np.ndarray, dict[str, float], dict[str, Any]]
"""Values, floors and how they were found."""


@dataclasses.dataclass(frozen=True)
class Task:
    """What a method is asked: a problem, the values of its parameters, and the grid.

    `progress` is called with what is done and all there is to do.
    """

    problem: BoundaryValueProblem
    parameters: Mapping[str, float]
    axes: Axes
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


class Method(Protocol):
    """A way to solve a boundary value problem once: what is registered in the group `truth`."""

    shape: tuple[int, ...] | None
    parameters: Mapping[str, float]

    def solve(self, task: Task) -> Answer: ...


def start_values(
    problem: BoundaryValueProblem, points: np.ndarray, parameters: Mapping[str, float] | None = None
) -> np.ndarray:
    """The stated initial values of all fields, `(point, channel)`.

    **Arguments:** `points`: `(point, axis of space)`; `parameters`: the problem's when omitted.

    **Raises:** `ValueError` if a field has none of the form `FIELD = ...`.
    """
    values: dict[Any, Any] = {sympy.Symbol(k, real=True): v for k, v in (parameters or problem.parameters).items()}
    values |= {SYMBOLS[k]: points[:, i] for i, k in enumerate(problem.axes[problem.timed :])}
    values[SYMBOLS["t"]] = problem.box[0][0]
    columns = []
    for field in problem.fields:
        expression = problem.start(field)
        if expression is None:
            low = problem.box[0][0]
            raise ValueError(f"problem {problem.name!r}: field {field!r} needs a condition at 't={low:g}' with the "
                             f"term '{field} = ...'")  # fmt: skip
        columns.append(evaluate(expression, values) + 0 * points[:, 0])
    return np.stack(columns, axis=-1)


def compared(task: Task, solve: Callable[[Any], Solved], settings: Sequence[Any], names: Sequence[str]) -> Answer:
    """Solves with the coarser settings, then with the finer ones, whose floor is the difference."""
    problem = task.problem
    if problem.evolution is not None and problem.evolution.pointwise_fields != problem.fields:
        raise ValueError(f"problem {problem.name!r}: the truth of a vorticity with its stream function cannot be "
                         f"solved for; use velocities and pressure, or give an exact solution")  # fmt: skip
    (coarse, few), (fine, many) = (solve(one) for one in settings)
    how = {name: [one[i] for one in reversed(settings)] for i, name in enumerate(names)}
    return fine, difference(fine, coarse, problem.fields), {"steps": [many, few], **how}


def difference(values: np.ndarray, other: np.ndarray, fields: Sequence[str]) -> dict[str, float]:
    """Relative L2 difference of each field and of `all` together, `(..., channel)`; absolute where all is zero."""
    pairs = {field: (values[..., c], other[..., c]) for c, field in enumerate(fields)} | {"all": (values, other)}
    size = lambda a: float(np.linalg.norm(a.ravel()))
    return {name: size(a - b) / (size(a) or 1.0) for name, (a, b) in pairs.items()}


@dataclasses.dataclass(frozen=True)
class Attempt:
    """A way to solve a problem once with less effort than its truth: what the price of a learned field is beside.

    **Arguments:** `setting`: in numbers by name, for people; `solve`: from a task to values on its grid; it raises
    `RuntimeError` where it does not converge.
    """

    setting: Mapping[str, Any]
    solve: Callable[[Task], np.ndarray]


FIRST_POINTS = 8  # per axis of the coarsest attempt


def doubled(most: Sequence[int]) -> list[list[int]]:
    """Points per axis, doubled from attempt to attempt as long as they are fewer than `most`, in equal proportion."""
    least = min(most)
    counts = [FIRST_POINTS * 2**i for i in range(12)]
    return [[-(-n * count // least) for n in most] for count in counts if count < least]


def per_axis(problem: BoundaryValueProblem, given: Any) -> list[int]:
    """One number for all axes of space, or one per axis, as the latter."""
    return [int(n) for n in ([given] * problem.ndim if isinstance(given, int) else given)]
