"""Exponential Runge-Kutta methods with one matrix for all points, of which the orders hold with conditions at ends."""

from typing import Any, Literal

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from pdejax.solvers._arrays import working
from pdejax.solvers.spectral.phi_blocks import phi_blocks


class Second(eqx.Module):
    """Hochbruck and Ostermann (2005), equation 5.3 with c = 1; two evaluations of the rest."""

    exp: Array
    first: Array
    second: Array

    def __call__(self, rest: Any, y: Array, time: Any, dt: Any) -> Array:
        """One step."""
        at_start = rest(y, time)
        a = apply(self.exp, y) + apply(self.first, at_start)
        return a + apply(self.second, rest(a, time + dt) - at_start)


class Fourth(eqx.Module):
    """Hochbruck and Ostermann (2005), equation 5.19; five evaluations, and no loss of order where what is explicit
    does not meet the conditions at the ends, as the method of Cox and Matthews has it.
    """

    exp: Array
    exp_half: Array
    second: Array
    third: tuple[Array, Array]
    fourth: tuple[Array, Array]
    fifth: tuple[Array, Array, Array]
    end: tuple[Array, Array, Array]

    def __call__(self, rest: Any, y: Array, time: Any, dt: Any) -> Array:
        """One step."""
        half, whole = apply(self.exp_half, y), apply(self.exp, y)
        one = rest(y, time)
        two = rest(half + apply(self.second, one), time + dt / 2)
        three = rest(half + apply(self.third[0], one) + apply(self.third[1], two), time + dt / 2)
        both = two + three
        four = rest(whole + apply(self.fourth[0], one) + apply(self.fourth[1], both), time + dt)
        inner = apply(self.fifth[0], one) + apply(self.fifth[1], both) + apply(self.fifth[2], four)
        five = rest(half + inner, time + dt / 2)
        return whole + apply(self.end[0], one) + apply(self.end[1], four) + apply(self.end[2], five)


def apply(matrix: Array, y: Array) -> Array:
    """A matrix, or one for each trajectory, times vectors `(*batch, unknown)`."""
    if matrix.ndim == 2:
        return jnp.matmul(y, matrix.T, precision="highest")
    return jnp.einsum("bij,...bj->...bi", matrix, y, precision="highest")


def exponential(matrix: Any, dt: Any, order: Literal[2, 4]) -> Second | Fourth:
    """The method of an order for a matrix `(batch?, unknown, unknown)` and a step, a number or `(batch,)`."""
    step = dt[..., None, None] if np.ndim(dt) else dt
    matrix = matrix if np.ndim(matrix) == 3 or not np.ndim(dt) else matrix[None]
    (exp, one, two, three), (exp_half, one_half, two_half, three_half) = phi_blocks(matrix * step)
    of = lambda *weights: tuple(working(step * weight) for weight in weights)
    if order == 2:
        return Second(working(exp), *of(one, two))
    mixed = two_half / 2 - three + two / 4 - three_half / 2
    last = two_half / 4 - mixed
    return Fourth(
        working(exp),
        working(exp_half),
        of(one_half / 2)[0],
        of(one_half / 2 - two_half, two_half),  # type: ignore[arg-type]
        of(one - 2 * two, two),  # type: ignore[arg-type]
        of(one_half / 2 - 2 * mixed - last, mixed, last),  # type: ignore[arg-type]
        of(one - 3 * two + 4 * three, 4 * three - two, 4 * two - 8 * three),  # type: ignore[arg-type]
    )
