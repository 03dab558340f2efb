"""The right-hand side of a learned equation: a network, what is known, and noise."""

import functools
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import lineax
from jaxtyping import Array, Float

from pdejax.core import Grid, Scaling, call, per_channel
from pdejax.equations import Equation
from pdejax.methods.operators.binding import Condition
from pdejax.methods.operators.normalisation import Normalisation
from pdejax.solvers import Integrator, NoiseKind, batch_axis, check_solver, rhs


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
        columns = {}
        if condition is not None:
            table = condition * n.parameter_std[None] + n.parameter_mean[None]
            columns = {name: table[:, i] for i, name in enumerate(self.names)}
        values, scaling = Scaling.split(columns)
        values = {name: value for name, value in values.items() if name in equation.parameters}
        std = per_channel(n.std, z)
        u, grid = z * std + per_channel(n.mean, z), Grid(z.shape[1:-1], self.lengths)
        rate = rhs(equation, u, grid, values, scaling=scaling, dealias=2 / 3) / std
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

    def __call__(self, t: Any, z: Float[Array, " batch *state"], condition: Condition) -> Float[Array, " batch *state"]:
        """**Arguments:** `t`: since the beginning; `z`: state; `condition`: normalised parameters of each sample."""
        features = condition
        if self.time_unit is not None:
            age = jnp.broadcast_to(jnp.asarray(t, z.dtype) / self.time_unit, (z.shape[0], 1))
            features = age if condition is None else jnp.concatenate([condition, age], axis=-1)
        rate = call(self.network, z, condition=features)
        if self.conserve_mean:
            rate = rate - jnp.mean(rate, axis=tuple(range(1, rate.ndim - 1)), keepdims=True)
        rate = rate * per_channel(self.scale, z)
        return rate if self.known is None else rate + self.known(z, condition)


class Diffusivity(eqx.Module):
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

    def __call__(self, t: Any, z: Float[Array, " batch *state"], condition: Condition) -> Any:
        size = jnp.broadcast_to(per_channel(self.level, z), z.shape)
        if self.network is not None:
            size = size + call(self.network, z, condition=condition)
        return lineax.DiagonalLinearOperator(jax.nn.softplus(size) * per_channel(self.scale, z))


def check_integrator(integrator: Integrator, noise: NoiseKind | None) -> None:
    """**Raises:** `ValueError` for a solver or a first step that is not for equations with this noise, or without."""
    check_solver(integrator.solver, noise, adaptive=integrator.adaptive)
    if noise is not None and integrator.first_step == "automatic":
        raise ValueError(
            "an automatic first step is known for equations without noise only: give first_step as a share of the "
            "interval to the first output"
        )
