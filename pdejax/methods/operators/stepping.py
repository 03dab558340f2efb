"""A trained network as a Stepper and Predictor in physical units."""

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from pdejax.core import AnyState, Key, State, call, hashed_by_identity, per_channel, predict_by_stepping
from pdejax.methods.operators.bases import Mean
from pdejax.methods.operators.binding import Condition, bound, condition_of, entered, flat
from pdejax.methods.operators.info import OperatorInfo
from pdejax.methods.operators.meshes import on_any_mesh
from pdejax.methods.operators.normalisation import Normalisation


@hashed_by_identity
class Operator(eqx.Module):
    """A network that advances a state by one step, in physical units.

    It is a Stepper (`operator(u)`) and a Predictor (`operator.predict(u, times)`), can be jitted, differentiated,
    vmapped and scanned. With a history of several frames the state holds them all in its channels, oldest first.

    **Arguments:**

    - `network`: maps the normalised state `(batch, *space, history*channel)` to one frame.
    - `normalisation`: see there.
    - `base`: a Stepper of the newest frame, to whose result the network's output is added; never trained.
    - `info`: what it is for.
    - `conserve_mean`: whether the network's part keeps the spatial mean of every field.
    - `parameters`: bound physical parameters `(batch or 1, parameter)`, see `bind`.
    - `origin`: what it was made of, as JSON, see `pdejax.save`.
    """

    network: Any
    normalisation: Normalisation
    base: Any
    info: OperatorInfo = eqx.field(static=True)
    conserve_mean: bool = eqx.field(static=True, default=False)
    parameters: Float[Array, "batch parameter"] | None = None
    origin: str | None = eqx.field(static=True, default=None, repr=False)

    @property
    def calls(self) -> int:
        """Network calls of one step."""
        return getattr(self.network, "calls", 1)

    @property
    def history(self) -> int:
        """Frames a state holds."""
        return self.info.history

    @property
    def step_size(self) -> float:
        """Time one call covers."""
        return self.info.step

    def bind(self, parameters: Mapping[str, Any]) -> "Operator":
        """The same operator for these physical parameters, its base included.

        **Arguments:** `parameters`: name to a number or an array `(batch,)`, for every name in `info.parameters`.

        **Raises:** `ValueError` if a name is unknown or missing.
        """
        return bound(self, parameters)

    def condition(self, batch: tuple[Any, ...]) -> Condition:
        """The normalised parameters of every sample; a set belongs to an entry of the last batch axis."""
        return condition_of(self, batch)

    def scaled(
        self,
        u: Float[Array, "batch *space state_channel"],
        condition: Condition,
        *,
        key: Key | None = None,
    ) -> Float[Array, "batch *space channel"]:
        """The network's output for a physical state: the next frame less that of the base, in units of `output_scale`.

        **Arguments:** `u`: physical state; `condition`: normalised parameters of each sample, see `condition`.
        """
        y = call(self.network, self.normalised(u), condition=condition, key=key)
        if self.conserve_mean:
            y = y - jnp.mean(y, axis=tuple(range(1, y.ndim - 1)), keepdims=True)
        return y

    def normalised(self, u: Float[Array, "batch *space state_channel"]) -> Float[Array, "batch *space state_channel"]:
        """What the network is shown of a physical state."""
        n, every = self.normalisation, lambda v: per_channel(jnp.tile(v, self.history), u)
        return (u - every(n.mean)) / every(n.std)

    def base_frame(self, u: Float[Array, "batch *space state_channel"]) -> Float[Array, "batch *space channel"]:
        """What the scaled output is added to: the base's next frame."""
        return self.base(u[..., -len(self.info.fields) :])

    @property
    def output_scale(self) -> Float[Array, " channel"]:
        """Physical size of one unit of the network's output, per field."""
        return self.normalisation.std if isinstance(self.base, Mean) else self.normalisation.increment

    def shift(
        self, u: Float[Array, "batch *space state_channel"], frame: Float[Array, "batch *space channel"]
    ) -> Float[Array, "batch *space state_channel"]:
        """The state after a new frame came in."""
        return jnp.concatenate([u[..., len(self.info.fields) :], frame], axis=-1) if self.history > 1 else frame

    def __call__(self, u: AnyState, *, key: Key | None = None) -> State:
        """The state one step later.

        **Arguments:** `u`: `(*batch, *space, history*channel)`, any number of batch axes, any real type.

        **Returns:** the same shape and type; integers are promoted.

        **Raises:** `ValueError` if the channels do not fit or physical parameters are not bound.
        """
        return on_any_mesh(self._step, entered(u, self.info), key)

    def _step(self, u: State, key: Key | None) -> State:
        state, batch = flat(u, self.info, self.normalisation.mean.dtype)
        scale = per_channel(self.output_scale, state)
        frame = self.base_frame(state) + scale * self.scaled(state, self.condition(batch), key=key)
        return self.shift(state, frame).reshape(u.shape).astype(u.dtype)

    def predict(self, initial: AnyState, times: Any, *, key: Key | None = None) -> Any:
        """Frames at `times`.

        **Arguments:** `initial`: state `(*batch, *space, history*channel)`; `times`: increasing multiples of
        `step_size`, shape `(time,)`; `key`: random key.

        **Returns:** `(time, *batch, *space, channel)`.
        """
        state = entered(initial, self.info)
        states = predict_by_stepping(self, state, np.asarray(times), self.step_size, key=key)
        return states[..., -len(self.info.fields) :]
