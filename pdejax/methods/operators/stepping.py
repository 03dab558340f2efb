"""A trained network as a Stepper and Predictor in physical units."""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

import diffrax
import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from pdejax.core import (
    AnyState,
    Key,
    State,
    Stepper,
    TimedStepper,
    call,
    hashed_by_identity,
    per_channel,
    predict_by_stepping,
)
from pdejax.methods.fitting import grid_told
from pdejax.methods.operators.bases import Mean
from pdejax.methods.operators.binding import Condition, at_least, bound, condition_of, entered, flat, without_gradient
from pdejax.methods.operators.hosts import check_host
from pdejax.methods.operators.info import OperatorInfo
from pdejax.methods.operators.meshes import on_any_mesh
from pdejax.methods.operators.normalisation import Normalisation
from pdejax.methods.operators.roles import AbstractRole, Replace, Tendency

WITHIN = "an operator within a host is not saved: save the operator itself, and join both where it is loaded"


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
    - `role`: what the network is to the base.
    - `residual`: size of what a base that is no identity leaves to the network in a step, per field.
    - `frozen`: whether no gradient flows to arrays in the base.
    """

    network: Any
    normalisation: Normalisation
    base: Any
    info: OperatorInfo = eqx.field(static=True)
    conserve_mean: bool = eqx.field(static=True, default=False)
    parameters: Float[Array, "batch parameter"] | None = None
    origin: str | None = eqx.field(static=True, default=None, repr=False)
    role: AbstractRole = eqx.field(static=True, default=Replace())
    residual: Float[Array, " channel"] | None = None
    frozen: bool = eqx.field(static=True, default=True)

    def at(self, time: Any) -> "Operator":
        """The same operator with its base set to a time, where the base's right-hand side depends on it."""
        if not isinstance(self.base, TimedStepper):
            return self
        return eqx.tree_at(lambda o: o.base, self, self.base.at(time))

    @property
    def time(self) -> Any:
        """Time the next call starts at."""
        return getattr(self.base, "time", 0.0)

    def within(self, host: Stepper, *, frozen: bool = True) -> "Operator":
        """This operator with another Stepper in place of its base: a simulation of your own that it corrects or drives.

        The Stepper is given states of their own type and gives them back so; the network computes in its own precision.

        **Arguments:** `host`: covers the operator's step with one call, of states `(batch, *space, channel)` on a grid
        of its box; takes an argument `tendency` if the operator drives it; `frozen`: whether no gradient flows to the
        arrays in `host`, which are left alone by who optimises the whole.

        **Raises:** `ValueError` for an operator that replaces a solver, and for a host of another step, box, fields or
        shape, or without a slot.
        """
        check_host(self, host)
        made_of = json.loads(self.origin or "{}") | {"unsaved": WITHIN}
        return dataclasses.replace(self, base=host, frozen=frozen, origin=json.dumps(made_of))

    def rate(self, t: Any, u: AnyState, args: Any = None) -> State:
        """What an operator that drives its base adds to du/dt, in physical units.

        **Arguments:** `t`: ignored; `u`: `(*batch, *space, channel)`, any real type; `args`: ignored.

        **Raises:** `ValueError` for an operator of another role, whose network gives no rate.
        """
        role = self._check_drives()
        u = entered(u, self.info)
        state, batch = flat(u, self.info, at_least(u, self.normalisation.mean.dtype))
        return role.rate(self, state, self.condition(batch)).reshape(u.shape).astype(u.dtype)

    def _check_drives(self) -> Tendency:
        if not isinstance(self.role, Tendency):
            raise ValueError(f"this operator was trained to {self.role.verb}: its network gives no part of du/dt. "
                             "Train one with role=tendency, or a neural_ode")  # fmt: skip
        if self.history > 1:
            raise ValueError(f"this operator sees {self.history} frames, which a state of a simulation does not hold: "
                             "train one with history=1 for its rate")  # fmt: skip
        return self.role

    def term(self) -> diffrax.ODETerm:
        """`rate` as a term of Diffrax, to stand beside one of the known physics.

        **Raises:** `ValueError` as `rate` does.
        """
        self._check_drives()
        return diffrax.ODETerm(self.rate)

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
    ) -> Float[Array, "batch *space output"]:
        """The network's output for a physical state, in units of `output_scale`.

        **Arguments:** `u`: physical state; `condition`: normalised parameters of each sample, see `condition`.
        """
        y = call(self.network, self.normalised(u), condition=condition, key=key)
        if self.conserve_mean:
            y = y - jnp.mean(y, axis=tuple(range(1, y.ndim - 1)), keepdims=True)
        return y

    def normalised(self, u: Float[Array, "batch *space state_channel"]) -> Float[Array, "batch *space state_channel"]:
        """What the network is shown of a physical state, in its own precision."""
        n = without_gradient(self.normalisation)
        every = lambda v: per_channel(jnp.tile(v, self.history), u)
        return (u.astype(n.mean.dtype) - every(n.mean)) / every(n.std)

    def base_frame(
        self, u: Float[Array, "batch *space state_channel"], **extras: Any
    ) -> Float[Array, "batch *space channel"]:
        """The base's next frame.

        **Arguments:** `u`: physical state; `extras`: further arguments of the base, such as its `tendency`.
        """
        bound = self.parameters is not None and hasattr(self.base, "bind")  # then its own arrays were frozen before
        base = without_gradient(self.base) if self.frozen and not bound else self.base
        return call(base, u[..., -len(self.info.fields) :], key=None, **extras)

    def mean_frame(self, like: Float[Array, "batch *space channel"]) -> Float[Array, "batch *space channel"]:
        """The mean of the data everywhere."""
        mean = without_gradient(self.normalisation.mean).astype(like.dtype)
        return jnp.broadcast_to(per_channel(mean, like), like.shape)

    @property
    def output_scale(self) -> Float[Array, " channel"]:
        """Physical size of one unit of the network's output, per field."""
        n, residual = without_gradient((self.normalisation, self.residual))
        if residual is not None:
            return residual
        return n.std if isinstance(self.base, Mean) or self.role.states else n.increment

    def scale_of(self, u: Float[Array, "batch *space state_channel"]) -> Float[Array, "..."]:
        """`output_scale` as it meets fields like those of a state."""
        return per_channel(self.output_scale, u)

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
        with grid_told(self.network, self.info.shape, u.shape[-1 - self.info.ndim : -1]):
            return on_any_mesh(self._step, entered(u, self.info), key)

    def _step(self, u: State, key: Key | None) -> State:
        state, batch = flat(u, self.info, at_least(u, self.normalisation.mean.dtype))
        base, y = self.role(self, state, self.condition(batch), key, True)
        frame = base + (self.scale_of(y) * y).astype(base.dtype)
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
