"""Steady diffusion -div(a grad u) + c u = f with zero boundary values: Darcy, Poisson and Helmholtz."""

import functools
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from pdejax.core import Grid, Value, known, spelt
from pdejax.solvers._arrays import expand_rank, traced, working
from pdejax.solvers.elliptic.conjugate_gradient import conjugate_gradient, dot
from pdejax.solvers.elliptic.fast_poisson import fast_poisson
from pdejax.solvers.elliptic.multigrid import v_cycle
from pdejax.solvers.elliptic.stencil import Stencil, face_means, inner, stencil, with_boundary

Field = Float[Array, "..."] | Float[np.ndarray, "..."]
PRECONDITIONERS = ("auto", "poisson", "multigrid")


class EllipticSolution(eqx.Module):
    """What `solve_elliptic` found.

    **Arguments:**

    - `u`: solution at all nodes, zero on the boundary, `(*batch, *space)`.
    - `residual`: norm of f - A u over that of f at the inner nodes, computed from `u`, per sample.
    - `iterations`: of the conjugate gradients, per sample.
    """

    u: Float[Array, "*batch_and_space"]
    residual: Float[Array, "*batch"]
    iterations: Int[Array, "*batch"]


def _check_grid(grid: Grid) -> None:
    if any(side != Value() for pair in grid.ends for side in pair):
        raise ValueError(f"elliptic problems need the end Value('0') at every side, got {grid.ends}")
    if min(grid.shape) < 3:
        raise ValueError(f"elliptic problems need three points an axis, both end points included, got {grid.shape}")


def _check_field(name: str, values: Array, grid: Grid) -> None:
    if values.shape[max(values.ndim - grid.ndim, 0) :] != grid.shape:
        raise ValueError(f"{name} has shape {values.shape}, expected batch axes and then the grid's nodes {grid.shape}")


def _coefficient(a: Any, grid: Grid) -> Array | None:
    if a is None:
        return None
    a = working(a)
    _check_field("the coefficient a", a, grid)
    if not traced(a) and not bool((smallest := jnp.min(a)) > 0):
        raise ValueError(f"the coefficient a must be positive everywhere, its smallest value is {float(smallest):.3g}")
    return a


def _reaction(c: Any, batch: tuple[int, ...], grid: Grid) -> Array:
    """`c` as a field with batch axes; one that is constant in space has size one along the space axes."""
    c = working(c)
    if c.shape in ((), batch):
        return c.reshape(c.shape + (1,) * grid.ndim)
    _check_field("c, neither a number nor one per sample,", c, grid)
    return c


def _batch(grid: Grid, *fields: Array | None) -> tuple[int, ...]:
    return np.broadcast_shapes(*(x.shape[: x.ndim - grid.ndim] for x in fields if x is not None))


def _operator(a: Array | None, c: Array, grid: Grid) -> Stencil:
    """The operator for fields of equal rank; `c` at all nodes or of size one along the space axes."""
    if a is None:
        faces = tuple(jnp.full((1,) * c.ndim, h**-2, c.dtype) for h in grid.spacing)
    else:
        faces = face_means(a, grid.spacing)
    return stencil(faces, c if c.shape[-1] == 1 else inner(c, grid.ndim))


def elliptic_operator(
    u: Float[Array, "*batch_and_space"], a: Field | None, grid: Grid, c: Any = 0.0
) -> Float[Array, "*batch_and_space"]:
    """-div(a grad u) + c u at the inner nodes, zero on the boundary.

    **Arguments:**

    - `u`: node values `(*batch, *space)`; those on the boundary are used as they are.
    - `a`, `grid`, `c`: as in `solve_elliptic`.

    **Raises:** `ValueError` if shapes do not fit, `a` is not positive or the grid has other ends.
    """
    _check_grid(grid)
    _check_field("u", u, grid)
    a = _coefficient(a, grid)
    c = _reaction(c, _batch(grid, u, a), grid)
    rank = len(_batch(grid, u, a, c)) + grid.ndim
    operator = _operator(None if a is None else expand_rank(a, rank), expand_rank(c, rank), grid)
    operator = jax.tree.map(lambda x: x.astype(u.dtype), operator)
    return with_boundary(operator.on_nodes(expand_rank(u, rank)), grid.ndim)


def _solve_one(
    a: Array | None, c: Array, f: Array, tolerance: Array, grid: Grid, multigrid: bool, max_iterations: int
) -> tuple[Array, Array, Array]:
    """Solution at all nodes, residual and iterations of one sample."""
    operator, f = _operator(a, c, grid), inner(f, grid.ndim)
    inverse = v_cycle(operator, grid.spacing) if multigrid else fast_poisson(operator, grid)
    run = lambda apply, f: conjugate_gradient(apply, inverse, f, tolerance, max_iterations)
    u, count = jax.lax.custom_linear_solve(operator, f, run, symmetric=True, has_aux=True)
    error, size = jax.lax.stop_gradient((f - operator(u), dot(f, f)))
    residual = jnp.sqrt(dot(error, error) / jnp.where(size > 0, size, 1))
    return with_boundary(u, grid.ndim), residual, count


@functools.partial(jax.jit, static_argnames=("grid", "batch", "multigrid", "max_iterations", "one_by_one"))
def _solve(
    a: Array | None,
    c: Array,
    f: Array,
    tolerance: Array,
    *,
    grid: Grid,
    batch: tuple[int, ...],
    multigrid: bool,
    max_iterations: int,
    one_by_one: bool,
) -> EllipticSolution:
    def flat(x: Array) -> Array:
        space = x.shape[x.ndim - grid.ndim :]
        return jnp.broadcast_to(x, (*batch, *space)).reshape(-1, *space)

    def one(sample: tuple[Array | None, Array, Array]) -> tuple[Array, Array, Array]:
        return _solve_one(*sample, tolerance, grid, multigrid, max_iterations)

    over = functools.partial(jax.lax.map, one) if one_by_one else jax.vmap(one)
    u, residual, count = over(jax.tree.map(flat, (a, c, f)))
    return EllipticSolution(u.reshape(*batch, *grid.shape), residual.reshape(batch), count.reshape(batch))


def _constant(a: Array | None, c: Array, grid: Grid) -> bool:
    """Whether the sine transform diagonalises every sample's operator, as far as this is known before the run."""
    if c.shape[-1] != 1 or traced(a):
        return False
    return a is None or bool(jnp.all(jnp.ptp(a, axis=tuple(range(-grid.ndim, 0))) == 0))


@spelt
def solve_elliptic(
    a: Field | None,
    f: Field,
    grid: Grid,
    *,
    c: Any = 0.0,
    preconditioner: str = "auto",
    tolerance: float | Float[Array, ""] = 1e-10,
    max_iterations: int = 1000,
    one_by_one: bool | None = None,
) -> EllipticSolution:
    """Solves -div(a grad u) + c u = f on a box, with u = 0 on its boundary.

    Second-order finite volumes on the nodes; the coefficient at a face is the mean of its two nodes' (as in the Darcy
    data of Li et al., Fourier neural operator, 2021). Preconditioned conjugate gradients, in float64 when 64-bit
    numbers are on. Differentiable in `a`, `c` and `f`, forwards and backwards, at the price of one more solve.

    **Arguments:**

    - `a`: positive coefficient at the nodes, `(*batch, *space)`, or `None` for one.
    - `f`: right-hand side at the nodes, `(*batch, *space)`; its boundary values do not matter.
    - `grid`: nodes including both end points, the end `Value()` at every side.
    - `c`: a number, one per sample `(*batch,)`, or a node field `(*batch, *space)`. Where `a` and `c` are constant in
        space, c / a may be anything but minus an eigenvalue, e.g. c = -k^2 (Helmholtz); otherwise the operator must be
        positive definite.
    - `preconditioner`: `"poisson"`, sine transforms with mean coefficients: exact where `a` and `c` are constant,
        otherwise its iterations grow like the root of the contrast of `a`. `"multigrid"`, one V-cycle: its iterations
        hardly depend on contrast and size, and it is the faster one wherever `a` varies (twice as fast at a contrast
        of 4, from 17 to 129 points an axis). `"auto"`: the former where `a` and `c` are known to be constant (an `a`
        traced by `jax.jit` is not), the latter elsewhere.
    - `tolerance`: norm of the residual over that of `f` at which the iteration ends; not below round-off.
    - `max_iterations`: at which it ends in any case; look at the `residual`.
    - `one_by_one`: samples after each other instead of all at once; `None` for the faster one, which is the former on
        CPUs.

    **Raises:** `ValueError` if shapes do not fit, `a` is not positive or the grid has other ends.
    """
    _check_grid(grid)
    if preconditioner not in PRECONDITIONERS:
        raise ValueError(known("preconditioner", preconditioner, PRECONDITIONERS))
    f, a = working(f), _coefficient(a, grid)
    _check_field("f", f, grid)
    c = _reaction(c, _batch(grid, f, a), grid)
    return _solve(
        a,
        c,
        f,
        jnp.maximum(working(tolerance), jnp.finfo(f.dtype).eps),
        grid=grid,
        batch=_batch(grid, f, a, c),
        multigrid=preconditioner == "multigrid" or (preconditioner == "auto" and not _constant(a, c, grid)),
        max_iterations=max_iterations,
        one_by_one=jax.default_backend() == "cpu" if one_by_one is None else one_by_one,
    )
