"""What one step of an adaptive solver says about an equation: how large its error is, how stiff it is."""

from collections.abc import Callable
from typing import Any, cast

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
from jax.lax import stop_gradient
from jaxtyping import Array

from pdejax.core import Scalar, known


def scaled_error(y0: Any, y1: Any, error: Any, controller: Any) -> Scalar:
    """The norm by which a step-size controller accepts a step: one is just accepted.

    The scale, `atol + rtol * max(|y0|, |y1|)`, is not differentiated: a smaller error is wanted, not a larger state.

    **Arguments:** `y0`, `y1`: states at both ends of a step, pytrees; `error`: its error estimate, like `y0`;
    `controller`: whose tolerances and norm are taken.
    """

    def scaled(a: Array, b: Array, e: Array) -> Array:
        return e / stop_gradient(controller.atol + controller.rtol * jnp.maximum(jnp.abs(a), jnp.abs(b)))

    return controller.norm(jax.tree.map(scaled, y0, y1, error))


def _tableau(solver: diffrax.AbstractERK) -> diffrax.ButcherTableau:
    """The coefficients; explicit methods have one table, whatever the type of all Runge-Kutta methods allows."""
    return cast(diffrax.ButcherTableau, solver.tableau)


def stage_pair(solver: diffrax.AbstractSolver) -> bool:
    """Whether the last two stages of an explicit Runge-Kutta method are at the same time, the end of the step."""
    # a wrapper is an instance of what it wraps to Diffrax, but has no stages of its own
    if isinstance(solver, diffrax.AbstractWrappedSolver) or not isinstance(solver, diffrax.AbstractERK):
        return False
    tableau = _tableau(solver)
    return bool(tableau.ssal and len(tableau.c) > 1 and tableau.c[-1] == tableau.c[-2] == 1)


def real_stability(solver: diffrax.AbstractERK) -> float:
    """How far the stability region of an explicit Runge-Kutta method reaches along the negative real axis."""
    tableau = _tableau(solver)
    stages = len(tableau.b_sol)
    matrix = np.zeros((stages, stages))
    for i, row in enumerate(tableau.a_lower):
        matrix[i + 1, : i + 1] = row
    # R(z) = 1 + z b (1 - z A)^-1 1 is a polynomial, since A is strictly lower triangular
    powers, moment = [1.0], np.ones(stages)
    for _ in range(stages):
        powers.append(float(tableau.b_sol @ moment))
        moment = matrix @ moment
    growth = np.polynomial.Polynomial(powers)
    edges = np.concatenate([(growth - 1).roots(), (growth + 1).roots()])
    reach = -edges[(np.abs(edges.imag) < 1e-6) & (edges.real < -1e-3)].real
    return float(min(reach))


def _root_mean_square(tree: Any) -> Scalar:
    leaves = jax.tree.leaves(tree)
    square = sum(jnp.sum(jnp.square(x)) for x in leaves) / sum(x.size for x in leaves)
    positive = square > 0  # the root has no derivative at zero
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, square, 1)), 0)


def stiffness(solver: diffrax.AbstractERK, y0: Any, y1: Any, stages: Any, step: Scalar) -> Scalar:
    """The largest eigenvalue of the Jacobian as a step saw it, in units of what the solver can take.

    Two stages at the end of the step differ by `v`, their slopes by about `J v`: the quotient of the norms, divided by
    the extent of the stability region (Pal et al. 2021, arXiv 2105.03918, section 3).

    **Arguments:** `solver`: with a pair of such stages, see `stage_pair`; `y0`, `y1`: states at both ends of the step;
    `stages`: slopes times the step, like `y0` with a leading axis stage; `step`: size of the step.

    **Returns:** a rate; zero where both stages are equal.
    """
    weights = np.asarray(_tableau(solver).a_lower[-2])

    def between(a: Array, b: Array, k: Array) -> Array:
        return b - a - jnp.tensordot(jnp.asarray(weights, k.dtype), k[: len(weights)], 1)

    distance = _root_mean_square(jax.tree.map(between, y0, y1, stages))
    change = _root_mean_square(jax.tree.map(lambda k: (k[-1] - k[-2]) / step.astype(k.dtype), stages))
    apart = distance > 0
    quotient = jnp.where(apart, change / jnp.where(apart, distance, 1), 0)
    return quotient / real_stability(solver)


def evaluations(solver: diffrax.AbstractSolver) -> tuple[int, int] | None:
    """Calls of the vector field: more at a start, and in each step; unknown (`None`) for implicit solvers."""
    if isinstance(solver, diffrax.HalfSolver):
        inner = evaluations(solver.solver)
        return None if inner is None else (2 * inner[0], 3 * inner[1])
    if isinstance(solver, diffrax.AbstractWrappedSolver):
        return None
    if isinstance(solver, diffrax.AbstractERK):
        tableau = _tableau(solver)
        return (1, tableau.num_stages - 1) if tableau.fsal else (0, tableau.num_stages)
    if isinstance(solver, diffrax.AbstractSRK):
        skipped = solver.tableau.ignore_stage_f
        return 0, len(solver.tableau.b_sol) - (0 if skipped is None else int(np.sum(skipped)))
    if isinstance(solver, diffrax.Euler | diffrax.ItoMilstein | diffrax.StratonovichMilstein | diffrax.EulerHeun):
        return 0, 1
    return None


def named(kind: str, name: str, base: type) -> Callable[..., Any]:
    """A class of Diffrax by its name.

    **Arguments:** `kind`: what it is, for messages; `name`; `base`: class that it must inherit from.

    **Raises:** `ValueError` for another name, with the nearest spelling.
    """
    members = {n: x for n, x in vars(diffrax).items() if isinstance(x, type) and issubclass(x, base)}
    members = {n: x for n, x in members.items() if not n.startswith("Abstract")}
    if name not in members:
        raise ValueError(known(kind, name, members))
    return members[name]
