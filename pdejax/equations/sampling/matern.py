"""Periodic Gaussian fields with Matern spectrum."""

import dataclasses

import numpy as np
from jaxtyping import Array, Float

from pdejax.core import Count, Grid, Key, Positive, Real, check_options, register
from pdejax.equations.sampling.series import coloured, modes


@register("sampler", "matern")
@dataclasses.dataclass(frozen=True)
class Matern:
    """The periodic Gaussian field with Matern spectrum (2 nu / length^2 + |k|^2)^-(nu + d/2) and variance `sigma^2`.

    **Arguments:** `nu`: smoothness; `length`: correlation length, in units of the problem; `sigma`: standard deviation
    at a point; `cutoff`: highest mode drawn; `zero_mean`: whether the field has no constant, which a vorticity of a
    periodic flow cannot have; `mean`: added afterwards.
    """

    nu: Positive = 2.5
    length: Positive = 0.1
    sigma: Positive = 1.0
    cutoff: Count = 64
    zero_mean: bool = False
    mean: Real = 0.0
    channels: Count = 1

    def __post_init__(self) -> None:
        check_options(self)

    def __call__(self, key: Key, grid: Grid) -> Float[Array, "*space channel"]:
        integers = modes(self.cutoff, grid.ndim)
        square = sum((2 * np.pi * m / length) ** 2 for m, length in zip(integers, grid.lengths, strict=True))
        power = (2 * self.nu / self.length**2 + square) ** -(self.nu + grid.ndim / 2)
        power = np.where(square == 0, 0.0, power) if self.zero_mean else power
        weight = np.where(integers[-1] == 0, 1.0, 2.0)  # modes of the half spectrum stand for two
        power = power / (power * weight).sum() * self.sigma**2
        return self.mean + coloured(key, grid, np.sqrt(power), self.cutoff, self.channels)
