"""How well a periodic grid resolves what is on it: the share of its highest modes."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from pdejax.core import Grid

FLOOR = 1e-13  # of the largest energy of a trajectory: below it there is rounding


def energies(
    u: Float[Array, "*batch_and_space channel"], grid: Grid, dealias: float
) -> Float[Array, "3 *batch channel"]:
    """Energy in the highest third of the active modes, in all active ones but the mean, and in all there are.

    **Arguments:** `u`: state; `grid`: periodic; `dealias`: modes below this fraction of the Nyquist mode are active.
    """
    axes = tuple(range(-grid.ndim - 1, -1))
    energy = jnp.abs(jnp.fft.rfftn(u, axes=axes)) ** 2
    bands = jnp.asarray(_bands(grid, dealias), energy.dtype)
    letters = "xyz"[: grid.ndim]
    return jnp.einsum(f"b{letters},...{letters}c->b...c", bands, energy)


def _bands(grid: Grid, dealias: float) -> np.ndarray:
    """Weights of the modes of a half spectrum in the three sums, `(3, *modes)`."""
    active, high, mean = np.True_, np.False_, np.True_
    for axis, n in enumerate(grid.shape):
        last = axis == grid.ndim - 1
        shape = [-1 if i == axis else 1 for i in range(grid.ndim)]
        mode = np.abs(np.fft.rfftfreq(n, 1 / n) if last else np.fft.fftfreq(n, 1 / n)).reshape(shape)
        cut = dealias * n / 2
        active, high, mean = active & (mode < cut - 1e-9), high | (mode >= cut * 2 / 3), mean & (mode < 0.5)
    twice = np.where((mode > 0.5) & (mode < n / 2 - 1e-9), 2.0, 1.0)  # both signs of the last axis
    return np.stack([twice * (active & high), twice * (active & ~mean), twice * np.ones(active.shape)])


def tails(found: Float[Array, "time 3 batch channel"]) -> Float[Array, "batch time"]:
    """Size of the highest third of the active modes over that of all, the field where it is largest.

    Where a field has decayed to rounding, the size is that of the rounding.

    **Arguments:** `found`: `energies` of every frame.
    """
    top, active, whole = found[:, 0], found[:, 1], found[:, 2]
    floor = jnp.maximum(FLOOR * jnp.max(whole, axis=0), jnp.finfo(found.dtype).tiny)
    return jnp.max(jnp.sqrt(top / jnp.maximum(active, floor[None])), axis=-1).T
