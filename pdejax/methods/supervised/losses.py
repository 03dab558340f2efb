"""Distances between a predicted and a true field, one number per sample."""

import abc
import math
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from pdejax.core import (
    AnyState,
    Grid,
    NotNegative,
    Real,
    Scaling,
    angular_wavenumbers,
    as_state,
    check_options,
    register,
    transform,
)
from pdejax.methods.cards import DataCard


def nrmse(error: Float[Array, "*any"], truth: Float[Array, "*any"], first: int = 1) -> Float[Array, "..."]:
    """Norm of an error over the norm of the truth, the norm itself where the truth is zero.

    **Arguments:** `error`, `truth`: fields of one shape; `first`: axis from which on they are summed.
    """
    axes = tuple(range(first, truth.ndim))
    size = jnp.sum(jnp.square(truth), axes)
    return jnp.sqrt(jnp.sum(jnp.square(error), axes) / jnp.where(size > 0, size, 1))


class AbstractLoss(eqx.Module):
    """A size of an error field `(batch, *space, channel)`, every channel in units of what the network puts out."""

    @abc.abstractmethod
    def __call__(
        self,
        error: AnyState,
        reference: AnyState,
        lengths: tuple[float, ...],
    ) -> Float[Array, " batch"]:
        """**Arguments:** `error`: prediction minus truth, `(batch, *space, channel)`; `reference`: the true state in
        the same units, for relative sizes; `lengths`: extent of the domain, for derivatives."""

    def check(self, card: DataCard) -> None:
        """**Raises:** `ValueError` for data on which it is not defined."""


def check_loss(given: Any) -> None:
    """**Raises:** `ValueError` for what is no loss, such as a plain function."""
    if not isinstance(given, AbstractLoss):
        raise ValueError("error is an object such as pdejax.methods.RelativeL2(), your own of a subclass of "
                         f"pdejax.methods.AbstractLoss, got {given!r:.80}")  # fmt: skip


def _mean(x: Float[Array, "batch ..."]) -> Float[Array, " batch"]:
    return jnp.mean(x, axis=tuple(range(1, x.ndim)))


@register("loss", "mse")
class MeanSquared(AbstractLoss):
    """Mean over points and channels of the squared error."""

    def __call__(self, error: AnyState, reference: AnyState, lengths: tuple[float, ...]) -> Array:
        return _mean(jnp.square(as_state(error, "an error")))


@register("loss", "relative_l2")
class RelativeL2(AbstractLoss):
    """L2 norm of the error over the L2 norm of the true state.

    **Arguments:** `floor`: smallest root mean square that a true state counts with, in units of what the network puts
    out: a field that has decayed to nothing is no more than that, and a batch is not ruled by one.
    """

    floor: NotNegative = eqx.field(static=True, default=1e-2)

    def __check_init__(self) -> None:
        check_options(self)

    def __call__(self, error: AnyState, reference: AnyState, lengths: tuple[float, ...]) -> Array:
        size = jnp.maximum(_mean(jnp.square(as_state(reference, "a reference"))), self.floor**2)
        square = _mean(jnp.square(as_state(error, "an error"))) / size
        # the root of nothing has no slope
        some = square > 0
        return jnp.where(some, jnp.sqrt(jnp.where(some, square, 1)), 0)


@register("loss", "sobolev")
class Sobolev(AbstractLoss):
    """Squared H^s norm of the error per unit volume: mean of (1 + |k|^2)^s |e_k|^2, k in angular wavenumbers.

    **Arguments:** `order`: s; 0 is the mean squared error, 1 adds the gradient's, negative ones weigh large scales.
    """

    order: Real = eqx.field(static=True, default=1.0)

    def __check_init__(self) -> None:
        check_options(self)

    def check(self, card: DataCard) -> None:
        """**Raises:** `ValueError` for a domain that is not periodic, or whose length varies."""
        if not all(card.periodic):
            raise ValueError("a sobolev loss needs periodic axes: choose relative_l2 or mse")
        if Scaling.columns[0] in card.parameter_names:
            raise ValueError("a sobolev loss needs one domain, but the length of this problem's varies: choose mse")

    def __call__(self, error: AnyState, reference: AnyState, lengths: tuple[float, ...]) -> Array:
        error = as_state(error, "an error")
        ndim, shape, channels = len(lengths), error.shape[1:-1], error.shape[-1]
        modes = transform(error, ndim)
        k2 = sum(k**2 for k in angular_wavenumbers(Grid(shape, lengths)))
        twice = np.ones(shape[-1] // 2 + 1)
        twice[1 : (shape[-1] + 1) // 2] = 2  # one stored mode stands for both signs
        weight = jnp.asarray((1 + k2) ** self.order * twice, modes.real.dtype)
        power = jnp.square(modes.real) + jnp.square(modes.imag)
        total = jnp.sum(power * weight[None, ..., None], axis=tuple(range(1, power.ndim)))
        return total / (float(math.prod(shape)) ** 2 * channels)
