"""Random fields on bounded boxes, by cosine series: input fields of steady problems."""

import dataclasses
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from pdejax.core import Count, Grid, Key, Positive, Real, check_options, register


@register("sampler", "neumann_random_field")
@dataclasses.dataclass(frozen=True)
class NeumannRandomField:
    """The Gaussian field N(0, sigma^2 (-lap + tau^2)^-alpha) with Neumann boundary, without mean, and a map of it.

    With `alpha` 2, `tau` 3, `map` threshold and `levels` [3, 12] these are the coefficients of the Fourier neural
    operator's Darcy flow (Li et al. 2021, appendix A.3.2). On other than unit boxes it is stretched with the box.

    **Arguments:** `alpha`, `tau`; `sigma`: `tau^(alpha - d/2)` when omitted; `cutoff`: cosines drawn per axis, fixed,
    so that all grids show the same field; `map`: of the values: `"identity"`, `"exponential"`, or `"threshold"`, which
    gives the first of `levels` where the field is negative and the second elsewhere.
    """

    alpha: Positive = 2.0
    tau: Positive = 3.0
    sigma: Positive | None = None
    cutoff: Count = 64
    map: Literal["identity", "exponential", "threshold"] = "identity"
    levels: tuple[Real, Real] = (3.0, 12.0)
    channels: Count = 1

    def __post_init__(self) -> None:
        check_options(self)

    def __call__(self, key: Key, grid: Grid) -> Float[Array, "*space channel"]:
        sigma = self.tau ** (self.alpha - grid.ndim / 2) if self.sigma is None else self.sigma
        modes = np.meshgrid(*[np.arange(self.cutoff)] * grid.ndim, indexing="ij")
        square = np.pi**2 * sum(np.square(m) for m in modes)
        amplitude = np.where(square == 0, 0.0, sigma * (square + self.tau**2) ** (-self.alpha / 2))
        # drawn in float32 whatever the precision, so that float64 runs see the same numbers
        normal = jax.random.normal(key, (*amplitude.shape, self.channels), jnp.float32)
        field = normal.astype(jnp.result_type(float)) * jnp.asarray(amplitude[..., None], jnp.result_type(float))
        for x, origin, length in zip(grid.axes(), grid.origin, grid.lengths, strict=True):
            # contracting the first axis appends the new one, so that in the end the channel comes first
            field = jnp.tensordot(field, self._cosines((x - origin) / length, field.dtype), (0, 1), precision="highest")
        return self._mapped(jnp.moveaxis(field, 0, -1))

    def _cosines(self, place: np.ndarray, dtype: Any) -> Array:
        """Orthonormal cosines at places from 0 to 1, `(points, cutoff)`."""
        k = np.arange(self.cutoff)
        return jnp.asarray(np.where(k == 0, 1.0, 2**0.5) * np.cos(np.pi * place[:, None] * k), dtype)

    def _mapped(self, field: Array) -> Array:
        if self.map == "identity":
            return field
        if self.map == "exponential":
            return jnp.exp(field)
        low, high = (jnp.asarray(level, field.dtype) for level in self.levels)
        return jnp.where(field < 0, low, high)
