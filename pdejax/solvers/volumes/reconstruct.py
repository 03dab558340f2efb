"""States at the faces of cells from averages over cells.

Limiters are written with minima and maxima alone: signs and chains of choices take several times as long.
"""

import dataclasses
from typing import Any, ClassVar, Protocol, runtime_checkable

import jax
import jax.numpy as jnp

from pdejax.core import register


@runtime_checkable
class Reconstruction(Protocol):
    """From averages to values at the faces of cells.

    - `ghosts`: cells it needs beyond each end, two or three.
    - `primitive`: whether it is of the primitive variables, or of the fields, where products of averages would cost
        the order.
    - `contact`: the order of the mean error at a contact, which nothing makes steeper again.
    - `work`: of a step, as a multiple of what `van_leer` takes.
    """

    ghosts: ClassVar[int]
    primitive: ClassVar[bool]
    contact: ClassVar[float]
    work: ClassVar[float]

    def __call__(self, w: Any, axis: int) -> tuple[Any, Any]:
        """Values at the low and the high face of each cell along an axis but its `ghosts - 1` outermost ones."""
        ...


class _Limited:
    """MUSCL, van Leer (1979): slopes that a limiter makes of differences to both neighbours."""

    ghosts: ClassVar[int] = 2
    primitive: ClassVar[bool] = True
    contact: ClassVar[float] = 2 / 3
    work: ClassVar[float] = 1.0

    def __call__(self, w: Any, axis: int) -> tuple[Any, Any]:
        take = lambda x, start, end: jax.lax.slice_in_dim(x, start, x.shape[axis] + end, axis=axis)
        difference = take(w, 1, 0) - take(w, 0, -1)
        half = self.slope(take(difference, 0, -1), take(difference, 1, 0)) / 2
        return take(w, 1, -1) - half, take(w, 1, -1) + half

    def slope(self, a: Any, b: Any) -> Any:
        raise NotImplementedError


@register("reconstruction", "minmod")
@dataclasses.dataclass(frozen=True)
class Minmod(_Limited):
    """Linear, the smaller of both differences where they agree in sign: of all limiters the most dissipative."""

    contact: ClassVar[float] = 0.6

    def slope(self, a: Any, b: Any) -> Any:
        """The limited difference."""
        return jnp.maximum(0, jnp.minimum(a, b)) + jnp.minimum(0, jnp.maximum(a, b))


@register("reconstruction", "van_leer")
@dataclasses.dataclass(frozen=True)
class VanLeer(_Limited):
    """Linear, the harmonic mean of both differences where they agree in sign; van Leer (1974)."""

    def slope(self, a: Any, b: Any) -> Any:
        """The limited difference."""
        product = jnp.maximum(a * b, 0)
        total = a + b
        return 2 * product / jnp.where(product > 0, total, 1)


@register("reconstruction", "mc")
@dataclasses.dataclass(frozen=True)
class MonotonisedCentral(_Limited):
    """Linear, the central difference within twice either one; van Leer (1977)."""

    def slope(self, a: Any, b: Any) -> Any:
        """The limited difference."""
        middle, a, b = (a + b) / 2, 2 * a, 2 * b
        low, high = jnp.minimum(jnp.minimum(a, b), middle), jnp.maximum(jnp.maximum(a, b), middle)
        return jnp.maximum(0, low) + jnp.minimum(0, high)


@register("reconstruction", "weno5")
@dataclasses.dataclass(frozen=True)
class WENO5:
    """Weighted parabolas, of order five in one dimension where fields are smooth, of two in more, since a face has one
    flux; Borges et al. (2008), "An improved WENO scheme"."""

    ghosts: ClassVar[int] = 3
    primitive: ClassVar[bool] = False
    contact: ClassVar[float] = 2 / 3
    work: ClassVar[float] = 1.6  # measured on one core

    def __call__(self, w: Any, axis: int) -> tuple[Any, Any]:
        a, b, c, d, e = (jax.lax.slice_in_dim(w, i, w.shape[axis] - 4 + i, axis=axis) for i in range(5))
        return _weno5(e, d, c, b, a), _weno5(a, b, c, d, e)


def _weno5(a: Any, b: Any, c: Any, d: Any, e: Any) -> Any:
    """Value at the face between `c` and `d` of five averages in a row, seen from `c`."""
    left, middle, right = a - 2 * b + c, b - 2 * c + d, c - 2 * d + e
    smooth = (
        13 / 12 * left**2 + (a - 4 * b + 3 * c) ** 2 / 4,
        13 / 12 * middle**2 + (b - d) ** 2 / 4,
        13 / 12 * right**2 + (3 * c - 4 * d + e) ** 2 / 4,
    )
    # far below the squares of the field, whatever its unit, so that a constant has the weights of a smooth one; and
    # above what has no square, by which derivatives divide
    share, least = (1e-40, 1e-150) if c.dtype == jnp.float64 else (1e-12, 1e-18)
    tiny = share * (a**2 + b**2 + c**2 + d**2 + e**2) + least
    tau = jnp.abs(smooth[0] - smooth[2])
    weights = [share * (1 + (tau / (one + tiny)) ** 2) for share, one in zip((0.1, 0.6, 0.3), smooth, strict=True)]
    parabolas = ((2 * a - 7 * b + 11 * c) / 6, (-b + 5 * c + 2 * d) / 6, (2 * c + 5 * d - e) / 6)
    total = weights[0] + weights[1] + weights[2]
    return sum(weight * value for weight, value in zip(weights, parabolas, strict=True)) / total
