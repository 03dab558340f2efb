"""Solves whose outputs are moved in time at random."""

from typing import Annotated, Any

import equinox as eqx
import jax
import jax.numpy as jnp
from annotated_types import Interval
from jaxtyping import Array, Float

from pdejax.core import Key, Scalar, check_options, register
from pdejax.methods.neural_ode.regularization import AbstractRegularization, Regularized
from pdejax.solvers import Integrator, integrate


@register("regularization", "end_time")
class RandomEndTime(AbstractRegularization):
    """Solves to times that are moved at random, so that nothing can hide between them; there is no penalty.

    Every time moves by up to half of `width` times the distance to its nearer neighbour, the last one to either side.
    Values known at these very times, such as snapshots of a field, are then compared with the wrong ones: meant for
    problems in which the time of an output is a matter of choice.

    Source: Ghosh, Behl, Dupont, Torr, Namboodiri 2020, STEER (arXiv 2006.10711).

    **Arguments:** `width`: above 0, at most 1.
    """

    width: Annotated[float, Interval(gt=0, le=1)] = eqx.field(static=True, default=1.0)

    def __check_init__(self) -> None:
        check_options(self)

    @property
    def factor(self) -> Scalar:
        return jnp.zeros(())

    def at(self, progress: Scalar) -> "RandomEndTime":
        return self

    def check(self, integrator: Integrator) -> None:
        return None

    def solve(
        self, terms: Any, times: Float[Array, " time"], y0: Any, args: Any, *, integrator: Integrator, key: Key
    ) -> Regularized:
        gaps = times[1:] - times[:-1]
        nearer = jnp.minimum(gaps, jnp.concatenate([gaps[1:], gaps[-1:]]))
        shift = self.width * jax.random.uniform(key, nearer.shape, times.dtype, -0.5, 0.5) * nearer
        moved = jnp.concatenate([times[:1], times[1:] + shift])
        states, account = integrate(terms, moved, y0, args, integrator=integrator)
        return Regularized(states, jnp.zeros((), jnp.result_type(*jax.tree.leaves(y0))), account)
