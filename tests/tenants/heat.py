"""A simulator of one's own: the heat equation by finite differences, a value given at one end, a slope at the other."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from pdejax.core import Grid, Slope, Value, register
from pdejax.equations import Equation, Family, Times

MODES, SUBSTEPS = 3, 8


@register("sampler", "waves")
@dataclasses.dataclass(frozen=True)
class Waves:
    """Random sums of the first sines and cosines that are zero at one end and flat at the other."""

    channels: int = 2

    def __call__(self, key, grid):
        c = jax.random.normal(key, (MODES, self.channels), jnp.float32).astype(jnp.result_type(float))
        angle = (np.arange(MODES) + 0.5) * np.pi * grid.coordinates() / grid.lengths[0]
        return jnp.stack([jnp.asarray(np.sin(angle)) @ c[:, 0], jnp.asarray(np.cos(angle)) @ c[:, 1]], axis=-1)


def laplacian(grid, field):
    """Second differences `(point, point)`: a row of zeros keeps a value, a mirrored neighbour makes a slope of zero."""
    n = grid.shape[0]
    matrix = (np.eye(n, k=-1) - 2 * np.eye(n) + np.eye(n, k=1)) / grid.spacing[0] ** 2
    for side, (row, inner) in enumerate(((0, 1), (n - 1, n - 2))):
        if isinstance(grid.end(0, side, field), Value):
            matrix[row] = 0
        elif isinstance(grid.end(0, side, field), Slope):
            matrix[row, inner] *= 2
    return matrix


def simulate(family, fields, parameters, times):
    """States `(batch, time, x, channel)` by the trapezoidal rule in time."""
    nu, out = parameters["nu"], []
    for name in family.fields:
        half = family.step / SUBSTEPS / 2 * nu[:, None, None] * laplacian(family.domain, name)[None]
        one = jnp.eye(half.shape[1])[None]
        step = jnp.linalg.matrix_power(jnp.linalg.solve(one - half, one + half), SUBSTEPS)
        frames = [fields[name]]
        for _ in times[1:]:
            frames.append(jnp.einsum("bij,bj->bi", step, frames[-1]))
        out.append(jnp.stack(frames, axis=1))
    return jnp.stack(out, axis=-1)


ENDS = [({"u": Value(), "v": Slope()}, {"u": Slope(), "v": Value()})]
HEAT = Family(
    "heat",
    Equation(["u_t = nu*u_xx", "v_t = nu*v_xx"], {"nu": 0.1}),
    Grid((65,), (1.0,), ENDS),
    {"u, v": Waves()},
    vary={"nu": (0.05, 0.2)},
    times=Times(0.1),
)
