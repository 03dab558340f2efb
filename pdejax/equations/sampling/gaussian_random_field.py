"""Periodic Gaussian fields whose covariance is a power of the Laplacian."""

import dataclasses

import numpy as np
from jaxtyping import Array, Float

from pdejax.core import Count, Grid, Key, Positive, Real, check_options, register
from pdejax.equations.sampling.series import coloured, modes


@register("sampler", "gaussian_random_field")
@dataclasses.dataclass(frozen=True)
class GaussianRandomField:
    """The Gaussian field with covariance `2 sigma^2 (4 pi^2 |m|^2 + tau^2)^-alpha` per integer mode `m`, without mean.

    This is the measure of the Fourier neural operator's data, N(0, tau^(2 alpha - d) (-lap + tau^2)^-alpha) on the unit
    box with that code's factor sqrt(2); on other boxes it is stretched with the box.

    **Arguments:** `alpha`, `tau`; `sigma`: `tau^(alpha - d/2)` when omitted; `cutoff`: highest mode drawn, fixed, so
    that all grids show the same field; `mean`: added afterwards.
    """

    alpha: Positive = 2.5
    tau: Positive = 7.0
    sigma: Positive | None = None
    cutoff: Count = 64
    mean: Real = 0.0
    channels: Count = 1

    def __post_init__(self) -> None:
        check_options(self)

    def __call__(self, key: Key, grid: Grid) -> Float[Array, "*space channel"]:
        square = sum(m**2 for m in modes(self.cutoff, grid.ndim))
        sigma = self.tau ** (self.alpha - grid.ndim / 2) if self.sigma is None else self.sigma
        amplitude = np.sqrt(2.0) * sigma * (4 * np.pi**2 * square + self.tau**2) ** (-self.alpha / 2)
        amplitude = np.where(square == 0, 0.0, amplitude)
        return self.mean + coloured(key, grid, amplitude, self.cutoff, self.channels)
