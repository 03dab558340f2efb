"""Sums of a few random sines."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from pdejax.core import Count, Grid, Key, Positive, Real, Whole, check_options, register
from pdejax.equations.sampling.series import check_modes, uniform


@register("sampler", "sum_of_sines")
@dataclasses.dataclass(frozen=True)
class SumOfSines:
    """Sum of `count` sines with random amplitude, phase and integer wavenumbers.

    The initial states of LPSDA (Brandstetter et al. 2022).

    **Arguments:** `count`; `wavenumbers`: smallest and largest, inclusive, on each axis (signs are random beyond 1D);
    `amplitude`: amplitudes are uniform in `[-amplitude, amplitude]`; `mean`: added afterwards.
    """

    count: Count = 10
    wavenumbers: tuple[Whole, Whole] = (1, 2)
    amplitude: Positive = 0.5
    mean: Real = 0.0
    channels: Count = 1

    def __post_init__(self) -> None:
        check_options(self)
        if self.wavenumbers[0] > self.wavenumbers[1]:
            raise ValueError(f"wavenumbers should be [smallest, largest], got {list(self.wavenumbers)}")

    def __call__(self, key: Key, grid: Grid) -> Float[Array, "*space channel"]:
        low, high = self.wavenumbers
        check_modes("wavenumbers", high, grid)
        keys, shape = jax.random.split(key, 4), (self.count, self.channels)
        amplitude = uniform(keys[0], shape, -self.amplitude, self.amplitude)
        phase = uniform(keys[1], shape, 0.0, 2 * np.pi)
        modes = jax.random.randint(keys[2], (grid.ndim, *shape), low, high + 1, jnp.int32)
        signs = jax.random.rademacher(keys[3], modes.shape, modes.dtype) if grid.ndim > 1 else jnp.ones_like(modes)
        modes = (signs * modes).astype(phase.dtype)
        place = jnp.asarray(2 * np.pi * (grid.coordinates() - np.asarray(grid.origin)) / np.asarray(grid.lengths))
        angle = jnp.einsum("...d,dnc->...nc", place.astype(phase.dtype), modes, precision="highest")
        phase = phase.reshape((1,) * grid.ndim + shape)
        return self.mean + jnp.einsum("...nc,nc->...c", jnp.sin(angle + phase), amplitude, precision="highest")
