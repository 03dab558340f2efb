"""Collocation on boxes: Chebyshev and Fourier axes, their derivatives and interpolation, and products of axes."""

import dataclasses
import functools
import operator
from collections.abc import Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from scipy import sparse


def barycentric(nodes: np.ndarray, weights: np.ndarray, x: np.ndarray) -> np.ndarray:
    """The matrix of polynomial interpolation; Berrut and Trefethen (2004), equation 4.2.

    **Arguments:** `nodes`, `weights`: `(node,)`; `x`: places `(point,)`.

    **Returns:** `(point, node)`, with rows of the identity where a place is a node.
    """
    distance = np.asarray(x, np.float64)[:, None] - nodes
    exact = distance == 0
    terms = weights / np.where(exact, 1.0, distance)
    matrix = terms / terms.sum(axis=1, keepdims=True)
    return np.where(exact.any(axis=1, keepdims=True), exact.astype(np.float64), matrix)


def _derivatives(distance: np.ndarray, weights: np.ndarray, order: int) -> np.ndarray:
    """Recursion of Welfert (1997), equation 14; diagonals make rows sum to nothing, as derivatives of constants do."""
    n = len(weights)
    matrix, ratio = np.eye(n), weights / weights[:, None]
    inverse = 1 / (distance + np.eye(n)) - np.eye(n)
    for k in range(1, order + 1):
        matrix = k * inverse * (ratio * np.diag(matrix)[:, None] - matrix)
        matrix -= np.diag(matrix.sum(axis=1))
    return matrix


@dataclasses.dataclass(frozen=True)
class Chebyshev:
    """Extreme points of a Chebyshev polynomial, both ends included; Trefethen (2000), Spectral Methods in MATLAB, 6.

    **Arguments:** `size`: number of points, at least two; `low`, `high`: ends.
    """

    size: int
    low: float = -1.0
    high: float = 1.0

    @property
    def ends(self) -> tuple[int, ...]:
        """The first and the last point."""
        return (0, self.size - 1)

    @functools.cached_property
    def _angles(self) -> np.ndarray:
        return np.pi * np.arange(self.size)[::-1] / (self.size - 1)

    @functools.cached_property
    def nodes(self) -> np.ndarray:
        """Coordinates in rising order."""
        # the sine of the angle from the middle keeps the points symmetric to the last digit
        n = self.size - 1
        unit = np.sin(np.pi * np.arange(-n, n + 1, 2) / (2 * n))
        nodes = (self.low + self.high) / 2 + (self.high - self.low) / 2 * unit
        nodes[[0, -1]] = self.low, self.high
        return nodes

    @functools.cached_property
    def weights(self) -> np.ndarray:
        """Barycentric weights."""
        weights = (-1.0) ** np.arange(self.size)
        weights[[0, -1]] /= 2
        return weights

    def derivative(self, order: int) -> np.ndarray:
        """The matrix `(size, size)` of the derivative of an order."""
        a, b = self._angles[:, None], self._angles
        # differences of cosines without cancellation, see Don and Solomonoff (1995)
        distance = 2 * np.sin((a + b) / 2) * np.sin((b - a) / 2)
        return _derivatives(distance, self.weights, order) * (2 / (self.high - self.low)) ** order

    def interpolation(self, x: np.ndarray) -> np.ndarray:
        """The matrix `(point, size)` that takes values at the nodes to values at `x`."""
        return barycentric(self.nodes, self.weights, x)


@dataclasses.dataclass(frozen=True)
class Clustered:
    """Chebyshev points seen through x = sin(pi xi / 2), which packs them closer at both ends.

    Fields like the square root of the distance from an end are smooth functions of xi, and thin layers at an end are
    resolved. Derivatives are those in the open interval: the rows of both ends are zero.
    **Arguments:** `size`: number of points; `low`, `high`: ends.
    """

    size: int
    low: float = -1.0
    high: float = 1.0

    @property
    def ends(self) -> tuple[int, ...]:
        """The first and the last point."""
        return (0, self.size - 1)

    @functools.cached_property
    def _inner(self) -> Chebyshev:
        return Chebyshev(self.size)

    @functools.cached_property
    def nodes(self) -> np.ndarray:
        """Coordinates in rising order."""
        nodes = (self.low + self.high) / 2 + (self.high - self.low) / 2 * np.sin(np.pi / 2 * self._inner.nodes)
        nodes[[0, -1]] = self.low, self.high
        return nodes

    def derivative(self, order: int) -> np.ndarray:
        """The matrix `(size, size)` of the derivative of an order up to two, by the chain rule.

        **Raises:** `ValueError` for a higher order.
        """
        if order > 2:
            raise ValueError(f"clustered points know derivatives up to the second, got order {order}")
        if order == 0:
            return np.eye(self.size)
        half, phase = (self.high - self.low) / 2, np.pi / 2 * self._inner.nodes[1:-1, None]
        slope, bend = half * np.pi / 2 * np.cos(phase), -half * (np.pi / 2) ** 2 * np.sin(phase)
        first, second = (self._inner.derivative(k)[1:-1] for k in (1, 2))
        inside = first / slope if order == 1 else (second - bend / slope * first) / slope**2
        return np.pad(inside, ((1, 1), (0, 0)))

    def interpolation(self, x: np.ndarray) -> np.ndarray:
        """The matrix `(point, size)` that takes values at the nodes to values at `x`."""
        unit = (2 * np.asarray(x, np.float64) - self.low - self.high) / (self.high - self.low)
        xi = 2 / np.pi * np.arcsin(np.clip(unit, -1, 1))
        return self._inner.interpolation(np.where(np.abs(unit) == 1, unit, xi))


@dataclasses.dataclass(frozen=True)
class Fourier:
    """Equidistant points of a periodic axis without its end; Trefethen (2000), Spectral Methods in MATLAB, 3.

    **Arguments:** `size`: number of points; `low`, `high`: ends of one period.
    """

    size: int
    low: float = 0.0
    high: float = 2 * np.pi

    @property
    def ends(self) -> tuple[int, ...]:
        """A periodic axis has none."""
        return ()

    @functools.cached_property
    def nodes(self) -> np.ndarray:
        """Coordinates in rising order."""
        return self.low + (self.high - self.low) * np.arange(self.size) / self.size

    def derivative(self, order: int) -> np.ndarray:
        """The matrix `(size, size)` of the derivative of an order."""
        k = 2 * np.pi * np.fft.fftfreq(self.size, (self.high - self.low) / self.size)
        if self.size % 2 == 0 and order % 2:  # the highest mode's odd derivatives vanish at the points
            k[self.size // 2] = 0
        return np.fft.ifft((1j * k[:, None]) ** order * np.fft.fft(np.eye(self.size), axis=0), axis=0).real

    def interpolation(self, x: np.ndarray) -> np.ndarray:
        """The matrix `(point, size)` that takes values at the nodes to values at `x`."""
        angle = np.pi / (self.high - self.low) * (np.asarray(x, np.float64)[:, None] - self.nodes)
        exact = np.abs(np.sin(angle)) < 1e-15
        below = np.sin(angle) if self.size % 2 else np.tan(angle)
        return np.where(exact, 1.0, np.sin(self.size * angle) / (self.size * np.where(exact, 1.0, below)))


Axis = Chebyshev | Clustered | Fourier
"""Points along one axis, in rising order, and the matrices that act on values at them, all NumPy float64."""


@dataclasses.dataclass(frozen=True)
class Nodes:
    """All points of a box whose axes are discretised one by one; the last axis runs fastest.

    **Arguments:** `axes`: one per axis of space.
    """

    axes: tuple[Axis, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """Points per axis."""
        return tuple(axis.size for axis in self.axes)

    def points(self, held: Mapping[int, float] | None = None) -> np.ndarray:
        """Coordinates `(point, axis)` of all points, or of those of a face: indices of axes and where they are held."""
        held = held or {}
        lines = [np.array([held[i]]) if i in held else axis.nodes for i, axis in enumerate(self.axes)]
        return np.stack(np.meshgrid(*lines, indexing="ij"), axis=-1).reshape(-1, len(self.axes))

    def on_face(self, axis: int, value: float) -> np.ndarray:
        """Which points `(point,)` lie on the end `value` of an axis."""
        return self.points()[:, axis] == value

    def matrix(self, order: Sequence[int], held: Mapping[int, float] | None = None, reduced: Sequence[int] = ()) -> Any:
        """The sparse matrix of a derivative, from values at all points to those of `points(held)`.

        **Arguments:** `order`: of the derivative per axis; `held`: axes of a face; `reduced`: axes along which the
        values are given without both ends and stand for a polynomial of two degrees less.
        """
        factors = [self._factor(i, order[i], (held or {}).get(i), i in reduced) for i in range(len(self.axes))]
        return functools.reduce(functools.partial(sparse.kron, format="csr"), factors)

    def _factor(self, i: int, order: int, place: float | None, reduced: bool) -> Any:
        axis = self.axes[i]
        if place is None and not reduced and not order:
            return sparse.eye_array(axis.size, format="csr")
        factors = [] if place is None else [axis.interpolation(np.array([place]))]
        factors += [axis.derivative(order)] if order or not factors else []
        factors += [barycentric(axis.nodes[1:-1], inner_weights(axis), axis.nodes)] if reduced else []
        return sparse.csr_array(functools.reduce(operator.matmul, factors))

    def derivative(self, values: Any, order: Sequence[int]) -> Any:
        """A derivative of JAX values `(point,)` at all points, axis by axis, which costs far less than by `matrix`."""
        values = jnp.reshape(values, self.shape)
        for i, (axis, n) in enumerate(zip(self.axes, order, strict=True)):
            if n:
                product = jnp.tensordot(axis.derivative(n), values, (1, i), precision="highest")
                values = jnp.moveaxis(product, 0, i)
        return values.ravel()

    def interpolate(self, values: np.ndarray, axes: Sequence[np.ndarray]) -> np.ndarray:
        """Values `(*shape, ...)` at the nodes taken to the tensor product of the coordinates `axes`."""
        for i, (axis, x) in enumerate(zip(self.axes, axes, strict=True)):
            values = np.moveaxis(np.tensordot(axis.interpolation(x), values, (1, i)), 0, i)
        return values


def inner_weights(axis: Axis) -> np.ndarray:
    """Barycentric weights of the inner points of a `Chebyshev` axis, (-1)^j sin^2 of their angles."""
    angles = np.pi * np.arange(1, axis.size - 1) / (axis.size - 1)
    return (-1.0) ** np.arange(axis.size - 2) * np.sin(angles) ** 2
