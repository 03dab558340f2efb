"""Random Fourier series with equally strong modes."""

import dataclasses

import jax.numpy as jnp
from jaxtyping import Array, Float

from pdejax.core import Count, Grid, Key, Real, check_options, register, resample
from pdejax.equations.sampling.series import check_modes, normal, on_grid


@register("sampler", "truncated_fourier")
@dataclasses.dataclass(frozen=True)
class TruncatedFourier:
    """`mean + amplitude *` a random Fourier series with equally strong modes up to `cutoff` on each axis.

    **Arguments:** `cutoff`: highest mode; `zero_mean`: whether the series has no constant; `max_one`: whether it is
    scaled to largest absolute value one (found on a fixed grid of eight points per shortest wave, so that the scale
    does not depend on the resolution), otherwise it has unit variance; `amplitude`, `mean`: applied afterwards.

    **Raises:** `ValueError` when called on a grid that cannot hold the modes.
    """

    cutoff: Count = 5
    zero_mean: bool = True
    max_one: bool = True
    amplitude: Real = 1.0
    mean: Real = 0.0
    channels: Count = 1

    def __post_init__(self) -> None:
        check_options(self)

    def __call__(self, key: Key, grid: Grid) -> Float[Array, "*space channel"]:
        check_modes("cutoff", self.cutoff, grid)
        coarse = normal(key, (2 * self.cutoff + 1,) * grid.ndim + (self.channels,))
        axes = tuple(range(grid.ndim))
        coarse = coarse - coarse.mean(axes, keepdims=True) if self.zero_mean else coarse
        if self.max_one:
            fine = resample(coarse, (8 * self.cutoff + 8,) * grid.ndim)
            coarse = coarse / jnp.abs(fine).max(axes, keepdims=True)
        return self.mean + self.amplitude * on_grid(coarse, grid)
