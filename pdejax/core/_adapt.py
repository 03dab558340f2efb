"""Steps of other packages as Steppers, and Steppers as theirs."""

import math
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from pdejax.core._calling import call
from pdejax.core._check import check_key, checked
from pdejax.core._options import Axes
from pdejax.core._spelt import spelt
from pdejax.core._types import Key, State, Stepper, hashed_by_identity


@hashed_by_identity
class ChannelsFirst(eqx.Module):
    """A step of one channels-first state, `(channel, *space)`, as a Stepper of any number of them."""

    step: Any
    ndim: int = eqx.field(static=True)

    def __call__(self, u: State, *, key: Key | None = None) -> State:
        """The states one step later, `(*batch, *space, channel)`; each has a key of its own."""
        check_key(key)
        batch = u.shape[: -self.ndim - 1]
        first = jnp.moveaxis(u, -1, -self.ndim - 1)
        states = first.reshape(math.prod(batch), *first.shape[len(batch) :])
        if key is None:
            states = jax.vmap(self.step)(states)
        else:
            keys = jax.random.split(key, len(states))
            states = jax.vmap(lambda one, k: call(self.step, one, key=k))(states, keys)
        return jnp.moveaxis(states.reshape(first.shape), -self.ndim - 1, -1)


@checked
def from_channels_first(step: Callable[..., Any], ndim: Axes) -> ChannelsFirst:
    """The Stepper that a step of one channels-first state makes, such as a stepper of Exponax.

    **Arguments:** `step`: from `(channel, *space)` to the same; with an argument `key` if it is stochastic; `ndim`:
    axes of space.

    **Returns:** a Stepper of states `(*batch, *space, channel)`.
    """
    return ChannelsFirst(step, ndim)


@hashed_by_identity
class ChannelsLast(eqx.Module):
    """A Stepper as a step of one channels-first state."""

    stepper: Any

    def __call__(
        self, u: Float[Array, " channel *space"], *, key: Key | None = None
    ) -> Float[Array, " channel *space"]:
        """The state one step later."""
        return jnp.moveaxis(call(self.stepper, jnp.moveaxis(u, 0, -1), key=key), -1, 0)


@spelt
def to_channels_first(stepper: Stepper) -> ChannelsLast:
    """The step of one channels-first state, `(channel, *space)`, that a Stepper makes.

    It goes where a stepper of Exponax goes, `exponax.rollout` for example.
    """
    return ChannelsLast(stepper)


@hashed_by_identity
class Converted(eqx.Module):
    """A step of states of another kind as a Stepper."""

    step: Any
    into: Callable[[Any], Any]
    back: Callable[[Any], Any]

    def __call__(self, u: State, *, key: Key | None = None) -> State:
        """The state one step later."""
        return self.back(call(self.step, self.into(u), key=key))


@spelt
def converted(step: Callable[..., Any], into: Callable[[Any], Any], back: Callable[[Any], Any]) -> Converted:
    """The Stepper of a step whose states are of another kind: spectra, or a velocity on staggered points.

    **Arguments:** `step`: from a state of its kind to the next one; `into`: from `(*batch, *space, channel)` to such a
    state; `back`: the inverse.
    """
    return Converted(step, into, back)
