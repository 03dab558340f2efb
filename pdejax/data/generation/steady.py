"""Steady solutions: input fields solved in float64, with the residual that is left."""

from typing import Any

import jax
import jax.numpy as jnp

from pdejax.equations import SteadyProblem
from pdejax.solvers import solve_problem


def steady_solution(problem: SteadyProblem, frames: int) -> Any:
    """The compiled function from input fields and parameters of a batch to solutions, inputs and residuals.

    **Raises:** `ValueError` for more than one frame.
    """
    if frames != 1:
        raise ValueError(f"problem {problem.name!r} is steady: a split holds 1 frame, got {frames}")

    @jax.jit
    def solve(inputs: Any, parameters: Any) -> tuple[Any, Any, Any]:
        solution = solve_problem(problem, inputs, parameters)
        thin = (slice(None), *(slice(None, None, stride) for stride in problem.stride))
        store = lambda x: x[thin].astype(jnp.float32)
        return store(solution.u[..., None])[:, None], store(inputs), solution.residual

    return solve
