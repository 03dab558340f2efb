"""The classical solver of a problem, one stored frame at a time."""

from collections.abc import Mapping, Sequence
from typing import Any

from pdejax.equations import Problem
from pdejax.solvers.spectral.stepper import SpectralStepper, spectral_stepper


def problem_stepper(
    problem: Problem,
    parameters: Mapping[str, Any] | None = None,
    *,
    shape: Sequence[int] | None = None,
    substeps: int | None = None,
) -> SpectralStepper:
    """The Stepper whose call is one frame of a problem.

    **Arguments:** `parameters`: values `(batch,)` or numbers of what varies, `length` and `step` included; `shape`:
    grid it works on, `problem.solve_grid` when omitted; `substeps`: solver steps per frame, the problem's when omitted.
    """
    given = dict(parameters or {})
    substeps = problem.substeps if substeps is None else substeps
    dt = given.pop("step", 1.0) * (problem.step / substeps)
    grid = problem.solve_grid if shape is None else problem.grid.with_shape(tuple(shape))
    return spectral_stepper(problem.equation, grid, dt, order=problem.order, substeps=substeps, parameters=given)
