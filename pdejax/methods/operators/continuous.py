"""A learned differential equation as a Stepper and Predictor in physical units: continuous in time."""

import abc
import dataclasses
import functools
import math
from collections.abc import Mapping
from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import lineax
import numpy as np
from jaxtyping import Array, Float

from pdejax.core import Grid, Key, Keys, Scaling, State, Trajectory, hashed_by_identity
from pdejax.equations import Equation
from pdejax.methods.neural_ode.brownian import sampled_brownian
from pdejax.methods.operators.normalisation import Normalisation, normalised_parameters, parameter_table
from pdejax.solvers import Account, Integrator, NoiseKind, batch_axis, check_solver, integrate, rhs

Condition = Float[Array, "batch parameter"] | None


# ---- where the equation lives


class AbstractSpace(eqx.Module):
    """Between normalised fields and the state that the differential equation advances, both with one batch axis."""

    @abc.abstractmethod
    def encode(self, u: Float[Array, "batch *space channel"], condition: Condition) -> Float[Array, "batch *state"]:
        """The state of a field."""

    @abc.abstractmethod
    def decode(self, z: Float[Array, "batch *state"], condition: Condition) -> Float[Array, "batch *space channel"]:
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
        return self.encoder(u, condition=condition)

    def decode(self, z: Array, condition: Condition) -> Array:
        return self.decoder(z, condition=condition)


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
        return self.encoder(u.reshape(len(u), -1), condition=condition)

    def decode(self, z: Array, condition: Condition) -> Array:
        return self.decoder(z, condition=condition).reshape(len(z), *self.shape, -1)


# ---- the right-hand side


@functools.lru_cache
def _equation(terms: tuple[str, ...], parameters: tuple[tuple[str, float], ...], ndim: int) -> Equation:
    return Equation(terms, dict(parameters), ndim)


class KnownPhysics(eqx.Module):
    """The part of a right-hand side that is written down, by Fourier derivatives on a periodic grid.

    **Arguments:** `terms`, `parameters`: of an `Equation`; `lengths`: of the grid; `names`: of the physical parameters
    that a condition holds, which replace those of the equation; `normalisation`: of fields and parameters.
    """

    terms: tuple[str, ...] = eqx.field(static=True)
    parameters: tuple[tuple[str, float], ...] = eqx.field(static=True)
    lengths: tuple[float, ...] = eqx.field(static=True)
    names: tuple[str, ...] = eqx.field(static=True)
    normalisation: Normalisation

    @property
    def equation(self) -> Equation:
        """The declared equation."""
        return _equation(self.terms, self.parameters, len(self.lengths))

    def __call__(self, z: Float[Array, "batch *space channel"], condition: Condition) -> Array:
        """The rate of a normalised field, in its units."""
        n, equation = self.normalisation, self.equation
        expand = lambda x: x.reshape((1,) * (z.ndim - 1) + (-1,))
        columns = {}
        if condition is not None:
            table = condition * n.parameter_std[None] + n.parameter_mean[None]
            columns = {name: table[:, i] for i, name in enumerate(self.names)}
        values, scaling = Scaling.split(columns)
        values = {name: value for name, value in values.items() if name in equation.parameters}
        u, grid = z * expand(n.std) + expand(n.mean), Grid(z.shape[1:-1], self.lengths)
        rate = rhs(equation, u, grid, values, scaling=scaling, dealias=2 / 3) / expand(n.std)
        # time is counted in the data's nominal steps, which last longer or shorter where they vary
        return rate * batch_axis(scaling.step, z.ndim - 1)


class Tendency(eqx.Module):
    """dz/dt of a state: a network, and the known part of the physics if there is one.

    It is a vector field as Diffrax takes them, `tendency(t, z, condition)`.

    **Arguments:** `network`; `scale`: rate of one unit of its output, per channel; `known`; `time_unit`: the network
    sees the time since the beginning of a solve in this unit as the last entry of its condition, if there is one;
    `conserve_mean`: whether the network's part keeps the spatial mean of every channel.
    """

    network: Any
    scale: Float[Array, " channel"]
    known: KnownPhysics | None = None
    time_unit: float | None = eqx.field(static=True, default=None)
    conserve_mean: bool = eqx.field(static=True, default=False)

    def __call__(self, t: Any, z: Float[Array, "batch *state"], condition: Condition) -> Float[Array, "batch *state"]:
        """**Arguments:** `t`: since the beginning; `z`: state; `condition`: normalised parameters of each sample."""
        features = condition
        if self.time_unit is not None:
            age = jnp.broadcast_to(jnp.asarray(t, z.dtype) / self.time_unit, (len(z), 1))
            features = age if condition is None else jnp.concatenate([condition, age], axis=-1)
        rate = self.network(z, condition=features)
        if self.conserve_mean:
            rate = rate - jnp.mean(rate, axis=tuple(range(1, rate.ndim - 1)), keepdims=True)
        rate = rate * self.scale.reshape((1,) * (z.ndim - 1) + (-1,))
        return rate if self.known is None else rate + self.known(z, condition)


class Noise(eqx.Module):
    """What multiplies the increments of a Brownian motion, one for each entry of the state.

    A network of state and condition, or a number for each channel (then the noise is additive). It is kept positive by
    a softplus.

    **Arguments:** `network`: none for additive noise; `level`: before the softplus, per channel; `scale`: what one
    unit is worth, per channel.
    """

    network: Any
    level: Float[Array, " channel"]
    scale: Float[Array, " channel"]

    @property
    def kind(self) -> NoiseKind:
        """Whether it depends on the state."""
        return "additive" if self.network is None else "multiplicative"

    def __call__(self, t: Any, z: Float[Array, "batch *state"], condition: Condition) -> Any:
        expand = lambda x: x.reshape((1,) * (z.ndim - 1) + (-1,))
        size = jnp.broadcast_to(expand(self.level), z.shape)
        if self.network is not None:
            size = size + self.network(z, condition=condition)
        return lineax.DiagonalLinearOperator(jax.nn.softplus(size) * expand(self.scale))


def check_integrator(integrator: Integrator, noise: NoiseKind | None) -> None:
    """**Raises:** `ValueError` for a solver or a first step that is not for equations with this noise, or without."""
    check_solver(integrator.solver, noise, adaptive=integrator.adaptive)
    if noise is not None and integrator.first_step == "automatic":
        raise ValueError(
            "an automatic first step is known for equations without noise only: give first_step as a share of the "
            "interval to the first output"
        )


# ---- the model


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
    - `step_size`, `lengths`, `field_names`, `parameter_names`: what the data were.
    - `parameters`: bound physical parameters `(batch or 1, parameter)`, see `bind`.
    """

    tendency: Tendency
    space: AbstractSpace
    noise: Noise | None
    normalisation: Normalisation
    integrator: Integrator
    step_size: float = eqx.field(static=True)
    lengths: tuple[float, ...] = eqx.field(static=True)
    field_names: tuple[str, ...] = eqx.field(static=True)
    parameter_names: tuple[str, ...] = eqx.field(static=True)
    parameters: Float[Array, "batch parameter"] | None = None

    @property
    def history(self) -> int:
        """Frames the state holds."""
        return 1

    def bind(self, parameters: Mapping[str, Any]) -> "ContinuousOperator":
        """The same operator for these physical parameters.

        **Arguments:** `parameters`: name to a number or an array `(batch,)`, for every name in `parameter_names`.

        **Raises:** `ValueError` if a name is unknown or missing.
        """
        return eqx.tree_at(
            lambda o: o.parameters, self, parameter_table(parameters, self.parameter_names), is_leaf=lambda x: x is None
        )

    def condition(self, batch: tuple[int, ...]) -> Condition:
        """The normalised parameters of every sample; a set belongs to an entry of the last batch axis."""
        return normalised_parameters(self.parameters, self.parameter_names, self.normalisation, batch)

    def solved_by(self, integrator: Integrator) -> "ContinuousOperator":
        """The same operator with another solver, tolerance or first step.

        **Raises:** `ValueError` if it is not for equations with this noise, or without.
        """
        check_integrator(integrator, None if self.noise is None else self.noise.kind)
        return eqx.tree_at(lambda o: o.integrator, self, integrator)

    # ---- the equation

    def encode(self, u: Float[Array, "batch *space channel"], condition: Condition) -> Float[Array, "batch *state"]:
        """The state of a physical field."""
        n, expand = self.normalisation, lambda x: x.reshape((1,) * (u.ndim - 1) + (-1,))
        return self.space.encode((u - expand(n.mean)) / expand(n.std), condition)

    def decode(
        self, z: Float[Array, "time batch *state"], condition: Condition
    ) -> Float[Array, "time batch *space channel"]:
        """The physical fields of states at several times."""
        times, batch = z.shape[:2]
        repeated = None if condition is None else jnp.tile(condition, (times, 1))
        u = self.space.decode(z.reshape(times * batch, *z.shape[2:]), repeated)
        n, expand = self.normalisation, lambda x: x.reshape((1,) * (u.ndim - 1) + (-1,))
        return (u * expand(n.std) + expand(n.mean)).reshape(times, batch, *u.shape[1:])

    def equation(self, z: Float[Array, "batch *state"], t0: Any, t1: Any, keys: Keys | None = None) -> Any:
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

    def rate(self, t: Any, u: State, args: Any = None) -> State:
        """du/dt in physical units, of a state with any number of batch axes.

        **Arguments:** `t`: time since the beginning; `u`: `(*batch, *space, channel)`; `args`: not used.

        **Raises:** `ValueError` if the equation lives in a latent space.
        """
        if not isinstance(self.space, PhysicalSpace):
            raise ValueError(
                "this operator's equation lives in a latent space, so that a field has no rate of its own: "
                "solve operator.tendency for operator.encode(u, condition), or step the operator"
            )
        flat, batch = self._flat(u)
        condition = self.condition(batch)
        scale = self.normalisation.std.reshape((1,) * (flat.ndim - 1) + (-1,))
        rate = self.tendency(t, self.encode(flat, condition), condition) * scale
        return rate.reshape(u.shape).astype(u.dtype)

    def term(self) -> diffrax.ODETerm:
        """The right-hand side in physical units as a term of Diffrax, alone or beside others."""
        return diffrax.ODETerm(self.rate)

    # ---- what it predicts

    def _flat(self, u: State) -> tuple[Float[Array, "batch *space channel"], tuple[int, ...]]:
        ndim, channels = len(self.lengths), len(self.field_names)
        if u.ndim < ndim + 1 or u.shape[-1] != channels:
            raise ValueError(
                f"expected a state (*batch, {', '.join('xyz'[:ndim])}, {channels}) of {', '.join(self.field_names)}, "
                f"got shape {tuple(u.shape)}"
            )
        batch, real = u.shape[: -ndim - 1], self.normalisation.mean.dtype
        return u.reshape(math.prod(batch), *u.shape[-ndim - 1 :]).astype(real), batch

    def _integrator_for(self, times: np.ndarray) -> Integrator:
        """The integrator of a prediction: fixed steps are as long as in training, and the limit of their number is
        that of each output or data step, so that long predictions are not cut."""
        parts = max(len(times), math.ceil(float(times[-1]) / self.step_size - 1e-6))
        first = self.integrator.first_step
        if self.integrator.fixed and isinstance(first, int | float):
            first = first * self.step_size / float(times[0])
        return dataclasses.replace(self.integrator, max_steps=self.integrator.max_steps * parts, first_step=first)

    def solve(self, initial: State, times: Any, *, key: Key | None = None) -> tuple[Trajectory, Account]:
        """Frames at `times` with an account of the steps taken, see `predict`."""
        flat, batch = self._flat(initial)
        condition = self.condition(batch)
        z = self.encode(flat, condition)
        wanted = np.asarray(times, np.float64)
        if wanted.ndim != 1 or not wanted.size or wanted[0] <= 0 or np.any(np.diff(wanted) <= 0):
            raise ValueError(f"times are an increasing list of numbers above zero, got {times}")
        integrator = self._integrator_for(wanted)
        times = jnp.concatenate([jnp.zeros(1, z.dtype), jnp.asarray(wanted, z.dtype)])
        keys = None if key is None else jax.vmap(lambda i: jax.random.fold_in(key, i))(jnp.arange(len(z)))
        states, account = integrate(
            self.equation(z, times[0], times[-1], keys), times, z, condition, integrator=integrator
        )
        return self.decode(states, condition).reshape(len(states), *initial.shape).astype(initial.dtype), account

    def predict(self, initial: State, times: Any, *, key: Key | None = None) -> Trajectory:
        """Frames at any increasing times.

        **Arguments:** `initial`: state `(*batch, *space, channel)` at time zero; `times`: above zero, shape `(time,)`;
        `key`: of a stochastic equation.

        **Returns:** `(time, *batch, *space, channel)`, infinite from where a solve failed.
        """
        return self.solve(initial, times, key=key)[0]

    def __call__(self, u: State, *, key: Key | None = None) -> State:
        """The state one data step later.

        **Arguments:** `u`: `(*batch, *space, channel)`, any number of batch axes, any float type.

        **Returns:** the same shape and type.
        """
        return self.predict(u, np.array([self.step_size]), key=key)[0]
