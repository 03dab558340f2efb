"""How a learned equation is solved, said in words and numbers."""

from typing import Literal

import diffrax
import equinox as eqx

from pdejax.core import Count, Positive, check_options
from pdejax.solvers import Integrator, named

RTOL, ATOL, FIRST_STEP = 1e-4, 1e-6, 1.0


class Solver(eqx.Module):
    """An `Integrator` in words: solver and adjoint by their names in Diffrax.

    Steps adapt to tolerances, or `fixed_steps` of equal size lead from one frame to the next.

    **Arguments:** `name`: of the solver; `rtol`, `atol`: tolerances of adaptive steps, 1e-4 and 1e-6 when omitted;
    `fixed_steps`: how many there are from one frame to the next, instead of tolerances; `adjoint`: how gradients are
    found; `max_steps`: a solve in training that needs more fails; `first_step`: of adaptive steps, a share of the
    interval to the first output, the whole when omitted; or `"automatic"`, or `"diffrax"`, see `Integrator`.

    **Raises:** `ValueError` for an unknown name, with the nearest spelling, or options that do not go together.
    """

    name: str = eqx.field(static=True, default="Tsit5")
    rtol: Positive | None = eqx.field(static=True, default=None)
    atol: Positive | None = eqx.field(static=True, default=None)
    fixed_steps: Count | None = eqx.field(static=True, default=None)
    adjoint: Literal["RecursiveCheckpointAdjoint", "DirectAdjoint", "BacksolveAdjoint"] = eqx.field(
        static=True, default="RecursiveCheckpointAdjoint"
    )
    max_steps: Count = eqx.field(static=True, default=256)
    first_step: Positive | Literal["automatic", "diffrax"] | None = eqx.field(static=True, default=None)

    def __check_init__(self) -> None:
        check_options(self)
        for option in ("rtol", "atol", "first_step"):
            if self.fixed_steps is not None and getattr(self, option) is not None:
                raise ValueError(f"{option} is for steps that adapt, but fixed_steps is {self.fixed_steps}: leave one "
                                 f"of them out, got {getattr(self, option)!r}")  # fmt: skip
        self.integrator()

    def integrator(self) -> Integrator:
        """The same as an object of Diffrax's parts."""
        solver = named("solver", self.name, diffrax.AbstractSolver)()
        adjoint = named("adjoint", self.adjoint, diffrax.AbstractAdjoint)()
        if self.fixed_steps is not None:
            return Integrator(solver, diffrax.ConstantStepSize(), adjoint, self.max_steps, 1 / self.fixed_steps)
        rtol, atol = (RTOL if self.rtol is None else self.rtol), (ATOL if self.atol is None else self.atol)
        first = FIRST_STEP if self.first_step is None else None if self.first_step == "diffrax" else self.first_step
        return Integrator(solver, diffrax.PIDController(rtol=rtol, atol=atol), adjoint, self.max_steps, first)
