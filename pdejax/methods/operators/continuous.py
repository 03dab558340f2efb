"""A learned differential equation as a Stepper and Predictor in physical units: continuous in time."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from pdejax.core import AnyState, Key, Keys, State, Trajectory, check_key, hashed_by_identity, per_channel
from pdejax.methods.neural_ode.brownian import sampled_brownian
from pdejax.methods.neural_ode.spaces import AbstractSpace, PhysicalSpace
from pdejax.methods.neural_ode.tendency import Diffusivity, Tendency, check_integrator
from pdejax.methods.operators.binding import Condition, bound, condition_of, entered, flat
from pdejax.methods.operators.info import OperatorInfo
from pdejax.methods.operators.meshes import on_any_mesh
from pdejax.methods.operators.normalisation import Normalisation
from pdejax.methods.origin import with_option
from pdejax.solvers import Account, Integrator, integrate


@hashed_by_identity
class ContinuousOperator(eqx.Module):
    """A trained neural differential equation: it advances a state by one data step, or gives it at any times.

    It is a Stepper (`operator(u)`), a Predictor (`operator.predict(u, times)`, one solve from the initial state), and,
    in physical space, a term of anybody's own solve (`operator.term()`). A batch is solved as one state: its samples
    share the steps.

    **Arguments:**

    - `tendency`: the right-hand side, in normalised or latent units.
    - `space`: where the equation lives.
    - `noise`: of a stochastic equation, if it is one.
    - `normalisation`: see there.
    - `integrator`: how it is solved.
    - `info`: what it is for.
    - `parameters`: bound physical parameters `(batch or 1, parameter)`, see `bind`.
    - `origin`: what it was made of, as JSON, see `pdejax.save`.
    """

    tendency: Tendency
    space: AbstractSpace
    noise: Diffusivity | None
    normalisation: Normalisation
    integrator: Integrator
    info: OperatorInfo = eqx.field(static=True)
    parameters: Float[Array, "batch parameter"] | None = None
    origin: str | None = eqx.field(static=True, default=None, repr=False)

    @property
    def history(self) -> int:
        """Frames the state holds."""
        return self.info.history

    @property
    def step_size(self) -> float:
        """Time one call covers."""
        return self.info.step

    def bind(self, parameters: Mapping[str, Any]) -> "ContinuousOperator":
        """The same operator for these physical parameters.

        **Arguments:** `parameters`: name to a number or an array `(batch,)`, for every name in `info.parameters`.

        **Raises:** `ValueError` if a name is unknown or missing.
        """
        return bound(self, parameters)

    def condition(self, batch: tuple[Any, ...]) -> Condition:
        """The normalised parameters of every sample; a set belongs to an entry of the last batch axis."""
        return condition_of(self, batch)

    def solved_by(self, integrator: Integrator) -> "ContinuousOperator":
        """The same operator with another solver, tolerance or first step.

        **Raises:** `ValueError` if it is not for equations with this noise, or without.
        """
        check_integrator(integrator, None if self.noise is None else self.noise.kind)
        changed = eqx.tree_at(lambda o: o.integrator, self, integrator)
        return dataclasses.replace(changed, origin=with_option(self.origin, "solver", integrator))

    # ---- the equation

    def encode(self, u: Float[Array, " batch *space channel"], condition: Condition) -> Float[Array, " batch *state"]:
        """The state of a physical field."""
        n = self.normalisation
        return self.space.encode((u - per_channel(n.mean, u)) / per_channel(n.std, u), condition)

    def decode(
        self, z: Float[Array, "time batch *state"], condition: Condition
    ) -> Float[Array, "time batch *space channel"]:
        """The physical fields of states at several times."""
        times, batch = z.shape[:2]
        repeated = None if condition is None else jnp.tile(condition, (times, 1))
        u = self.space.decode(z.reshape(times * batch, *z.shape[2:]), repeated)
        n = self.normalisation
        return (u * per_channel(n.std, u) + per_channel(n.mean, u)).reshape(times, batch, *u.shape[1:])

    def equation(self, z: Float[Array, " batch *state"], t0: Any, t1: Any, keys: Keys | None = None) -> Any:
        """The terms of a solve of states like `z` from `t0` to `t1`; its `args` are the condition.

        **Arguments:** `keys`: one for each sample, if the equation is stochastic.
        """
        drift = diffrax.ODETerm(self.tendency)
        if self.noise is None:
            return drift
        if keys is None:
            raise ValueError("this operator is stochastic: give a key")
        path = sampled_brownian(keys, t0, t1, z, solver=self.integrator.solver, tolerance=1e-3 * self.step_size)
        return diffrax.MultiTerm(drift, diffrax.ControlTerm(self.noise, path))

    def rate(self, t: Any, u: AnyState, args: Any = None) -> State:
        """du/dt in physical units, of a state with any number of batch axes.

        **Arguments:** `t`: time since the beginning; `u`: `(*batch, *space, channel)`; `args`: not used.

        **Raises:** `ValueError` if the equation lives in a latent space.
        """
        if not isinstance(self.space, PhysicalSpace):
            raise ValueError(
                "this operator's equation lives in a latent space, so that a field has no rate of its own: "
                "solve operator.tendency for operator.encode(u, condition), or step the operator"
            )
        u = entered(u, self.info)
        state, batch = flat(u, self.info, self.normalisation.mean.dtype)
        condition = self.condition(batch)
        rate = self.tendency(t, self.encode(state, condition), condition) * per_channel(self.normalisation.std, state)
        return rate.reshape(u.shape).astype(u.dtype)

    def term(self) -> diffrax.ODETerm:
        """The right-hand side in physical units as a term of Diffrax, alone or beside others."""
        return diffrax.ODETerm(self.rate)

    # ---- what it predicts

    def _integrator_for(self, times: np.ndarray) -> Integrator:
        """The integrator of a prediction: fixed steps are as long as in training, and the limit of their number is
        that of each output or data step, so that long predictions are not cut."""
        parts = max(len(times), math.ceil(float(times[-1]) / self.step_size - 1e-6))
        first = self.integrator.first_step
        if self.integrator.fixed and isinstance(first, int | float):
            first = first * self.step_size / float(times[0])
        return dataclasses.replace(self.integrator, max_steps=self.integrator.max_steps * parts, first_step=first)

    def solve(self, initial: AnyState, times: Any, *, key: Key | None = None) -> tuple[Trajectory, Account]:
        """Frames at `times` with an account of the steps taken, see `predict`."""
        check_key(key)
        initial = entered(initial, self.info)
        state, batch = flat(initial, self.info, self.normalisation.mean.dtype)
        condition = self.condition(batch)
        z = self.encode(state, condition)
        wanted = np.asarray(times, np.float64)
        if wanted.ndim != 1 or not wanted.size or wanted[0] <= 0 or np.any(np.diff(wanted) <= 0):
            raise ValueError(f"times are an increasing list of numbers above zero, got {times}")
        integrator = self._integrator_for(wanted)
        times = jnp.concatenate([jnp.zeros(1, z.dtype), jnp.asarray(wanted, z.dtype)])
        keys = None if key is None else jax.vmap(lambda i: jax.random.fold_in(key, i))(jnp.arange(z.shape[0]))
        states, account = integrate(
            self.equation(z, times[0], times[-1], keys), times, z, condition, integrator=integrator
        )
        return self.decode(states, condition).reshape(len(states), *initial.shape).astype(initial.dtype), account

    def predict(self, initial: AnyState, times: Any, *, key: Key | None = None) -> Trajectory:
        """Frames at any increasing times.

        **Arguments:** `initial`: state `(*batch, *space, channel)` at time zero; `times`: above zero, shape `(time,)`;
        `key`: of a stochastic equation.

        **Returns:** `(time, *batch, *space, channel)`, infinite from where a solve failed.
        """
        return self.solve(initial, times, key=key)[0]

    def __call__(self, u: AnyState, *, key: Key | None = None) -> State:
        """The state one data step later.

        **Arguments:** `u`: `(*batch, *space, channel)`, any number of batch axes, any real type.

        **Returns:** the same shape and type; integers are promoted.
        """
        one = lambda u, key: self.predict(u, np.array([self.step_size]), key=key)[0]
        return on_any_mesh(one, entered(u, self.info), key)
