"""Where a field is evaluated: scattered points, or the points of a tensor grid, of which only the axes are held."""

import math
from typing import TypeAlias

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float


class TensorGrid(eqx.Module):
    """All points whose coordinates are taken from one list per axis, in C order: the last axis varies fastest.

    The lists need not be equidistant, and may be traced: a grid shaken anew at every step is one of these.
    """

    axes: tuple[Float[Array, "_"], ...]

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
