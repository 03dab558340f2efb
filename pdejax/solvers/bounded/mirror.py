"""Boxes whose ends are mirrors: a field that is zero at an end goes on behind it as its negative, one without a slope
as its image, and with both ends of an axis mirrored it is periodic."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from pdejax.core import Grid, Slope, Value, check_fields, resample
from pdejax.equations import AXES, Equation
from pdejax.solvers._end_text import end_expression

Signs = tuple[tuple[int, int], ...]
"""Per axis what the mirrors at its low and high side make of a field, 1 or -1; zeros of a periodic axis."""

INSTEAD = "basis: chebyshev takes others, in one dimension"


@dataclasses.dataclass(frozen=True)
class Mirror:
    """A grid of points, ends included, and what its mirrors make of each field.

    **Arguments:** `grid`; `signs`: of each field, in the order of channels.
    """

    grid: Grid
    signs: tuple[Signs, ...]

    @property
    def images(self) -> tuple[int, ...]:
        """How many boxes a period holds per axis: two, and four where a field has one end of each kind."""
        pairs = [[signs[axis] for signs in self.signs] for axis in range(self.grid.ndim)]
        count = lambda axis: 4 if any(low != high for low, high in pairs[axis]) else 2
        return tuple(1 if p else count(a) for a, p in enumerate(self.grid.periodic_axes))

    @property
    def extended(self) -> Grid:
        """The periodic grid of all images."""
        grid, images = self.grid, self.images
        shape = tuple(n if m == 1 else m * (n - 1) for n, m in zip(grid.shape, images, strict=True))
        lengths = tuple(m * length for length, m in zip(grid.lengths, images, strict=True))
        return Grid(shape, lengths, "periodic", grid.origin)

    def extend(self, field: Float[Array, "..."], signs: Signs) -> Float[Array, "..."]:
        """A field `(*batch, *space)` on the extended grid; where it should be zero it is made so."""
        for axis, (pair, images) in enumerate(zip(signs, self.images, strict=True)):
            if images > 1:
                field = _extended(field, field.ndim - self.grid.ndim + axis, pair, images)
        return field

    def restrict(self, field: Float[Array, "..."]) -> Float[Array, "..."]:
        """Of a field `(*batch, *space)` on the extended grid what lies in the box."""
        return field[(..., *(slice(n) for n in self.grid.shape))]

    def transfer(self, u: Float[Array, "..."], shape: Sequence[int]) -> Float[Array, "..."]:
        """A state `(*batch, *space, channel)` at another number of points of the box, by its sines and cosines."""
        if tuple(shape) == self.grid.shape:
            return u
        other = dataclasses.replace(self, grid=self.grid.with_shape(tuple(shape)))
        whole = resample(self.extended_state(u), other.extended.shape)
        return jnp.stack([other.restrict(whole[..., i]) for i in range(len(self.signs))], -1)

    def extended_state(self, u: Float[Array, "..."]) -> Float[Array, "..."]:
        """A state `(*batch, *space, channel)` on the extended grid."""
        return jnp.stack([self.extend(u[..., i], signs) for i, signs in enumerate(self.signs)], -1)


def _extended(field: Any, place: int, signs: tuple[int, int], images: int) -> Any:
    """Along one axis of an array."""
    low, high = signs
    index = lambda part: (slice(None),) * place + (part,)
    ends = np.ones(field.shape[place])
    ends[0], ends[-1] = (1 + low) / 2, (1 + high) / 2
    field = field * jnp.asarray(ends.reshape([-1 if i == place else 1 for i in range(field.ndim)]), field.dtype)
    if images == 2:
        return jnp.concatenate([field, high * jnp.flip(field[index(slice(1, -1))], place)], place)
    half = jnp.concatenate([field, high * jnp.flip(field[index(slice(None, -1))], place)], place)
    return jnp.concatenate([half, low * jnp.flip(half[index(slice(1, -1))], place)], place)


def mirror_of(equation: Equation, grid: Grid) -> Mirror:
    """The mirrors of a grid of points.

    **Raises:** `ValueError` for a grid of cells or with too few points, and for ends that are no mirrors.
    """
    if grid.cells:
        raise ValueError(f"sines and cosines need points, and a grid of cells holds averages: set domain.cells=false, "
                         f"got {list(grid.shape)} cells")  # fmt: skip
    for axis, (n, periodic) in enumerate(zip(grid.shape, grid.periodic_axes, strict=True)):
        if not periodic and n < 3:
            raise ValueError(f"an axis with ends needs at least 3 points, both ends among them, got {n} along "
                             f"{AXES[axis]}")  # fmt: skip
    check_fields(grid.ends, equation.fields)
    return Mirror(grid, tuple(_signs(equation, grid, field) for field in equation.fields))


def _signs(equation: Equation, grid: Grid, field: str) -> Signs:
    axes = enumerate(grid.periodic_axes)
    return tuple((0, 0) if p else tuple(_sign(equation, grid, a, s, field) for s in (0, 1)) for a, p in axes)  # type: ignore


def _sign(equation: Equation, grid: Grid, axis: int, side: int, field: str) -> int:
    end = grid.end(axis, side, field)
    where = f"{field!r} at the {('low', 'high')[side]} side of {AXES[axis]}"
    if not isinstance(end, Value | Slope):
        raise ValueError(f"sines and cosines know the ends periodic, value and slope, got {type(end).__name__.lower()} "
                         f"of {where}; {INSTEAD}")  # fmt: skip
    if end_expression(equation, axis, side, field, end) != 0:
        raise ValueError(f"sines and cosines know values and slopes that are 0, got {end.expression!r} of {where}; "
                         f"{INSTEAD}")  # fmt: skip
    return -1 if isinstance(end, Value) else 1
