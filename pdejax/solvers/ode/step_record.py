"""What a solve by Diffrax tells about its own steps, kept in constant memory and differentiable."""

import dataclasses
from typing import Any, Literal

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
from jax.lax import stop_gradient
from jaxtyping import Array, Bool, Int

from pdejax.core import Key, Scalar
from pdejax.solvers.ode.step_measures import scaled_error, stiffness

Average = Literal["time", "steps"]


class Chosen(eqx.Module):
    """One accepted step, drawn at random while a solve went on; nothing in it is differentiated.

    **Arguments:** `time`, `step`: beginning and size; `state`: at its beginning; `weight`: of all steps so far.
    """

    time: Scalar
    step: Scalar
    state: Any
    weight: Scalar


class StepSums(eqx.Module):
    """Sums over accepted steps: of a measure, of it times the step's size, and how many there were."""

    over_time: Scalar
    over_steps: Scalar
    count: Int[Array, ""]

    @classmethod
    def zero(cls, dtype: Any) -> "StepSums":
        """Before the first step."""
        return cls(jnp.zeros((), dtype), jnp.zeros((), dtype), jnp.zeros((), jnp.int32))

    def add(self, value: Scalar, step: Scalar) -> "StepSums":
        """After one step more."""
        size = step.astype(value.dtype)
        return StepSums(self.over_time + value * size, self.over_steps + value, self.count + 1)

    def mean(self, average: Average, horizon: Scalar) -> Scalar:
        """Over the time of the solve, or over its accepted steps."""
        if average == "time":
            return self.over_time / horizon.astype(self.over_time.dtype)
        return self.over_steps / jnp.maximum(self.count, 1).astype(self.over_steps.dtype)


class Starts(eqx.Module):
    """How often a solver that takes its first slope from the step before had none to take.

    **Arguments:** `count`: of steps tried at the very beginning or after a jump; `due`: whether the next one is such.
    """

    count: Int[Array, ""]
    due: Bool[Array, ""]

    @classmethod
    def none(cls) -> "Starts":
        """Before the first step."""
        return cls(jnp.zeros((), jnp.int32), jnp.ones((), bool))

    def after(self, keep: Bool[Array, ""], jump: Any) -> "Starts":
        """After a step more, kept or refused, which ended at a jump or did not."""
        return Starts(self.count + self.due.astype(jnp.int32), jnp.where(keep, jump, self.due))


class ErrorRecorder(diffrax.AbstractAdaptiveStepSizeController):
    """Another controller that also sums the scaled errors of accepted steps and keeps one of them, drawn at random.

    A step is kept with a probability proportional to its size (`draw="time"`) or equal to that of all others
    (`draw="steps"`): reservoir sampling of one (Chao 1982), which needs to remember one state only.

    **Arguments:** `controller`: decides; it has tolerances and a norm; `key`: of the draw; `draw`: none keeps no step.
    """

    controller: diffrax.AbstractAdaptiveStepSizeController
    key: Key | None = None
    draw: Average | None = eqx.field(static=True, default=None)

    @property
    def rtol(self) -> Any:
        return self.controller.rtol

    @property
    def atol(self) -> Any:
        return self.controller.atol

    @property
    def norm(self) -> Any:
        return self.controller.norm

    def wrap(self, direction: Any) -> "ErrorRecorder":
        return dataclasses.replace(self, controller=self.controller.wrap(direction))

    def init(
        self, terms: Any, t0: Any, t1: Any, y0: Any, dt0: Any, args: Any, func: Any, error_order: Any
    ) -> tuple[Any, Any]:
        end, state = self.controller.init(terms, t0, t1, y0, dt0, args, func, error_order)
        time = jnp.zeros((), jnp.result_type(end))
        chosen = None if self.draw is None else Chosen(time, time, jax.tree.map(jnp.zeros_like, y0), time)
        return end, (state, StepSums.zero(jnp.result_type(*jax.tree.leaves(y0))), chosen, Starts.none())

    def adapt_step_size(
        self, t0: Any, t1: Any, y0: Any, y1_candidate: Any, args: Any, y_error: Any, error_order: Any, state: Any
    ) -> tuple[Any, ...]:
        inner, sums, chosen, starts = state
        # of infinity over infinity Diffrax makes a step size that is not a number, and then no other
        y1_candidate = jax.tree.map(lambda y: jnp.where(jnp.isfinite(y), y, jnp.nan), y1_candidate)
        keep, *times, jump, inner, result = self.controller.adapt_step_size(
            t0, t1, y0, y1_candidate, args, y_error, error_order, inner
        )
        keep, step = jnp.asarray(keep), stop_gradient(jnp.asarray(t1 - t0))
        # a refused step may hold infinities, which even a product with zero lets into the gradient
        harmless = lambda x, fill: jax.tree.map(lambda a, b: jnp.where(keep, a, b), x, fill)
        error = harmless(y_error, jax.tree.map(jnp.ones_like, y_error))
        value = scaled_error(y0, harmless(y1_candidate, y0), error, self.controller)
        if self.draw is not None:
            chosen = self._choose(chosen, keep, sums.count, t0, step, y0)
        sums = jax.tree.map(lambda new, old: jnp.where(keep, new, old), sums.add(value, step), sums)
        return keep, *times, jump, (inner, sums, chosen, starts.after(keep, jump)), result

    def _choose(self, chosen: Chosen, keep: Bool[Array, ""], number: Any, t0: Any, step: Scalar, y0: Any) -> Chosen:
        weight = jnp.where(keep, step if self.draw == "time" else jnp.ones_like(step), jnp.zeros_like(step))
        total = chosen.weight + weight
        assert self.key is not None
        take = keep & (jax.random.uniform(jax.random.fold_in(self.key, number), (), total.dtype) * total < weight)
        pick = lambda new, old: jnp.where(take, stop_gradient(new), old)
        return Chosen(
            pick(jnp.asarray(t0, total.dtype), chosen.time), pick(step, chosen.step),
            jax.tree.map(pick, y0, chosen.state), total,
        )  # fmt: skip


class GuardedSolver(diffrax.AbstractWrappedSolver):
    """Another solver whose steps may go wrong without a trace in the gradient.

    A step so large that the field overflows is refused and costs a few evaluations. Its part of the gradient is zero
    times infinity, which without this is what the whole gradient becomes.

    **Arguments:** `solver`; `guard`: off where derivatives may be taken forwards, for which it has no rule.
    """

    solver: Any
    guard: bool = eqx.field(static=True, default=True)

    @property
    def scan_kind(self) -> Any:
        return self.solver.scan_kind  # adjoints of Diffrax ask for it and set it where it is none

    @property
    def root_finder(self) -> Any:
        return self.solver.root_finder  # to which Diffrax gives the tolerances of the controller

    @property
    def term_structure(self) -> Any:
        return self.solver.term_structure

    @property
    def interpolation_cls(self) -> Any:
        return self.solver.interpolation_cls

    @property
    def term_compatible_contr_kwargs(self) -> Any:
        return self.solver.term_compatible_contr_kwargs

    def order(self, terms: Any) -> Any:
        return self.solver.order(terms)

    def strong_order(self, terms: Any) -> Any:
        return self.solver.strong_order(terms)

    def error_order(self, terms: Any) -> Any:
        return self.solver.error_order(terms)

    def init(self, terms: Any, t0: Any, t1: Any, y0: Any, args: Any) -> Any:
        return self.solver.init(terms, t0, t1, y0, args)

    def step(
        self, terms: Any, t0: Any, t1: Any, y0: Any, args: Any, solver_state: Any, made_jump: Any
    ) -> tuple[Any, ...]:
        inputs = terms, t0, t1, y0, args, solver_state, made_jump
        if not self.guard:
            return self._step(*inputs)
        step = eqx.filter_closure_convert(self._step, *inputs)  # which may hold what is differentiated, too
        return _traceless(step, inputs)

    def _step(self, *inputs: Any) -> tuple[Any, ...]:
        return self.solver.step(*inputs)

    def func(self, terms: Any, t0: Any, y0: Any, args: Any) -> Any:
        return self.solver.func(terms, t0, y0, args)


class StiffnessRecorder(GuardedSolver):
    """An explicit Runge-Kutta method that also sums the stiffness its accepted steps see; it costs no evaluation.

    **Arguments:** `solver`: with two stages at the end of the step, see `stage_pair`; `guard`: see there.
    """

    def init(self, terms: Any, t0: Any, t1: Any, y0: Any, args: Any) -> Any:
        return self.solver.init(terms, t0, t1, y0, args), StepSums.zero(jnp.result_type(*jax.tree.leaves(y0)))

    def _step(
        self, terms: Any, t0: Any, t1: Any, y0: Any, args: Any, solver_state: Any, made_jump: Any
    ) -> tuple[Any, ...]:
        state, sums = solver_state  # the loop of Diffrax keeps the new one of accepted steps only
        y1, error, dense, state, result = self.solver.step(terms, t0, t1, y0, args, state, made_jump)
        size = stop_gradient(jnp.asarray(t1 - t0))
        return y1, error, dense, (state, sums.add(stiffness(self.solver, y0, y1, dense["k"], size), size)), result


def _traceless(step: Any, inputs: Any) -> Any:
    """`step(*inputs)`, whose part in a gradient is nothing at all where nothing depends on its outputs."""
    differentiable, rest = eqx.partition((step, inputs), eqx.is_inexact_array)
    leaves, structure = jax.tree.flatten(differentiable)
    entered = [_enter(x) for x in leaves]
    step, inputs = eqx.combine(jax.tree.unflatten(structure, [x for x, _ in entered]), rest)
    outputs, others = eqx.partition(step(*inputs), eqx.is_inexact_array)
    return eqx.combine(_leave(outputs, [asked for _, asked in entered]), others)


# Backwards, whether any output is asked for goes from where a step is left to where it is entered.


@jax.custom_vjp
def _enter(x: Array) -> tuple[Array, Array]:
    return x, jnp.zeros(())


@jax.custom_vjp
def _leave(outputs: Any, asked: list[Array]) -> Any:
    return outputs


def _leave_backward(asked: list[Array], grad: Any) -> tuple[Any, list[Array]]:
    some = jnp.any(jnp.stack([jnp.any(x != 0) for x in jax.tree.leaves(grad)]))
    return grad, [some.astype(x.dtype) for x in asked]


_enter.defvjp(lambda x: (_enter(x), None), lambda _, grad: (jnp.where(grad[1] > 0, grad[0], jnp.zeros_like(grad[0])),))
_leave.defvjp(lambda outputs, asked: (outputs, asked), _leave_backward)
