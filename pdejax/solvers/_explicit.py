"""Explicit steps of Shu and Osher for states of cells and faces: as many as asked for, or as large as may be."""

from collections.abc import Callable
from typing import Any

import equinox.internal as eqxi
import jax
import jax.numpy as jnp

from pdejax.core import divided_like

MOST_STEPS = 10_000_000  # of a call: a trajectory that needs more has waves of infinite speed, and nobody waits for it

Rate = Callable[[Any, Any], Any]


def forward_only(q: Any) -> Any:
    """The same, with a sentence in place of JAX's where a reverse-mode derivative is asked of steps of own sizes."""
    return eqxi.nondifferentiable_backward(
        q, msg="steps as large as the flow allows have no reverse-mode derivative: give substeps=, equal ones, or "
        "solver.substeps of the problem"
    )  # fmt: skip


def check_cfl(cfl: float, usual: float, substeps: int | None) -> None:
    """**Raises:** `ValueError` for a share of a cell that was chosen where the number of steps is given."""
    if substeps is not None and cfl != usual:
        raise ValueError(f"cfl={cfl:g} has no effect beside substeps={substeps}, which say how long steps are: leave "
                         "one out")  # fmt: skip


def ssp_rk3(rate: Rate, q: Any, time: Any, dt: Any, step: Any, project: Callable[[Any], Any] = lambda q: q) -> Any:
    """One step of SSP-RK3, Shu and Osher (1988), by increments, so that rounding does not add up to a loss of what is
    conserved.

    **Arguments:** `rate`: from a state and a time to a tree of the same structure; `q`: any tree of arrays; `time`,
    `dt`: numbers or `(batch,)`; `step`: `dt` as it meets the arrays; `project`: applied after every stage.
    """
    add = lambda start, change: project(jax.tree.map(lambda s, c: s + c, start, change))
    change = lambda stage, when, share: jax.tree.map(
        lambda s, q, r: ((s - q) + step * r) * share, stage, q, rate(stage, when)
    )
    one = add(q, jax.tree.map(lambda r: step * r, rate(q, time)))
    two = add(q, change(one, time + dt, 1 / 4))
    return add(q, change(two, time + dt / 2, 2 / 3))


def equal_steps(advance: Callable[..., Any], q: Any, start: Any, whole: Any, count: int) -> Any:
    """The state after `whole` in `count` equal steps.

    **Arguments:** `advance`: from a state, a time and a step to the state after it.
    """
    dt = whole / count
    return jax.lax.scan(lambda q, i: (advance(q, start + i * dt, dt), None), q, jnp.arange(count, dtype=dt.dtype))[0]


def adaptive_steps(
    advance: Callable[..., Any], largest: Callable[..., Any], q: Any, start: Any, whole: Any
) -> tuple[Any, Any]:
    """Steps of own sizes until every trajectory is there; those that are wait.

    **Arguments:** `advance`: as of `equal_steps`; `largest`: from a state and a time to the largest step, `(batch,)`.

    **Returns:** the state, and of every trajectory whether it is there.
    """

    def body(carry: Any) -> Any:
        q, done, beyond = carry
        left, limit = whole - done + beyond, largest(q, start + done)
        last = limit >= left
        dt = jnp.where(last, left, limit)
        # Kahan's sum: in single precision a third of a million steps would be 0.3 % off
        step = dt - beyond
        sum_ = done + step
        # the end not by adding, whose rounding may leave a rest
        after = jnp.where(limit * MOST_STEPS < whole, jnp.nan, jnp.where(last, whole, sum_))
        return advance(q, start + done, dt), after, (sum_ - done) - step

    going = lambda carry: jnp.any(carry[1] < whole)
    none = divided_like(jnp.zeros_like(whole), q)
    q, done, _ = jax.lax.while_loop(going, body, (q, none, none))
    return q, done == whole
