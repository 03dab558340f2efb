"""What a penalty on a solve owes to the methods that train through it."""

import abc
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from pdejax.core import Key, NotNegative, Scalar
from pdejax.solvers import Account, Integrator, integrate

Weight = NotNegative | Float[Array, ""]


class Regularized(NamedTuple):
    """States at the times asked for, `(time, ...)`; the penalty without its weight; what the solve took."""

    states: Any
    penalty: Scalar
    account: Account


class AbstractRegularization(eqx.Module):
    """A penalty on how a solve went. Its weight is an array: another value compiles nothing anew."""

    @property
    @abc.abstractmethod
    def factor(self) -> Scalar:
        """What the penalty is multiplied by at this moment of training."""

    @abc.abstractmethod
    def at(self, progress: Scalar) -> "AbstractRegularization":
        """The same at a moment of training, from 0 to 1."""

    @abc.abstractmethod
    def check(self, integrator: Integrator) -> None:
        """**Raises:** `ValueError` if this integrator cannot give the penalty or its gradient."""

    @abc.abstractmethod
    def solve(
        self, terms: Any, times: Float[Array, " time"], y0: Any, args: Any, *, integrator: Integrator, key: Key
    ) -> Regularized:
        """Solves as `pdejax.solvers.integrate` does, with the penalty beside it.

        **Arguments:** `terms`, `times`, `y0`, `args`, `integrator`: see there; `key`: of what is drawn at random.
        """


class Decay(eqx.Module):
    """A weight that falls from a first to a last value by the same factor in every stretch of training.

    **Arguments:** `initial`; `final`: that at the end, the same when omitted; `progress`: from 0 to 1.
    """

    initial: Scalar
    final: Scalar
    progress: Scalar

    def __init__(self, initial: Weight, final: Weight | None = None, progress: Weight = 0.0):
        array = lambda x: jnp.asarray(x, jnp.result_type(float))
        self.initial, self.progress = array(initial), array(progress)
        self.final = self.initial if final is None else array(final)

    def at(self, progress: Weight) -> "Decay":
        """The same at a moment of training."""
        return Decay(self.initial, self.final, progress)

    @property
    def value(self) -> Scalar:
        """The weight now; zero always if it was so at first."""
        positive = self.initial > 0
        ratio = self.final / jnp.where(positive, self.initial, jnp.ones_like(self.initial))
        return jnp.where(positive, self.initial * ratio ** self.progress.astype(ratio.dtype), jnp.zeros_like(ratio))


def solve(
    terms: Any,
    times: Float[Array, " time"],
    y0: Any,
    args: Any = None,
    *,
    integrator: Integrator,
    regularization: AbstractRegularization | None = None,
    key: Key | None = None,
) -> Regularized:
    """States at `times[1:]` of a solve that may be regularised.

    **Arguments:** as of `pdejax.solvers.integrate`; `regularization`: none gives a penalty of zero; `key`: of what it
    draws.
    """
    if regularization is None:
        states, account = integrate(terms, times, y0, args, integrator=integrator)
        return Regularized(states, jnp.zeros((), jnp.result_type(*jax.tree.leaves(y0))), account)
    if key is None:
        raise ValueError(f"{type(regularization).__name__} draws at random: give a key")
    return regularization.solve(terms, times, y0, args, integrator=integrator, key=key)
