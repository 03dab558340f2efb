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


def flow(equation, grid, u, time, **options):
    """The state after a time."""
    stepper = volume_stepper(equation, grid, time, **options)
    return np.asarray(jax.jit(lambda s, u: s(u))(stepper, jnp.asarray(u)))
