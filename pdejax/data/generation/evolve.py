"""Trajectories: frames of an initial state, solved in float64, and how far the solver agrees with itself."""

from typing import Any

import jax
import jax.numpy as jnp

from pdejax.core import TimedStepper, resample, trajectory
from pdejax.equations import Problem
from pdejax.solvers import problem_stepper


def _self_difference(problem: Problem, states: Any, times: Any, parameters: Any) -> Any:
    """Largest relative difference, over `states`, of one frame's step and the same with half the solver step."""
    shape = problem.solve_grid.shape
    variants = [problem_stepper(problem, parameters, shape=shape, substeps=n * problem.substeps) for n in (1, 2)]

    def compare(state_and_time: Any) -> Any:
        state, time = state_and_time
        start = resample(state, shape)
        coarse, fine = (s.at(time)(start) if isinstance(s, TimedStepper) else s(start) for s in variants)
        space = tuple(range(1, start.ndim - 1))
        norm = lambda u: jnp.sqrt(jnp.sum(u**2, axis=space))
        return jnp.max(norm(coarse - fine) / jnp.maximum(norm(fine), jnp.finfo(fine.dtype).tiny), axis=-1)

    return jnp.max(jax.lax.map(compare, (states, times)), axis=0)


def evolution(problem: Problem, frames: int) -> Any:
    """The compiled function from initial states and parameters of a batch to stored frames and self-differences.

    The comparison with half the step starts from the first and from the last but one stored frame: a steep
    front may need time to form.

    **Raises:** `ValueError` for less than two frames.
    """
    if frames < 2:
        raise ValueError(f"problem {problem.name!r} evolves in time: a split holds at least 2 frames, got {frames}")

    @jax.jit
    def solve(initial: Any, parameters: Any) -> tuple[Any, Any, Any]:
        stepper = problem_stepper(problem, parameters, shape=problem.solve_grid.shape)
        step = jnp.asarray(getattr(stepper, "step_size", problem.step))
        start = problem.burn_in * step
        if problem.burn_in:
            initial = trajectory(stepper, initial, 1, inner_steps=problem.burn_in)[0]
        store = lambda u: resample(u, problem.grid.shape).astype(jnp.float32)
        states = trajectory(stepper, initial, frames - 1, include_initial=True, post=store, start_time=start)
        checked = jnp.stack([states[0], states[-2]]).astype(initial.dtype)
        times = jnp.stack([start, start + (frames - 2) * step])
        states = jnp.moveaxis(states, 0, 1)
        return states, states[:, 0, ..., :0], _self_difference(problem, checked, times, parameters)

    return solve
