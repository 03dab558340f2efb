"""Penalties that make a learned differential equation cheap to solve: fewer steps at the same accuracy."""

from typing import Annotated, Any, Literal

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
from jax.lax import stop_gradient
from jaxtyping import Array, Bool, Float

from pdejax.core import Given, Key, Scalar, Share, check_options, register
from pdejax.methods.neural_ode.regularization import AbstractRegularization, Decay, Regularized, Weight
from pdejax.solvers import (
    Account,
    Average,
    GuardedSolver,
    Integrator,
    automatic_step,
    integrate,
    scaled_error,
    stage_pair,
    stiffness,
    with_tolerances,
)

Estimate = Literal["error", "stiffness", "both"]


@register("regularization", "solver")
class SolverRegularization(AbstractRegularization):
    """Penalises what an adaptive solver estimates anyway: its error, the equation's stiffness, or both.

    The penalty is a mean over the solve, so that its weight depends neither on the horizon nor, as errors are in units
    of the tolerance, on the tolerance:

    - error (ERNODE): mean of the scaled error estimates `e_j`, see `scaled_error`;
    - stiffness (SRNODE): mean of the estimates `s_j` times the horizon, see `stiffness`;
    - both: the sum, with a tenth of the stiffness (as in the code of Pal et al.).

    `average="time"` weighs step j by its size, `sum(e_j h_j) / T`, the error term of Pal et al.; `"steps"` weighs all
    accepted steps alike. With `scope="global"` the mean is over all of them and gradients go back through the whole
    solve. With `scope="local"` one step is made anew from a state that is not differentiated:

    - `step="accepted"` repeats one step of the solve, drawn as the average weighs them: its expectation is the global
      mean. One state is remembered, any adjoint will do, and the price is one step.
    - `step="automatic"` begins at a random time with the size that an automatic start would take, as the authors' code
      of the local paper; such steps are small, and so is the penalty (1e-6 where accepted steps give 1).
    - a number is the step as a share of the horizon.

    The last two begin at a uniformly drawn time for `average="time"`, and where an accepted step begins, all alike, for
    `"steps"`.

    Sources: Pal, Ma, Shah, Rackauckas 2021 (arXiv 2105.03918); Pal, Edelman, Rackauckas 2023 (arXiv 2303.02262).

    **Arguments:** `estimate`: what is penalised; `scope`; `weight`, `final_weight`: of the penalty, see `Decay`;
    `average`; `step`: of the local scope; `solver`: of the local step if it is another than the integrator's.
    """

    estimate: Estimate = eqx.field(static=True)
    scope: Literal["local", "global"] = eqx.field(static=True)
    decay: Decay
    average: Average = eqx.field(static=True)
    step: float | Literal["accepted", "automatic"] = eqx.field(static=True)
    solver: diffrax.AbstractSolver | None

    def __init__(
        self,
        estimate: Estimate = "error",
        scope: Literal["local", "global"] = "local",
        weight: Weight = 0.1,
        final_weight: Weight | None = None,
        *,
        average: Average = "time",
        step: Share | Literal["accepted", "automatic"] = "accepted",
        solver: Annotated[diffrax.AbstractSolver | None, Given()] = None,
    ):
        self.estimate, self.scope, self.average, self.step, self.solver = estimate, scope, average, step, solver
        self.decay = Decay(weight, final_weight)

    def __check_init__(self) -> None:
        check_options(self)

    @property
    def weight(self) -> Scalar:
        """Of the penalty at first."""
        return self.decay.initial

    @property
    def final_weight(self) -> Scalar:
        """Of the penalty in the end."""
        return self.decay.final

    @property
    def factor(self) -> Scalar:
        return self.decay.value

    def at(self, progress: Scalar) -> "SolverRegularization":
        return eqx.tree_at(lambda r: r.decay, self, self.decay.at(progress))

    def check(self, integrator: Integrator) -> None:
        if not integrator.adaptive:
            raise ValueError(
                f"solver regularization measures errors in units of a tolerance, but "
                f"{type(integrator.controller).__name__} has none: use PIDController, or weight TaylorRegularization"
            )
        if self.scope == "global" and isinstance(integrator.adjoint, diffrax.BacksolveAdjoint):
            raise ValueError(
                "scope='global' with BacksolveAdjoint has a gradient of zero: the equation solved backwards knows "
                "neither the steps nor their errors. Use scope='local', which works with every adjoint, or "
                "RecursiveCheckpointAdjoint"
            )
        solver = self._step_solver(integrator)
        if self.estimate != "error" and not stage_pair(solver):
            raise ValueError(
                f"stiffness is seen by explicit Runge-Kutta methods with two stages at the end of a step (Tsit5, "
                f"Dopri5, Dopri8), which {type(solver).__name__} is not: take one of them, or estimate='error'"
            )

    def _step_solver(self, integrator: Integrator) -> diffrax.AbstractSolver:
        return integrator.solver if self.solver is None or self.scope == "global" else self.solver

    def solve(
        self, terms: Any, times: Float[Array, " time"], y0: Any, args: Any, *, integrator: Integrator, key: Key
    ) -> Regularized:
        self.check(integrator)
        solve = lambda **options: integrate(terms, times, y0, args, integrator=integrator, **options)
        if self.scope == "global":
            states, account = solve()
            error = None if self.estimate == "stiffness" else self._mean(account.error, account)
            return Regularized(states, self._penalty(error, self._stiffness(account), account), account)
        key, key_time = jax.random.split(key)
        if self.step == "accepted" or self.average == "steps":
            states, account = solve(key=key, draw=self.average)
            assert account.chosen is not None
            time, state, size = account.chosen.time, account.chosen.state, account.chosen.step
        else:
            time = jax.random.uniform(key_time, (), times.dtype, times[0], times[-1])
            states, account = solve(also=time)
            state = account.state
        # of a solve that was cut short nothing may be known
        known = (account.accepted > 0) & _finite(state)
        time, state = jax.tree.map(stop_gradient, (jnp.where(known, time, times[0]), _instead(known, state, y0)))
        if self.step == "automatic":
            size = automatic_step(integrator, terms, time, times[-1], state, args)
        elif not isinstance(self.step, str):
            size = jnp.minimum(jnp.asarray(self.step, times.dtype) * account.horizon, times[-1] - time)
        size = stop_gradient(jnp.where(known, size, account.horizon))
        error, stiff = self._one_step(terms, time, size, state, args, integrator, known)
        return Regularized(states, self._penalty(error, stiff, account), account)

    def _mean(self, sums: Any, account: Account) -> Scalar:
        return sums.mean(self.average, account.horizon)

    def _stiffness(self, account: Account) -> Scalar | None:
        return None if self.estimate == "error" else self._mean(account.stiffness, account)

    def _penalty(self, error: Scalar | None, stiff: Scalar | None, account: Account) -> Scalar:
        if stiff is None:
            assert error is not None
            return error
        stiff = stiff * account.horizon.astype(stiff.dtype)
        return stiff if error is None else error + 0.1 * stiff

    def _one_step(
        self,
        terms: Any,
        time: Scalar,
        size: Scalar,
        state: Any,
        args: Any,
        integrator: Integrator,
        known: Bool[Array, ""],
    ) -> tuple[Scalar | None, Scalar | None]:
        """Error and stiffness of one step, as far as the kind asks for them; zero if the step is not `known`."""
        solver = with_tolerances(self._step_solver(integrator), integrator.controller)
        guarded = GuardedSolver(solver, integrator.guarded)
        with jax.numpy_dtype_promotion("standard"):
            start = guarded.init(terms, time, time + size, state, args)
            after, error, dense, _, _ = guarded.step(terms, time, time + size, state, args, start, made_jump=False)
        if error is None:
            raise ValueError(f"{type(solver).__name__} does not estimate its error: take another solver")
        after, error = _instead(known, (after, error), (state, jax.tree.map(jnp.zeros_like, error)))
        measured = None if self.estimate == "stiffness" else scaled_error(state, after, error, integrator.controller)
        if self.estimate == "error":
            return measured, None
        stages = _instead(known, dense["k"], jax.tree.map(jnp.zeros_like, dense["k"]))
        return measured, stiffness(solver, state, after, stages, size)  # type: ignore[arg-type]


def _finite(tree: Any) -> Bool[Array, ""]:
    return jnp.all(jnp.stack([jnp.all(jnp.isfinite(x)) for x in jax.tree.leaves(tree)]))


def _instead(known: Bool[Array, ""], tree: Any, other: Any) -> Any:
    return jax.tree.map(lambda x, y: jnp.where(known, x, y), tree, other)
