"""Ordinary and stochastic differential equations solved by Diffrax, with an account of the steps taken."""

from collections.abc import Callable
from typing import Any, Literal

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.lax import stop_gradient
from jaxtyping import Array, Bool, Float, Int

from pdejax.core import Key, Scalar
from pdejax.solvers.ode.fit import estimates_error, fitting, missing_tolerances
from pdejax.solvers.ode.step_measures import evaluations, stage_pair
from pdejax.solvers.ode.step_record import Average, Chosen, ErrorRecorder, GuardedSolver, StepSums, StiffnessRecorder

FirstStep = float | Literal["automatic"] | None


class Integrator(eqx.Module):
    """How a differential equation is solved: any solver, step-size controller and adjoint of Diffrax.

    The first step matters where few are enough: from a careful one it takes several to reach the size that the
    tolerance allows, since each is at most ten times the one before.

    - A number is that share of the interval to the first output. One tries the whole interval at once, and costs one
      refused step where that was too much: what prediction wants.
    - `"automatic"` estimates it from the slope and its change (Hairer, Norsett and Wanner 1993, section II.4), with two
      evaluations of the vector field, for ordinary differential equations.
    - `None` leaves it to Diffrax, which takes 0.01 whatever the equation: `dt0=None` of 0.7.2 means Hairer's rule for
      bare terms only, and inside a solve no term is bare.

    **Arguments:** `solver`; `controller`; `adjoint`: how gradients are found; `max_steps`: a solve that needs more
    fails; `first_step`: see above.
    """

    solver: diffrax.AbstractSolver = eqx.field(default_factory=diffrax.Tsit5)
    controller: diffrax.AbstractStepSizeController = eqx.field(
        default_factory=lambda: diffrax.PIDController(rtol=1e-4, atol=1e-6)
    )
    adjoint: diffrax.AbstractAdjoint = eqx.field(default_factory=diffrax.RecursiveCheckpointAdjoint)
    max_steps: int = eqx.field(static=True, default=256)
    first_step: FirstStep = eqx.field(static=True, default=1.0)

    def __check_init__(self) -> None:
        if isinstance(self.first_step, int | float) and not self.first_step > 0:
            raise ValueError(f"first_step is a positive share of the first interval, got {self.first_step}")
        if isinstance(self.first_step, str) and self.first_step != "automatic":
            raise ValueError(f"first_step is a number, 'automatic' or None, got {self.first_step!r}")
        if self.max_steps < 1:
            raise ValueError(f"max_steps is at least 1, got {self.max_steps}")
        if self.fixed and not isinstance(self.first_step, int | float):
            raise ValueError(
                f"fixed steps are as long as first_step, a share of the interval to the first output, got "
                f"{self.first_step!r}: give a number, or take PIDController"
            )
        if not self.adaptive and missing_tolerances(self.solver):
            raise ValueError(
                f"{type(self.solver).__name__} takes the tolerances of its stages from step-size control, which "
                f"{type(self.controller).__name__} is not: take PIDController, or give it a root_finder"
            )
        if self.adaptive and not estimates_error(self.solver):
            raise ValueError(
                f"{type(self.solver).__name__} does not estimate its error, which {type(self.controller).__name__} "
                f"needs: take fixed steps (ConstantStepSize), or one of {', '.join(fitting(None, adaptive=True))}, for "
                "equations with noise SPaRK, ShARK or SRA1"
            )

    @property
    def adaptive(self) -> bool:
        """Whether steps have an error estimate and tolerances to measure it by."""
        return isinstance(self.controller, diffrax.AbstractAdaptiveStepSizeController)

    @property
    def guarded(self) -> bool:
        """Whether refused steps are kept out of gradients, which those that go forwards have no rule for."""
        return self.adaptive and not isinstance(self.adjoint, diffrax.DirectAdjoint | diffrax.ForwardMode)

    @property
    def fixed(self) -> bool:
        """Whether all steps are as long as the first one."""
        return isinstance(self.controller, diffrax.ConstantStepSize)


class Account(eqx.Module):
    """What a solve took.

    **Arguments:** `accepted`, `rejected`: steps; `evaluations`: of the vector field, refused steps and the start
    among them, -1 where the solver does not tell; `finished`: whether the end was reached; `horizon`: time of the
    solve; `error`: sums of scaled errors, none without tolerances; `stiffness`: sums, none where the solver does not
    see it; `chosen`: a step drawn at random, `state`: at a further time, if they were asked for.
    """

    accepted: Int[Array, ""]
    rejected: Int[Array, ""]
    evaluations: Int[Array, ""]
    finished: Bool[Array, ""]
    horizon: Scalar
    error: StepSums | None
    stiffness: StepSums | None
    chosen: Chosen | None
    state: Any = None

    def measures(self, average: Average = "time") -> dict[str, Scalar]:
        """Mean error and stiffness over the time of the solve or over its steps, and the counts, as plain numbers."""
        out = {"nfe": self.evaluations, "accepted_steps": self.accepted, "rejected_steps": self.rejected}
        if self.error is not None:
            out["solver_error"] = self.error.mean(average, self.horizon)
        if self.stiffness is not None:
            out["solver_stiffness"] = self.stiffness.mean(average, self.horizon)
        real = jnp.result_type(self.horizon)
        return {name: stop_gradient(value).astype(real) for name, value in out.items()}


def automatic_step(
    integrator: Integrator, terms: Any, t0: Scalar, t1: Scalar, y0: Any, args: Any = None
) -> Float[Array, ""]:
    """Hairer's first step of a solve from `t0` to `t1`, not beyond its end and not differentiated."""
    solver, controller = integrator.solver, integrator.controller
    if not isinstance(terms, diffrax.ODETerm):
        raise ValueError("an automatic first step is known for ordinary differential equations only: state first_step "
                         "as a share of the interval to the first output")  # fmt: skip
    with jax.numpy_dtype_promotion("standard"):
        end, _ = controller.init(terms, t0, t1, y0, None, args, solver.func, solver.error_order(terms))
    return stop_gradient(jnp.minimum(jnp.asarray(end, t0.dtype) - t0, t1 - t0))


class _Later(eqx.Module):
    """A vector field in the time since `start`."""

    field: Callable[..., Any]
    start: Any

    def __call__(self, t: Any, y: Any, args: Any) -> Any:
        return self.field(self.start + t, y, args)


def _since(terms: Any, times: Any) -> tuple[Any, Any, Any]:
    """The terms and the times since the first one, and that one; noise, a path in time, stays where it is."""
    if not isinstance(terms, diffrax.ODETerm):
        return terms, times, jnp.zeros((), times.dtype)
    # numbers are subtracted before they are rounded: near 1e5 float32 has steps of 0.008
    start, since = jnp.asarray(times[0]), jnp.asarray(times - times[0])
    return diffrax.ODETerm(_Later(terms.vector_field, start)), since, start


def integrate(
    terms: Any,
    times: Float[Array | np.ndarray, " time"],
    y0: Any,
    args: Any = None,
    *,
    integrator: Integrator,
    key: Key | None = None,
    draw: Average | None = None,
    also: Scalar | None = None,
) -> tuple[Any, Account]:
    """Solves from `times[0]` and gives the states at all later times.

    A batch is one state: its samples share the steps and the norm of the error. Steps of a failed solve are counted,
    what follows the failure is infinite. An equation without noise is solved in the time since `times[0]`, so that
    steps stay small numbers however late the start.

    **Arguments:** `terms`: of Diffrax; `times`: increasing, of NumPy where their differences need float64; `y0`: state,
    a pytree; `args`: for the terms; `integrator`; `key`, `draw`: keeps an accepted step drawn in proportion to its size
    (`"time"`) or evenly (`"steps"`); `also`: a further time at which the state is wanted, between the first and the
    last.

    **Returns:** states at `times[1:]` with a leading axis, and the account.
    """
    solver, controller, first = integrator.solver, integrator.controller, integrator.first_step
    terms, times, start = _since(terms, times)
    t0, t1 = times[0], times[-1]
    also = None if also is None else also - start
    counts = evaluations(solver)
    extra = 0
    if first == "automatic":
        step, extra = automatic_step(integrator, terms, t0, t1, y0, args), 2
    else:
        step = None if first is None else jnp.asarray(first, times.dtype) * (times[1] - t0)
    wanted: Any = times[1:] if also is None else jnp.sort(jnp.append(times[1:], also))
    watched = stage_pair(solver)
    if integrator.adaptive:
        controller = ErrorRecorder(controller, key, draw)  # type: ignore
    adjoint = _without_records(integrator)
    solver = (StiffnessRecorder if watched else GuardedSolver)(_scanned(solver, adjoint), integrator.guarded)
    with jax.numpy_dtype_promotion("standard"):
        solution = diffrax.diffeqsolve(
            terms, solver, t0, t1, step, y0, args,
            saveat=diffrax.SaveAt(ts=wanted, solver_state=watched, controller_state=integrator.adaptive),
            stepsize_controller=controller, adjoint=adjoint, max_steps=integrator.max_steps, throw=False,
        )  # fmt: skip
    error, chosen, starts = None, None, jnp.ones((), jnp.int32)
    ended: Any = solution
    if integrator.adaptive:
        _, error, chosen, beginnings = ended.controller_state
        starts = beginnings.count
        chosen = chosen if chosen is None else eqx.tree_at(lambda c: c.time, chosen, stop_gradient(start) + chosen.time)
    number = lambda name: jnp.asarray(solution.stats[name], jnp.int32)
    once, each = counts or (0, 0)
    calls = once * starts + each * number("num_steps") + extra if counts else jnp.full((), -1, jnp.int32)
    states, state = solution.ys, None
    if also is not None:
        others = jnp.arange(len(times) - 1)
        place = jnp.searchsorted(wanted, also).astype(others.dtype)
        others = others + (others >= place).astype(others.dtype)
        states, state = jax.tree.map(lambda y: y[others], states), jax.tree.map(lambda y: y[place], states)
    account = Account(
        accepted=number("num_accepted_steps"),
        rejected=number("num_rejected_steps"),
        evaluations=calls,
        finished=diffrax.is_successful(solution.result),
        horizon=t1 - t0,
        error=error,
        stiffness=ended.solver_state[1] if watched else None,
        chosen=chosen,
        state=state,
    )
    return states, account


def _without_records(integrator: Integrator) -> diffrax.AbstractAdjoint:
    """The adjoint; one that solves a second equation backwards does so by what was given, whose steps none asks for."""
    adjoint = integrator.adjoint
    if not isinstance(adjoint, diffrax.BacksolveAdjoint):
        return adjoint
    plain = {"solver": integrator.solver, "stepsize_controller": integrator.controller}
    return diffrax.BacksolveAdjoint(**{**plain, **adjoint.kwargs})


def _scanned(solver: Any, adjoint: diffrax.AbstractAdjoint) -> Any:
    """The solver with the scan over stages that Diffrax would choose for this adjoint, were it not wrapped."""
    kinds = {diffrax.DirectAdjoint: "bounded", diffrax.ForwardMode: "lax"}
    if type(adjoint) not in kinds or not isinstance(solver, diffrax.AbstractERK) or solver.scan_kind is not None:
        return solver
    return eqx.tree_at(lambda s: s.scan_kind, solver, kinds[type(adjoint)], is_leaf=lambda x: x is None)
