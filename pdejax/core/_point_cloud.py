"""Scattered points with weights."""

import dataclasses
from typing import Any, ClassVar

import numpy as np

from pdejax.core._registry import register


@register("domain", "points")
@dataclasses.dataclass(frozen=True)
class PointCloud:
    """Scattered points, each of which stands for a part of the domain.

    **Arguments:** `points`: coordinates `(point, axis)`, an array or nested lists; `weights`: measure of each point's
    part `(point,)`; equal parts of one when omitted. Kept as tuples.

    **Raises:** `ValueError` for other shapes or a weight that is not positive.
    """

    points: Any
    weights: Any = None

    ends: ClassVar[tuple[()]] = ()
    periodic: ClassVar[bool] = False

    def __post_init__(self) -> None:
        points = np.asarray(self.points, np.float64)
        if points.ndim != 2 or not 1 <= points.shape[1] <= 3 or not len(points):
            raise ValueError(f"points of a PointCloud are an array (point, axis) of 1 to 3 axes, got {points.shape}")
        weights = np.full(len(points), 1 / len(points)) if self.weights is None else np.asarray(self.weights, float)
        if weights.shape != points.shape[:1] or not np.all(weights > 0):
            raise ValueError(f"weights of a PointCloud are {len(points)} positive numbers, got shape {weights.shape}"
                             + (f", smallest {weights.min():g}" if weights.size else ""))  # fmt: skip
        object.__setattr__(self, "points", tuple(tuple(map(float, p)) for p in points))
        object.__setattr__(self, "weights", tuple(map(float, weights)))

    @property
    def ndim(self) -> int:
        """Number of axes of arrays: one, however many coordinates a point has."""
        return 1

    @property
    def dimension(self) -> int:
        """Number of coordinates of a point."""
        return len(self.points[0])

    @property
    def shape(self) -> tuple[int, ...]:
        """`(point,)`."""
        return (len(self.points),)

    @property
    def size(self) -> int:
        """Number of points."""
        return len(self.points)

    def coordinates(self) -> np.ndarray:
        """`(point, axis)`, float64."""
        return np.array(self.points)

    def measure(self) -> np.ndarray:
        """`(point,)`, float64."""
        return np.array(self.weights)

    def transfer(self, u: Any, to: Any) -> Any:
        """The field itself.

        **Raises:** `ValueError` for another domain: what lies between scattered points is not known.
        """
        if to != self:
            raise ValueError(f"values at {self.size} scattered points cannot be taken to another domain")
        return u
