"""Solution and residual of a steady problem on any grid."""

from collections.abc import Mapping
from typing import Any

from jaxtyping import Array, Float

from pdejax.core import Grid
from pdejax.equations import SteadyProblem
from pdejax.solvers._elliptic import EllipticSolution, elliptic_operator, solve_elliptic


def _grid(problem: SteadyProblem, inputs: Array) -> Grid:
    return problem.grid.with_shape(inputs.shape[inputs.ndim - 1 - problem.grid.ndim : -1])


def _coefficients(problem: SteadyProblem, inputs: Array, parameters: Mapping[str, Any] | None) -> tuple[Any, Any, Any]:
    """(a, c, f), the latter a field even where it is a number."""
    ndim = problem.grid.ndim
    fit = lambda v: v.reshape(*v.shape, *(1,) * ndim) if getattr(v, "ndim", 0) == 1 else v
    a, c, f = problem.coefficients(inputs, parameters or {})
    return a, c, fit(f) + 0 * inputs[..., 0]


def solve_problem(
    problem: SteadyProblem, inputs: Float[Array, "*batch_and_space input"], parameters: Mapping[str, Any] | None = None
) -> EllipticSolution:
    """The solution for input fields on a grid of any size.

    **Arguments:** `inputs`: `(*batch, *space, input)` on a grid of the problem's domain, end points included;
    `parameters`: numbers, or `(batch,)`, of what varies.
    """
    a, c, f = _coefficients(problem, inputs, parameters)
    grid = _grid(problem, inputs)
    return solve_elliptic(a, f, grid, c=c, tolerance=problem.tolerance, preconditioner=problem.preconditioner)


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
