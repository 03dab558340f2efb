"""Preconditioned conjugate gradients for one system."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int


class _State(eqx.Module):
    """Solution, residual, direction; <r, z> of the step before, norm of the residual, steps."""

    u: Array
    r: Array
    p: Array
    rz: Array
    size: Array
    count: Array


def dot(x: Float[Array, "..."], y: Float[Array, "..."]) -> Float[Array, ""]:
    """The inner product; rows are summed by a matrix product, several times faster than one long sum on CPUs."""
    rows = (x * y).reshape(-1, x.shape[-1])
    return jnp.sum(jnp.matmul(rows, jnp.ones(x.shape[-1], x.dtype), precision="highest"))


def conjugate_gradient(
    operator: Callable[[Array], Array],
    preconditioner: Callable[[Array], Array],
    f: Float[Array, "..."],
    tolerance: Float[Array, ""],
    max_iterations: int,
) -> tuple[Float[Array, "..."], Int[Array, ""]]:
    """Solves a symmetric system from zero, until the residual's norm is at most `tolerance` times that of `f`.

    Under `jax.vmap` systems that are done stay as they are while others go on.

    **Arguments:** `operator`: symmetric, and definite unless `preconditioner` is its exact inverse; `preconditioner`:
    symmetric.

    **Returns:** the solution and the number of iterations.
    """
    size = jnp.sqrt(dot(f, f))

    def unfinished(s: _State) -> Array:
        return (s.size > tolerance * size) & (s.count < max_iterations)

    def step(s: _State) -> _State:
        z = preconditioner(s.r)
        rz = dot(s.r, z)
        p = z + rz / s.rz * s.p
        q = operator(p)
        alpha = rz / dot(p, q)
        u, r = s.u + alpha * p, s.r - alpha * q
        return _State(u, r, p, rz, jnp.sqrt(dot(r, r)), s.count + 1)

    # nothing precedes the first direction: an infinite divisor, so that the preconditioner is compiled only once
    nothing, zero = jnp.full((), jnp.inf, f.dtype), jnp.zeros_like(f)
    last = jax.lax.while_loop(unfinished, step, _State(zero, f, zero, nothing, size, jnp.zeros((), jnp.int32)))
    return last.u, last.count
