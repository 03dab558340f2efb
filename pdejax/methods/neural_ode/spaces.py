"""Where a learned equation lives: in the field itself, in another one, or in a vector."""

import abc
from typing import Any

import equinox as eqx
from jaxtyping import Array, Float

from pdejax.core import call
from pdejax.methods.operators.binding import Condition


class AbstractSpace(eqx.Module):
    """Between normalised fields and the state that the differential equation advances, both with one batch axis."""

    @abc.abstractmethod
    def encode(self, u: Float[Array, " batch *space channel"], condition: Condition) -> Float[Array, " batch *state"]:
        """The state of a field."""

    @abc.abstractmethod
    def decode(self, z: Float[Array, " batch *state"], condition: Condition) -> Float[Array, " batch *space channel"]:
        """The field of a state."""


class PhysicalSpace(AbstractSpace):
    """The field itself: the method of lines."""

    def encode(self, u: Array, condition: Condition) -> Array:
        return u

    def decode(self, z: Array, condition: Condition) -> Array:
        return z


class LatentField(AbstractSpace):
    """A field of other channels on the same grid, by two networks.

    **Arguments:** `encoder`, `decoder`.
    """

    encoder: Any
    decoder: Any

    def encode(self, u: Array, condition: Condition) -> Array:
        return call(self.encoder, u, condition=condition)

    def decode(self, z: Array, condition: Condition) -> Array:
        return call(self.decoder, z, condition=condition)


class LatentVector(AbstractSpace):
    """A vector for a whole field, by two networks without space axes; one grid only.

    **Arguments:** `encoder`, `decoder`; `shape`: of the grid.
    """

    encoder: Any
    decoder: Any
    shape: tuple[int, ...] = eqx.field(static=True)

    def encode(self, u: Array, condition: Condition) -> Array:
        if u.shape[1:-1] != self.shape:
            raise ValueError(f"a latent vector stands for fields on the grid {self.shape}, got one on {u.shape[1:-1]}")
        return call(self.encoder, u.reshape(u.shape[0], -1), condition=condition)

    def decode(self, z: Array, condition: Condition) -> Array:
        return call(self.decoder, z, condition=condition).reshape(z.shape[0], *self.shape, -1)
