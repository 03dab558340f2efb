import jax
import jax.numpy as jnp
import numpy as np

from pdejax.core import Grid
from pdejax.equations import read_equation
from pdejax.solvers import volume_stepper

EULER = read_equation("euler", None, 1)
FLAT = read_equation("euler", None, 2)
WATER = read_equation("shallow_water", {"g": 1.0}, 1)
BASIN = read_equation("shallow_water", {"g": 1.0}, 2)


def cells(*shape, lengths=None, ends="periodic"):
    return Grid(shape, lengths or (1.0,) * len(shape), ends=ends, cells=True)


def gas(w, gamma=1.4):
    """Fields of density, velocities and pressure, along the last axis."""
    rho, *velocities, p = np.moveaxis(np.asarray(w, float), -1, 0)
    energy = p / (gamma - 1) + rho * sum(v**2 for v in velocities) / 2
    return np.stack([rho, *(rho * v for v in velocities), energy], -1)


def by_heun(form, u, time, steps):
    """The state after a time by equal steps of Heun's, for which only the rate is compiled."""
    u = jnp.asarray(u)
    rate, q, dt = jax.jit(lambda form, q, t: form.rate(q, t)), form.to_fields(u), time / steps
    for i in range(steps):
        first = rate(form, q, i * dt)
        q = q + dt / 2 * (first + rate(form, q + dt * first, (i + 1) * dt))
    return np.asarray(form.to_state(q, u))


def rate_of(equation, grid, u):
    """The rate of change of a state."""
    form, u = volume_stepper(equation, grid, 1.0).form, jnp.asarray(u)
    rate = jax.jit(lambda form, q: form.rate(q, 0.0))
    return np.asarray(form.to_state(rate(form, form.to_fields(u)), u))


def flow(equation, grid, u, time, **options):
    """The state after a time."""
    stepper = volume_stepper(equation, grid, time, **options)
    return np.asarray(jax.jit(lambda s, u: s(u))(stepper, jnp.asarray(u)))
