"""What an operator's network is to the Stepper beside it: its replacement, a correction, or a part of the physics."""

import abc
import math
from typing import Any, ClassVar, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from pdejax.core import Grid, Key, angular_wavenumbers, check_options, inverse_transform, register, transform


class AbstractRole(eqx.Module):
    """How an operator's next frame is made of its base and its network."""

    verb: eqx.AbstractClassVar[str]
    """What an operator of this role does, for messages."""

    @property
    def flux(self) -> bool:
        """Whether the network gives a number for each field and axis, not one for each field."""
        return False

    @property
    def states(self) -> bool:
        """Whether the network gives whole states."""
        return False

    @abc.abstractmethod
    def __call__(
        self,
        operator: Any,
        u: Float[Array, "batch *space state_channel"],
        condition: Any,
        key: Key | None,
        through: bool,
    ) -> tuple[Any, Any]:
        """The next frame as a part that is complete and one in units of the operator's `output_scale`, to be added.

        **Arguments:** `operator`; `u`: physical state; `condition`: normalised parameters; `key`; `through`: whether
        gradients flow through the base.
        """


def _cut(x: Any, through: bool) -> Any:
    return x if through else jax.lax.stop_gradient(x)


@register("role", "replace")
class Replace(AbstractRole):
    """The network gives the next state or the change, without a solver."""

    verb: ClassVar[str] = "step by itself"

    def __call__(self, operator: Any, u: Any, condition: Any, key: Key | None, through: bool) -> tuple[Any, Any]:
        return operator.base_frame(u), operator.scaled(u, condition, key=key)


@register("role", "correct")
class Correct(AbstractRole):
    """The network corrects steps of the base.

    **Arguments:** `form`: with S the base and N the network, `parallel` for S(u) + N(u), `sequential_with_bypass` for
    S(u) + N(S(u)), `sequential` for N(S(u)).

    **Source:** Koehler et al. (2024), APEBench, arXiv:2411.00180, section 3; the learned corrections of Kochkov et al.
    (2021), doi:10.1073/pnas.2101784118, are the second form.
    """

    form: Literal["parallel", "sequential_with_bypass", "sequential"] = eqx.field(static=True, default="parallel")

    verb: ClassVar[str] = "correct its base"

    @property
    def states(self) -> bool:
        return self.form == "sequential"

    def __check_init__(self) -> None:
        check_options(self)

    def __call__(self, operator: Any, u: Any, condition: Any, key: Key | None, through: bool) -> tuple[Any, Any]:
        base = _cut(operator.base_frame(u), through)
        seen = u if self.form == "parallel" else base
        y = operator.scaled(seen, condition, key=key)
        return (operator.mean_frame(base) if self.form == "sequential" else base), y


@register("role", "tendency")
class Tendency(AbstractRole):
    """The network gives a part of du/dt that the base adds to its right-hand side.

    What perturbs a right-hand side grows less than what is added to a state after the step (INC, arXiv:2511.12764).

    **Arguments:** `held`: whether it is asked once a call and kept, or by the base in every stage, with the same noise
    if it draws some.
    """

    held: bool = eqx.field(static=True, default=True)

    verb: ClassVar[str] = "drive its base"

    def __check_init__(self) -> None:
        check_options(self)

    def __call__(self, operator: Any, u: Any, condition: Any, key: Key | None, through: bool) -> tuple[Any, Any]:
        rate = lambda v: self.rate(operator, v, condition, key)
        if self.held:
            held = rate(u)
            frame = operator.base_frame(u, tendency=held.astype(u.dtype))
            if not through:  # as if the step had added it at the end
                added = operator.info.step * held.astype(frame.dtype)
                frame = jax.lax.stop_gradient(frame - added) + added
        else:
            frame = operator.base_frame(u, tendency=lambda t, v: rate(v).astype(v.dtype))
        return frame, jnp.zeros(frame.shape, operator.output_scale.dtype)

    def rate(self, operator: Any, u: Any, condition: Any, key: Key | None = None) -> Array:
        """du/dt by the network, `(batch, *space, channel)`."""
        return operator.scaled(u, condition, key=key) * operator.scale_of(u) / operator.info.step


@register("role", "closure")
class Closure(Tendency):
    """The network gives a flux, whose divergence the base subtracts from its right-hand side: it does not change means.

    For periodic grids; derivatives are exact for what the grid resolves.

    **Arguments:** `held`: see `Tendency`.
    """

    @property
    def flux(self) -> bool:
        return True

    def rate(self, operator: Any, u: Any, condition: Any, key: Key | None = None) -> Array:
        """du/dt by the network, `(batch, *space, channel)`."""
        flux = operator.scaled(u, condition, key=key)
        return -divergence(flux, operator.info.lengths) * operator.scale_of(u) / operator.info.step


def divergence(flux: Float[Array, "batch *space flux"], lengths: tuple[float, ...]) -> Array:
    """The divergence of periodic fluxes, in which a unit of length is that of the longest wave over two pi.

    **Arguments:** `flux`: of each field along the first axis, then along the second, ...; `lengths`: of the box.

    **Returns:** `(batch, *space, channel)`.
    """
    ndim, shape = len(lengths), flux.shape[1:-1]
    grid, unit = Grid(shape, lengths), max(lengths) / (2 * math.pi)
    channels: int = flux.shape[-1] // ndim
    total: Any = 0.0
    for axis, k in enumerate(angular_wavenumbers(grid)):
        part = transform(flux[..., axis * channels : (axis + 1) * channels], ndim)
        # the derivative of the highest mode of an even axis has no real representative
        highest = abs(k) > math.pi * shape[axis] / lengths[axis] * (1 - 1e-9)
        factor = jnp.asarray((k * unit * ~(highest & (shape[axis] % 2 == 0)))[None, ..., None], flux.dtype)
        total = total + jax.lax.complex(-factor * part.imag, factor * part.real)
    return inverse_transform(total, shape)
