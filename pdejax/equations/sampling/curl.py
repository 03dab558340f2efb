"""Fields without a divergence, from a potential."""

import dataclasses
import itertools
from typing import Annotated, Any

import jax.numpy as jnp
from jaxtyping import Array, Float

from pdejax.core import Count, Domain, Grid, Key, Of, Real, check_options, register
from pdejax.equations.sampling.sampler import read_sampler


@register("sampler", "curl")
@dataclasses.dataclass(frozen=True)
class Curl:
    """A vector `mean + curl(potential)` on a grid of cells, such as a magnetic field: in two dimensions `(A_y, -A_x)`.

    It is made of differences of the potential between corners of cells, so that the divergence at corners, which finite
    volumes keep, is zero to rounding.

    **Arguments:** `sampler`: of the potential, with one field in two dimensions and three in three; `mean`: of each
    component, zero when omitted.

    **Raises:** `ValueError` for other numbers of components, and when called on what is no grid of cells.
    """

    sampler: Annotated[Any, Of("sampler", later=True)]
    mean: tuple[Real, ...] = ()
    channels: Count = 2

    def __post_init__(self) -> None:
        check_options(self)
        if self.channels not in (2, 3):
            raise ValueError(f"sampler curl is for the two or three components of a vector, as in 'bx, by', got "
                             f"{self.channels}")  # fmt: skip
        if len(self.mean) not in (0, self.channels):
            raise ValueError(f"mean should have one number for each of {self.channels} components, got "
                             f"{list(self.mean)}")  # fmt: skip
        object.__setattr__(self, "mean", tuple(self.mean))
        object.__setattr__(self, "sampler", read_sampler("sampler", self.sampler, 2 * self.channels - 3))

    def __call__(self, key: Key, grid: Domain) -> Float[Array, "*space channel"]:
        if not isinstance(grid, Grid) or not grid.cells or grid.ndim != self.channels:
            raise ValueError(f"sampler curl of {self.channels} components needs a grid of cells with as many axes: "
                             "set domain.cells=true")  # fmt: skip
        potential = _at_corners(self.sampler, key, grid)
        # along z alone in two dimensions
        parts = {2: potential[..., 0]} if grid.ndim == 2 else {i: potential[..., i] for i in range(3)}
        found: list[Any] = [0.0] * grid.ndim
        for (a, b), (along, part) in itertools.product(itertools.permutations(range(grid.ndim), 2), parts.items()):
            if along not in (a, b):  # of the component a the slope along b, whose sign is that of the order
                sign = 1 if (a, b, along) in ((0, 1, 2), (1, 2, 0), (2, 0, 1)) else -1
                found[a] = found[a] + sign * _slope(part, b) / grid.spacing[b]
        field = jnp.stack(found, axis=-1)
        return field + jnp.asarray(self.mean or (0.0,) * self.channels, field.dtype).reshape((1,) * grid.ndim + (-1,))


def _at_corners(sampler: Any, key: Key, grid: Grid) -> Array:
    """A potential at the corners of all cells, `(*(cells + 1), channel)`."""
    shape = tuple(n + (not periodic) for n, periodic in zip(grid.shape, grid.periodic_axes, strict=True))
    found = sampler(key, dataclasses.replace(grid, shape=shape, cells=False)).astype(jnp.result_type(float))
    for axis, periodic in enumerate(grid.periodic_axes):
        if periodic:
            found = jnp.concatenate([found, jnp.take(found, jnp.arange(1), axis=axis)], axis=axis)
    return found


def _slope(potential: Array, axis: int) -> Array:
    """Differences along an axis, and means along all others, from corners to cells."""
    for other in range(potential.ndim):
        take = lambda part, u=potential, place=other: u[(slice(None),) * place + (part,)]
        low, high = take(slice(None, -1)), take(slice(1, None))
        potential = high - low if other == axis else (low + high) / 2
    return potential
