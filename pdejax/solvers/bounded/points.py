"""Between equidistant points of an axis, as data have them, and Chebyshev points, as the solver does."""

import dataclasses
import functools
import math

import numpy as np

from pdejax.core import Grid
from pdejax.solvers.chebyshev.nodes import Chebyshev, barycentric

DEGREE = 8  # of the polynomials that equidistant points are blended from


def blended(count: int, degree: int = DEGREE) -> np.ndarray:
    """Barycentric weights of equidistant points, `(count,)`.

    The rational interpolant of Floater and Hormann (2007), equation 11: polynomials of a degree through neighbours,
    blended, of one order more than that; unlike one polynomial it stays close between points at the ends.
    """
    n, d = count - 1, min(degree, count - 1)
    share = lambda k: sum(math.comb(d, k - i) for i in range(max(0, k - d), min(k, n - d) + 1))
    return np.array([(-1.0) ** k * share(k) for k in range(count)])


@dataclasses.dataclass(frozen=True)
class Line:
    """Chebyshev points on the axis of a grid, ends included.

    **Arguments:** `grid`: of one axis; `size`: number of Chebyshev points.
    """

    grid: Grid
    size: int

    @functools.cached_property
    def nodes(self) -> Chebyshev:
        """The points, before the factor of a `Scaling`."""
        return Chebyshev(self.size, self.grid.origin[0], self.grid.origin[0] + self.grid.lengths[0])

    def inward(self) -> np.ndarray:
        """The matrix that takes values on the grid to those at the Chebyshev points, `(size, point)`."""
        (x,) = self.grid.axes()
        return barycentric(x, blended(len(x)), self.nodes.nodes)

    def outward(self) -> np.ndarray:
        """The matrix that takes values at the Chebyshev points to those on the grid, `(point, size)`."""
        return self.nodes.interpolation(self.grid.axes()[0])

    def coefficients(self) -> np.ndarray:
        """The matrix that takes values at the Chebyshev points to coefficients of their polynomials, `(size, size)`."""
        k = np.arange(self.size)
        cosines = np.cos(np.pi * np.outer(k, k[::-1]) / (self.size - 1)) * (2 / (self.size - 1))
        cosines[:, [0, -1]] /= 2
        cosines[[0, -1]] /= 2
        return cosines
