"""Solutions of periodic equations of evolution by exponential integrators."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import jax
import jax.numpy as jnp
import numpy as np

from pdejax.core import Count, PerAxis, Share, check_options, register, resample
from pdejax.equations import BoundaryValueProblem
from pdejax.solvers._truth import Answer, Attempt, Axes, Solved, Task, compared, doubled, per_axis, start_values
from pdejax.solvers.chebyshev.nodes import Fourier, Nodes
from pdejax.solvers.spectral.stepper import SpectralStepper, spectral_stepper

SAMPLES = 1 << 20  # of the initial state, from which its Fourier coefficients are taken


@register("truth", "spectral")
@dataclasses.dataclass(frozen=True)
class SpectralTruth:
    """By `spectral_stepper`, compared with half the points and half the steps.

    **Arguments:** `points`: per axis of space; `steps`: from start to end; `dealias`: see `spectral_stepper`; `shape`:
    points per axis of the grid it is wanted on, `t` first; `parameters`: values of those that are unknown to the
    problem.
    """

    points: Annotated[Count | tuple[Count, ...], PerAxis()]
    steps: Count
    dealias: Share = 2 / 3
    shape: tuple[Count, ...] | None = None
    parameters: Mapping[str, float] = dataclasses.field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        check_options(self)

    def solve(self, task: Task) -> Answer:
        """Frames of both, and how far they are apart.

        **Raises:** `ValueError` for another kind of problem.
        """
        problem = task.problem
        if problem.evolution is None or not problem.timed or not all(problem.periodic[1:]):
            raise ValueError(f"problem {problem.name!r}: truth of kind 'spectral' is for equations 'FIELD_t = ...' "
                             f"whose axes of space all are periodic; 'chebyshev' takes others")  # fmt: skip
        points = per_axis(problem, self.points)
        coarse = ([n // 2 for n in points], max(self.steps // 2, 1))
        return compared(task, lambda of: self._evolve(task, *of), [coarse, (points, self.steps)], ["points"])

    def attempts(self, problem: BoundaryValueProblem) -> list[Attempt]:
        """Fewer points, doubled from one to the next, with as many steps fewer."""
        own = per_axis(problem, self.points)

        def attempt(points: list[int]) -> Attempt:
            steps = max(1, self.steps * points[0] // own[0])
            return Attempt({"points": points, "steps": steps}, lambda task: self._evolve(task, points, steps)[0])

        return [attempt(points) for points in doubled(own)]

    def _evolve(self, task: Task, points: list[int], steps: int) -> Solved:
        """Frames at equal distances, each by the same number of steps of ETDRK4; the first one is exact."""
        problem, frames = task.problem, len(task.axes[0]) - 1
        substeps = -(-steps // frames)
        low, high = problem.box[0]
        grid = problem.grid(points)
        nodes = Nodes(tuple(Fourier(n, *ends) for n, ends in zip(points, problem.box[1:], strict=True)))
        with jax.enable_x64(True):
            stepper = self._stepper(task, grid, (high - low) / (frames * substeps), substeps)
            state = jnp.asarray(_start(task, points))
            call = jax.jit(lambda u, time: stepper.at(time)(u))
            out = [task.start()]
            for i in range(frames):
                state = call(state, jnp.asarray(task.axes[0][i]))
                out.append(_sample(np.asarray(state), nodes, task.space))
                task.progress(i + 1, frames)
        if not np.isfinite(out[-1]).all():
            raise RuntimeError(
                f"problem {problem.name!r}: the spectral solution has diverged; take more steps or points"
            )
        return np.stack(out), frames * substeps

    def _stepper(self, task: Task, grid: Any, dt: float, substeps: int) -> SpectralStepper:
        equation = task.problem.evolution
        assert equation is not None
        own = {name: task.parameters[name] for name in equation.parameters}
        return spectral_stepper(equation, grid, dt, substeps=substeps, parameters=own, dealias=self.dealias)


def _start(task: Task, points: Sequence[int]) -> np.ndarray:
    """The Fourier coefficients of the initial state without aliasing: a kink's fall off slowly, and must not fold back.

    It is sampled on a grid so fine that what folds back there is small, and the modes above the solver's are dropped.
    """
    problem = task.problem
    factor = max(1, int((SAMPLES / np.prod(points)) ** (1 / problem.ndim)))
    fine = [n * factor for n in points]
    nodes = Nodes(tuple(Fourier(n, *ends) for n, ends in zip(fine, problem.box[1:], strict=True)))
    flat = start_values(problem, nodes.points(), task.parameters)
    return np.asarray(resample(jnp.asarray(flat.reshape(*fine, problem.channels)), points))


def _sample(values: np.ndarray, nodes: Nodes, axes: Axes) -> np.ndarray:
    """Values at the nodes of a periodic box, taken to a coarser or finer grid."""
    if all(n % len(x) == 0 for n, x in zip(nodes.shape, axes, strict=True)):
        return values[tuple(slice(None, None, n // len(x)) for n, x in zip(nodes.shape, axes, strict=True))]
    return nodes.interpolate(values, axes)
