"""Solution and residual of a steady problem on any grid."""

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from pdejax.core import Grid
from pdejax.equations import SteadyProblem
from pdejax.solvers.elliptic.solve import EllipticSolution, elliptic_operator, solve_elliptic


def _grid(problem: SteadyProblem, inputs: Array) -> Grid:
    return problem.grid.with_shape(inputs.shape[inputs.ndim - 1 - problem.grid.ndim : -1])


def _coefficients(problem: SteadyProblem, inputs: Array, parameters: Mapping[str, Any] | None) -> tuple[Any, Any, Any]:
    """(a, c, f), the latter a field even where it is a number."""
    axes = (1,) * problem.grid.ndim
    per_sample = lambda v: v.reshape(*v.shape, *axes) if getattr(v, "ndim", 0) else v
    a, _, f = problem.coefficients(inputs, {name: per_sample(v) for name, v in (parameters or {}).items()})
    _, c, _ = problem.coefficients(inputs, parameters or {})
    return a, c, f + 0 * inputs[..., 0]


def solve_problem(
    problem: SteadyProblem, inputs: Float[Array, "*batch_and_space input"], parameters: Mapping[str, Any] | None = None
) -> EllipticSolution:
    """The solution for input fields on a grid of any size.

    **Arguments:** `inputs`: `(*batch, *space, input)` on a grid of the problem's domain, end points included;
    `parameters`: numbers, or `(batch,)`, of what varies.

    **Returns:** the solution; its residual is NaN where a coefficient is not positive, so that nothing is elliptic.
    """
    a, c, f = _coefficients(problem, inputs, parameters)
    grid = _grid(problem, inputs)
    found = solve_elliptic(a, f, grid, c=c, tolerance=problem.tolerance, preconditioner=problem.preconditioner)
    if a is None:
        return found
    elliptic = jnp.min(a, axis=tuple(range(-grid.ndim, 0))) > 0
    return eqx.tree_at(lambda s: s.residual, found, jnp.where(elliptic, found.residual, jnp.nan))


def steady_residual(
    problem: SteadyProblem,
    u: Float[Array, "*batch_and_space channel"],
    inputs: Float[Array, "*batch_and_space input"],
    parameters: Mapping[str, Any] | None = None,
) -> Float[Array, "*batch_and_space channel"]:
    """What a field leaves of the discrete equation, A u - f, at the inner nodes; zero on the boundary.

    **Arguments:** `u`: `(*batch, *space, 1)`; `inputs`, `parameters`: as in `solve_problem`.
    """
    a, c, f = _coefficients(problem, inputs, parameters)
    grid = _grid(problem, inputs)
    out = elliptic_operator(u[..., 0], a, grid, c)
    inside = tuple(slice(1, -1) for _ in grid.shape)
    return out.at[(..., *inside)].add(-f[(..., *inside)])[..., None]
