"""Smooth round patches on a uniform background."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from pdejax.core import Count, Grid, Key, Positive, Real, check_options, register
from pdejax.equations.sampling.series import uniform


@register("sampler", "gaussian_blobs")
@dataclasses.dataclass(frozen=True)
class GaussianBlobs:
    """A uniform state with smooth round patches of another state, as reaction-diffusion systems are started.

    **Arguments:** `count`: number of patches; `background`, `peak`: value of each channel outside and in the middle of
    a patch; `widths`: smallest and largest width, as a fraction of the box.
    """

    count: Count = 10
    background: tuple[Real, ...] = (1.0, 0.0)
    peak: tuple[Real, ...] = (0.5, 0.25)
    widths: tuple[Positive, Positive] = (0.02, 0.05)
    channels: Count = 2

    def __post_init__(self) -> None:
        check_options(self)
        if not len(self.background) == len(self.peak) == self.channels:
            raise ValueError(
                f"background and peak should have one value for each of {self.channels} channels, "
                f"got {list(self.background)} and {list(self.peak)}"
            )

    def __call__(self, key: Key, grid: Grid) -> Float[Array, "*space channel"]:
        first, second = jax.random.split(key)
        centre = uniform(first, (self.count, grid.ndim), 0.0, 1.0)
        width = uniform(second, (self.count,), *self.widths)
        place = jnp.asarray((grid.coordinates() - np.asarray(grid.origin)) / np.asarray(grid.lengths), width.dtype)
        one = (1,) * grid.ndim
        angle = 2 * np.pi * (place[..., None, :] - centre.reshape(*one, self.count, grid.ndim))
        # the periodic counterpart of exp(-r^2 / (2 width^2)), analytic everywhere
        bump = jnp.exp((jnp.cos(angle) - 1).sum(-1) / (2 * np.pi * width.reshape(*one, self.count)) ** 2)
        inside = 1 - jnp.prod(1 - bump, axis=-1)[..., None]
        background, peak = (jnp.asarray(v, width.dtype).reshape(*one, -1) for v in (self.background, self.peak))
        return background + (peak - background) * inside
