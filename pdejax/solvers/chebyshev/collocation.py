"""Boundary value problems by collocation: Newton's method for steady ones, the method of lines for those in time."""

import dataclasses
from collections.abc import Mapping, Sequence

import jax
import numpy as np

from pdejax.core import known
from pdejax.equations import BoundaryValueProblem
from pdejax.solvers._truth import Progress, start_values
from pdejax.solvers.chebyshev.faces import axes_of
from pdejax.solvers.chebyshev.lines import INTEGRATORS, Lines, march
from pdejax.solvers.chebyshev.newton import newton, steady
from pdejax.solvers.chebyshev.nodes import Nodes


@dataclasses.dataclass(frozen=True)
class Collocated:
    """Values of all fields at the nodes of a box.

    - `nodes`; `values`: `(*shape, channel)`, or `(time, *shape, channel)`.
    - `steps`: of Newton's method, or in time.
    """

    nodes: Nodes
    values: np.ndarray
    steps: int

    def on(self, axes: Sequence[np.ndarray]) -> np.ndarray:
        """The fields on the tensor product of coordinates of the axes of space."""
        if self.values.ndim == len(self.nodes.axes) + 1:
            return self.nodes.interpolate(self.values, axes)
        return np.stack([self.nodes.interpolate(frame, axes) for frame in self.values])


def collocate(
    problem: BoundaryValueProblem,
    points: Sequence[int],
    *,
    times: np.ndarray | None = None,
    tolerance: float = 1e-10,
    clustered: Sequence[str] = (),
    integrator: str = "implicit",
    parameters: Mapping[str, float] | None = None,
    progress: Progress | None = None,
) -> Collocated:
    """Solves a boundary value problem by collocation in float64.

    Steady problems by damped Newton steps, each a dense weighted least-squares solution of the equation at all nodes
    that have no condition, and of all conditions at the nodes of their faces (corners count once for each face). The
    cost of a step is 2/3 n^3 for n unknowns. Problems in time by the method of lines.

    **Arguments:**

    - `points`: per axis of space.
    - `times`: rising `(frame,)`, the first one the start; 101 equidistant ones when omitted. In time only.
    - `tolerance`: relative change at which Newton's method ends, or relative error of a step in time.
    - `clustered`: letters of bounded axes whose points are packed at the ends (see `Clustered`), for layers and roots.
    - `integrator`: in time, `implicit` (backward differences: any stiffness, 2/3 n^3 now and then) or `explicit` (of
        order eight: cheaper for many nodes where diffusion is slow).
    - `parameters`: values of all parameters, the problem's own when omitted.
    - `progress`: called with the number of frames or Newton steps that are done, and the largest number of them.

    **Raises:** `ValueError` for a problem it cannot take or one that is not determined; `RuntimeError` if the method
    does not converge.
    """
    report, values = progress or (lambda done, total: None), parameters or problem.parameters
    nodes = axes_of(problem, points, clustered)
    if integrator not in INTEGRATORS:
        raise ValueError(known("integrator", integrator, INTEGRATORS))
    with jax.enable_x64(True):
        if not problem.timed:
            system = steady(problem, nodes, values)
            x, steps = newton(system, tolerance, report)
            return Collocated(nodes, system.fields(x), steps)
        lines = Lines(problem, nodes, values)
        times = np.linspace(*problem.box[0], 101) if times is None else np.asarray(times, np.float64)
        y = start_values(problem, nodes.points(), values).T.ravel()[lines.inner]
        lines.check(problem.name, y, times[0])
        x, steps = march(lines, y, times, tolerance, integrator, report)
    frames = np.moveaxis(x.reshape(len(times), problem.channels, *nodes.shape), 1, -1)
    return Collocated(nodes, frames, steps)
