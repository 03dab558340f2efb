"""A box divided into equal cells."""

import dataclasses
import math
import operator
from collections.abc import Iterable
from typing import Any

import numpy as np

from pdejax.core._ends import End, Periodic, end_of, sides
from pdejax.core._options import Count, Positive
from pdejax.core._registry import register


def _points(count: Any) -> int:
    try:
        return operator.index(count)
    except TypeError:
        raise ValueError(f"shape of a Grid holds whole numbers of points, got {count!r}") from None


def _number(name: str, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise ValueError(f"{name} of a Grid holds numbers, got {value!r:.80}") from None


@register("domain", "grid")
@dataclasses.dataclass(frozen=True)
class Grid:
    """A uniform grid on a box, of points, or of cells that are known by their middles and hold averages.

    Points include the ends of an axis, of a periodic one the low end only; the middles of cells lie half a cell inside.

    **Arguments:**

    - `shape`: points or cells per axis, one to three axes.
    - `lengths`: extent of each axis, in the units of the problem.
    - `ends`: what holds at the sides: an `End` (or its name) for all of them, or one per axis, or a pair
        `(low, high)` per axis; each may also be a mapping from fields to ends. Kept as pairs.
    - `origin`: coordinates of the low corner of the box; zero when omitted.
    - `cells`: whether it is one of cells, as finite volumes need it.

    **Raises:** `ValueError` if the arguments disagree in length or a size is not positive.
    """

    shape: tuple[Count, ...]
    lengths: tuple[Positive, ...]
    ends: Any = "periodic"
    origin: tuple[float, ...] = ()
    cells: bool = False

    def __post_init__(self) -> None:
        set_ = object.__setattr__
        for name in ("shape", "lengths", "origin"):
            if isinstance(getattr(self, name), str) or not isinstance(getattr(self, name), Iterable):
                raise ValueError(f"{name} of a Grid has one entry for each axis, such as (64,), "
                                 f"got {getattr(self, name)!r}")  # fmt: skip
        set_(self, "shape", tuple(map(_points, self.shape)))
        set_(self, "lengths", tuple(_number("lengths", length) for length in self.lengths))
        set_(self, "origin", tuple(_number("origin", o) for o in self.origin) or (0.0,) * self.ndim)
        if not 1 <= self.ndim <= 3:
            raise ValueError(f"a Grid has one to three axes, got shape {self.shape}")
        for name in ("lengths", "origin"):
            if len(getattr(self, name)) != self.ndim:
                raise ValueError(f"{name} should have one entry for each of the axes of shape {list(self.shape)}, "
                                 f"got {list(getattr(self, name))}")  # fmt: skip
        if min(self.shape) < 1 or not all(0 < length < math.inf for length in self.lengths):
            raise ValueError(f"Grid sizes and lengths are positive and finite, got shape {self.shape}, "
                             f"lengths {self.lengths}")  # fmt: skip
        if not all(map(math.isfinite, self.origin)):
            raise ValueError(f"origin of a Grid should be finite, got {self.origin}")
        if not isinstance(self.cells, bool):
            raise ValueError(f"cells of a Grid should be true or false, got {self.cells!r}")
        set_(self, "ends", sides(self.ends, self.ndim))

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def dimension(self) -> int:
        """Number of physical axes."""
        return self.ndim

    @property
    def size(self) -> int:
        """Number of points."""
        return int(np.prod(self.shape))

    @property
    def periodic_axes(self) -> tuple[bool, ...]:
        """Whether each axis is periodic."""
        return tuple(low == Periodic() for low, _ in self.ends)

    @property
    def periodic(self) -> bool:
        """Whether every axis is periodic."""
        return all(self.periodic_axes)

    def end(self, axis: int, side: int, field: str) -> End:
        """What holds for a field at the low (0) or high (1) side of an axis."""
        return end_of(self.ends[axis][side], field)

    @property
    def spacing(self) -> tuple[float, ...]:
        """Distance of neighbouring points per axis."""
        whole = (periodic or self.cells for periodic in self.periodic_axes)
        intervals = (n if w else max(n - 1, 1) for n, w in zip(self.shape, whole, strict=True))
        return tuple(length / count for length, count in zip(self.lengths, intervals, strict=True))

    def axes(self) -> tuple[np.ndarray, ...]:
        """Coordinates of the points along each axis, float64, one array per axis."""
        first = 0.5 if self.cells else 0.0
        place = lambda o, h, n: o + h * (np.arange(n) + first)
        return tuple(place(*one) for one in zip(self.origin, self.spacing, self.shape, strict=True))

    def coordinates(self) -> np.ndarray:
        """Coordinates of all points, float64, shape `(*shape, ndim)`."""
        return np.stack(np.meshgrid(*self.axes(), indexing="ij"), axis=-1)

    def measure(self) -> np.ndarray:
        """Weights of the trapezoidal rule, or sizes of cells, float64; of size one along axes where all are equal."""
        out = np.ones((1,) * self.ndim)
        for axis, (n, h, periodic) in enumerate(zip(self.shape, self.spacing, self.periodic_axes, strict=True)):
            equal = periodic or self.cells
            weights = np.full(1 if equal else n, h)
            if not equal and n > 1:
                weights[[0, -1]] /= 2
            out = out * weights.reshape((-1,) + (1,) * (self.ndim - 1 - axis))
        return out

    def with_shape(self, shape: tuple[int, ...]) -> "Grid":
        """The same box with another number of points."""
        return dataclasses.replace(self, shape=tuple(shape))

    def same_box(self, other: Any) -> bool:
        """Whether another grid has the same extent and periodic axes, and is of points or cells as this one is."""
        alike = lambda grid: (grid.lengths, grid.origin, grid.periodic_axes, grid.cells)
        return isinstance(other, Grid) and alike(self) == alike(other)

    def transfer(self, u: Any, to: Any) -> Any:
        """A field on another grid of the box, or at scattered points in it.

        Trigonometric along periodic axes of grids of points; along bounded ones every so manieth point where those are
        the other grid's, else linear. Of cells means, exact in size, of constants in each. Linear at scattered points.

        **Arguments:** `u`: `(*batch, *shape, channel)`; `to`: the other domain.

        **Raises:** `ValueError` if it is none of these.
        """
        from pdejax.core._transfer import transfer  # needs Fourier transforms, which need grids

        return transfer(u, self, to)
