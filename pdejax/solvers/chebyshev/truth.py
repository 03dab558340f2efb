"""Solutions on bounded boxes by collocation."""

import dataclasses
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pdejax.core import Count, PerAxis, Positive, check_options, register
from pdejax.equations import BoundaryValueProblem
from pdejax.solvers._truth import Answer, Attempt, Solved, Task, compared, doubled, per_axis
from pdejax.solvers.chebyshev.collocation import collocate

SHARE = (3, 4)  # of the points for the comparison
LOOSER = 10  # its tolerance, relative


@register("truth", "chebyshev")
@dataclasses.dataclass(frozen=True)
class CollocatedTruth:
    """By `collocate`, compared with three quarters of the points and ten times the tolerance.

    **Arguments:** `points`: per axis of space; `tolerance`, `clustered`, `integrator`: see `collocate`; `shape`: points
    per axis of the grid it is wanted on, `t` first; `parameters`: values of those that are unknown to the problem.
    """

    points: Annotated[Count | tuple[Count, ...], PerAxis()]
    tolerance: Positive = 1e-10
    clustered: tuple[str, ...] = ()
    integrator: Literal["implicit", "explicit"] = "implicit"
    shape: tuple[Count, ...] | None = None
    parameters: Mapping[str, float] = dataclasses.field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        check_options(self)

    def solve(self, task: Task) -> Answer:
        """Values of both, and how far they are apart."""
        points = per_axis(task.problem, self.points)
        coarse = ([-(-SHARE[0] * n // SHARE[1]) for n in points], LOOSER * self.tolerance)
        solve = lambda of: self._collocate(task, *of)
        return compared(task, solve, [coarse, (points, self.tolerance)], ["points", "tolerance"])

    def attempts(self, problem: BoundaryValueProblem) -> list[Attempt]:
        """Fewer points, doubled from one to the next."""

        def attempt(points: list[int]) -> Attempt:
            solve = lambda task: self._collocate(task, points, self.tolerance)[0]
            return Attempt({"points": points, "tolerance": self.tolerance}, solve)

        return [attempt(points) for points in doubled(per_axis(problem, self.points))]

    def _collocate(self, task: Task, points: list[int], tolerance: float) -> Solved:
        problem, options = task.problem, {"clustered": self.clustered, "integrator": self.integrator}
        further: Any = {**options, "parameters": task.parameters, "progress": task.progress, "tolerance": tolerance}
        if not problem.timed:
            found = collocate(problem, points, **further)
            return found.on(task.space), found.steps
        found = collocate(problem, points, times=task.axes[0], **further)
        values = found.on(task.space)
        values[0] = task.start()  # exact, even where it disagrees with the conditions on the faces
        return values, found.steps
