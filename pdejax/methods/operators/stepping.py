"""A trained network as a Stepper and Predictor in physical units."""

import math
from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from pdejax.core import Key, State, hashed_by_identity, predict_by_stepping
from pdejax.methods.operators.normalisation import Normalisation, normalised_parameters, parameter_table


@hashed_by_identity
class Operator(eqx.Module):
    """A network that advances a state by one step, in physical units.

    It is a Stepper (`operator(u)`) and a Predictor (`operator.predict(u, times)`), can be jitted, differentiated,
    vmapped and scanned. With `history` frames the state holds them all in its channels, oldest first.

    **Arguments:**

    - `network`: maps the normalised state `(batch, *space, history*channel)` to one frame.
    - `normalisation`: see there.
    - `increment`: whether the network gives the normalised change rather than the normalised state.
    - `conserve_mean`: whether the spatial mean of every field is kept exactly.
    - `history`, `step_size`, `lengths`, `field_names`, `parameter_names`: what the data were.
    - `parameters`: bound physical parameters `(batch or 1, parameter)`, see `bind`.
    """

    network: Any
    normalisation: Normalisation
    increment: bool = eqx.field(static=True)
    conserve_mean: bool = eqx.field(static=True)
    history: int = eqx.field(static=True)
    step_size: float = eqx.field(static=True)
    lengths: tuple[float, ...] = eqx.field(static=True)
    field_names: tuple[str, ...] = eqx.field(static=True)
    parameter_names: tuple[str, ...] = eqx.field(static=True)
    parameters: Float[Array, "batch parameter"] | None = None

    @property
    def calls(self) -> int:
        """Network calls of one step."""
        return getattr(self.network, "calls", 1)

    def bind(self, parameters: Mapping[str, Any]) -> "Operator":
        """The same operator for these physical parameters.

        **Arguments:** `parameters`: name to a number or an array `(batch,)`, for every name in `parameter_names`.

        **Raises:** `ValueError` if a name is unknown or missing.
        """
        return eqx.tree_at(
            lambda o: o.parameters, self, parameter_table(parameters, self.parameter_names), is_leaf=lambda x: x is None
        )

    def condition(self, batch: tuple[int, ...]) -> Float[Array, "all parameter"] | None:
        """The normalised parameters of every sample; a set belongs to an entry of the last batch axis."""
        return normalised_parameters(self.parameters, self.parameter_names, self.normalisation, batch)

    def scaled(
        self,
        u: Float[Array, "batch *space state_channel"],
        condition: Float[Array, "batch parameter"] | None,
        *,
        key: Key | None = None,
    ) -> Float[Array, "batch *space channel"]:
        """The network's output for a physical state: the next frame in units of `output_scale`.

        **Arguments:** `u`: physical state; `condition`: normalised parameters of each sample, see `condition`.
        """
        n = self.normalisation
        expand = lambda x: jnp.tile(x, self.history).reshape((1,) * (u.ndim - 1) + (-1,))
        y = self.network((u - expand(n.mean)) / expand(n.std), condition=condition, key=key)
        if self.conserve_mean and self.increment:
            y = y - jnp.mean(y, axis=tuple(range(1, y.ndim - 1)), keepdims=True)
        return y

    def base(self, u: Float[Array, "batch *space state_channel"]) -> Float[Array, "batch *space channel"]:
        """What the scaled output is added to: the newest frame, or the mean of the data."""
        newest = u[..., -len(self.field_names) :]
        if self.increment:
            return newest
        return jnp.broadcast_to(self.normalisation.mean.reshape((1,) * (u.ndim - 1) + (-1,)), newest.shape)

    @property
    def output_scale(self) -> Float[Array, " channel"]:
        """Physical size of one unit of the network's output, per field."""
        return self.normalisation.increment if self.increment else self.normalisation.std

    def shift(
        self, u: Float[Array, "batch *space state_channel"], frame: Float[Array, "batch *space channel"]
    ) -> Float[Array, "batch *space state_channel"]:
        """The state after a new frame came in."""
        return jnp.concatenate([u[..., len(self.field_names) :], frame], axis=-1) if self.history > 1 else frame

    def __call__(self, u: State, *, key: Key | None = None) -> State:
        """The state one step later.

        **Arguments:** `u`: `(*batch, *space, history*channel)`, any number of batch axes, any float type.

        **Returns:** the same shape and type.

        **Raises:** `ValueError` if the channels do not fit or physical parameters are not bound.
        """
        ndim, channels = len(self.lengths), self.history * len(self.field_names)
        if u.ndim < ndim + 1 or u.shape[-1] != channels:
            raise ValueError(
                f"expected a state (*batch, {', '.join('xyz'[:ndim])}, {channels}) of {self.history} frame(s) of "
                f"{', '.join(self.field_names)}, got shape {tuple(u.shape)}"
            )
        space = u.shape[-ndim - 1 : -1]
        flat = u.reshape(math.prod(u.shape[: -ndim - 1]), *space, channels).astype(self.normalisation.mean.dtype)
        scale = self.output_scale.reshape((1,) * (flat.ndim - 1) + (-1,))
        frame = self.base(flat) + scale * self.scaled(flat, self.condition(u.shape[: -ndim - 1]), key=key)
        return self.shift(flat, frame).reshape(u.shape).astype(u.dtype)

    def predict(self, initial: State, times: Any, *, key: Key | None = None) -> Any:
        """Frames at `times`.

        **Arguments:** `initial`: state `(*batch, *space, history*channel)`; `times`: increasing multiples of
        `step_size`, shape `(time,)`; `key`: random key.

        **Returns:** `(time, *batch, *space, channel)`.
        """
        states = predict_by_stepping(self, initial, np.asarray(times), self.step_size, key=key)
        return states[..., -len(self.field_names) :]
