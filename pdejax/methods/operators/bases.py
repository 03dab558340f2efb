"""What an operator adds its network's output to: Steppers that are never trained."""

from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from pdejax.core import Key, State, Stepper, per_channel
from pdejax.methods.cards import DataCard
from pdejax.methods.operators.normalisation import Normalisation


class Identity(eqx.Module):
    """The present state: the network gives the change."""

    def __call__(self, u: State, *, key: Key | None = None) -> State:
        """The state as it is; `key` is ignored."""
        return u


class Mean(eqx.Module):
    """The mean of the data: the network gives the state itself.

    **Arguments:** `value`: of each field.
    """

    value: Float[Array, " channel"]

    def __call__(self, u: State, *, key: Key | None = None) -> State:
        """The mean at every point of a state like `u`; `key` is ignored."""
        return jnp.broadcast_to(per_channel(self.value, u), u.shape)


def base_of(predict: Literal["state", "increment"], given: Stepper | None, card: DataCard) -> Stepper:
    """The base of an operator.

    **Arguments:** `predict`: what the network gives; `given`: a Stepper that increments are added to, none for the
    present state; `card`: what is known of the data.

    **Raises:** `ValueError` if it gives states of another shape.
    """
    if predict == "state":
        return Mean(Normalisation.of(card).mean)
    if given is None:
        return Identity()
    state = jax.ShapeDtypeStruct((2, *card.shape, len(card.field_names)), jnp.float32)
    found = eqx.filter_eval_shape(lambda base, u: base(u), given, state)
    if getattr(found, "shape", None) != state.shape:
        raise ValueError(
            f"base {type(given).__name__} gives {getattr(found, 'shape', found)} for a state {state.shape}"
        )
    return given
