"""Where a field is evaluated: scattered points, or the points of a tensor grid, of which only the axes are held."""

import math
from typing import Any, TypeAlias

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Shaped

from pdejax.core._state import as_real, as_state


class TensorGrid(eqx.Module):
    """All points whose coordinates are taken from one list per axis, in C order: the last axis varies fastest.

    The lists need not be equidistant, and may be traced: a grid shaken anew at every step is one of these.
    """

    axes: tuple[Shaped[Array, " _"], ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """Points per axis."""
        return tuple(axis.shape[-1] for axis in self.axes)

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.axes)

    @property
    def size(self) -> int:
        """Number of points."""
        return math.prod(self.shape)

    def points(self) -> Float[Array, "size ndim"]:
        """Coordinates of all points in C order."""
        return jnp.stack(jnp.meshgrid(*self.axes, indexing="ij"), -1).reshape(self.size, self.ndim)


Points: TypeAlias = Float[Array, "point axis"] | TensorGrid
AnyPoints: TypeAlias = Any  # before `as_points` has looked at them


def as_points(points: Any, ndim: int) -> Points:
    """Points as every field takes them; coordinates that are integers are promoted.

    **Raises:** `ValueError` for another number of axes, complex coordinates and what is no number.
    """
    if isinstance(points, TensorGrid):
        if points.ndim != ndim:
            raise ValueError(f"expected a grid of the field's {ndim} axes, got one of {points.ndim}")
        return TensorGrid(tuple(jnp.asarray(as_real(axis, "a coordinate")) for axis in points.axes))
    array = as_state(points, "a coordinate")
    if array.ndim != 2 or array.shape[-1] != ndim:
        raise ValueError(f"expected points (point, {ndim}), one column for each of the field's axes, got shape "
                         f"{tuple(array.shape)}")  # fmt: skip
    return array
