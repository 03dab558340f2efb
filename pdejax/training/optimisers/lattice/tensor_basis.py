"""Orthonormal combinations of 1-D Gaussians on collocation points, and where those points lie."""

import functools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from pdejax.core import Scalar
from pdejax.networks import AxisRule, reference_centres

TABLE = 2001  # points of the table that maps an axis' reference coordinate to places


class Placement(NamedTuple):
    """Where Gaussians and points of an axis go: places, and how many Gaussians lie left of each, as a share.

    `place` maps the reference coordinate, 0 to 1 over the span of the axis, linearly continued; `spacing` is its slope.
    """

    places: Float[Array, " fine"]
    shares: Float[Array, " fine"]

    def place(self, at: Float[Array, " point"]) -> Float[Array, " point"]:
        """Coordinates of reference coordinates."""
        inside = jnp.interp(at, self.shares, self.places)
        low, high = self._end(0, 1), self._end(-2, -1)
        return inside + jnp.minimum(at, 0) * low + jnp.maximum(at - 1, 0) * high

    def spacing(self, at: Float[Array, " point"]) -> Float[Array, " point"]:
        """Change of the coordinate with the reference coordinate."""
        slopes = jnp.diff(self.places) / jnp.diff(self.shares)
        middles = (self.shares[1:] + self.shares[:-1]) / 2
        return jnp.interp(at, middles, slopes)

    def _end(self, i: int, j: int) -> Scalar:
        return (self.places[j] - self.places[i]) / (self.shares[j] - self.shares[i])


def even_placement(low: Scalar, high: Scalar) -> Placement:
    """Equidistant places."""
    shares = jnp.linspace(0, 1, 3, dtype=jnp.result_type(low, high))
    return Placement(low + (high - low) * shares, shares)


def clustered_placement(low: float, high: float, cluster: tuple[float, float]) -> Placement:
    """Places that crowd towards the ends: 0 equidistant, 1 as Chebyshev's points do, for each end."""
    at = np.linspace(0, 1, TABLE)
    left, right = cluster
    # the slope of the map: 1 - cluster at an end, and there like Chebyshev's for cluster 1
    slope = 1 - left * (1 - np.sin(np.pi * np.minimum(at, 0.5))) - right * (1 - np.sin(np.pi * np.maximum(at, 0.5)))
    places = np.concatenate([[0], np.cumsum((slope[1:] + slope[:-1]) / 2)])
    real = jnp.result_type(float)
    return Placement(jnp.asarray(low + (high - low) * places / places[-1], real), jnp.asarray(at, real))


class AxisBasis(NamedTuple):
    """Functions of one coordinate, orthonormal on weighted points, that span what the Gaussians span.

    - `points`, `weights`: of collocation, the weights adding up to one; `values`: derivatives (point, function) there
      by order; `transform`: from coefficients of functions to weights of Gaussians; `sizes`: of the singular values,
      the largest one being 1, 0 for what was left out.
    """

    points: Float[Array, " point"]
    weights: Float[Array, " point"]
    values: tuple[Float[Array, "point function"], ...]
    transform: Float[Array, "n function"]
    sizes: Float[Array, " function"]


def orthonormal(
    rule: AxisRule, centres: Array, widths: Array, points: Array, weights: Array, order: int, cutoff: float
) -> AxisBasis:
    """The basis by a singular value decomposition; what is below `cutoff` of the largest is left out as zeros."""
    factors = rule.factor(points, centres, widths, order)
    _, sizes, right = jnp.linalg.svd(jnp.sqrt(weights)[:, None] * factors[0], full_matrices=False)
    kept = sizes > cutoff * sizes[0]
    transform = right.T * jnp.where(kept, 1 / sizes, 0)[None]
    relative = jnp.where(kept, sizes / sizes[0], 0)
    return AxisBasis(points, weights, tuple(f @ transform for f in factors), transform, relative)


def kept_products(bases: Sequence[AxisBasis], cutoff: float) -> Float[Array, "*function"]:
    """One for products of functions whose singular values' product is above the cutoff, zero for others.

    It is the truncated decomposition of the whole tensor: weights of Gaussians stay below coefficients over cutoff.
    """
    product = functools.reduce(lambda a, b: jnp.tensordot(a, b, axes=0), [b.sizes for b in bases])
    return (product > cutoff).astype(product.dtype)


def at_face(rule: AxisRule, centres: Array, widths: Array, basis: AxisBasis, place: Scalar) -> tuple[Array, ...]:
    """Derivatives (1, function) of a basis at one place."""
    order = len(basis.values) - 1
    return tuple(f @ basis.transform for f in rule.factor(place[None], centres, widths, order))


def quadrature(rule: AxisRule, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Reference points and weights of collocation: Gauss-Legendre's where an end is open, else equidistant."""
    if rule.span(0.0, 1.0, 1.0) == rule.span(0.0, 1.0, 0.0):
        return (np.arange(count) + 0.5) / count, np.full(count, 1 / count)
    nodes, weights = np.polynomial.legendre.leggauss(count)
    return (nodes + 1) / 2, weights / 2


def lattice_axis(
    rule: AxisRule, placement: Placement, count: int, beyond: int, overlap: float
) -> tuple[Float[Array, " n"], Float[Array, " n"]]:
    """Centres and widths of the Gaussians of an axis."""
    at = jnp.asarray(reference_centres(rule, count, beyond), placement.places.dtype)
    return placement.place(at), overlap * placement.spacing(at) * (at[1] - at[0] if count > 1 else 1)


def fourth_difference(
    curvature: Float[Array, " fine *rest"],
    step: Scalar,
    *,
    sign: float,
    wraps: bool,
    open_ends: tuple[bool, bool] = (False, False),
    reach: int = 4,
) -> Float[Array, " fine *rest"]:
    """The fourth derivative from the second one at equidistant places, continued over the ends.

    **Arguments:** `sign`: of the mirror image at both ends, or, if it `wraps`, the other end follows;
    `open_ends`: which do neither: there the slope goes on, so that no kink is made up; `reach`: steps of the
    difference, more than one so that a kink keeps the size it has on the scale of Gaussians.
    """
    before, after = curvature[reach:0:-1], curvature[-2 : -2 - reach : -1]
    before = 2 * curvature[:1] - before if open_ends[0] else sign * before
    after = 2 * curvature[-1:] - after if open_ends[1] else sign * after
    if wraps:
        before, after = curvature[-reach - 1 : -1], curvature[1 : reach + 1]
    wide = jnp.concatenate([before, curvature, after])
    return (wide[2 * reach :] - 2 * curvature + wide[: -2 * reach]) / (reach * step) ** 2


def fitted_placement(
    places: Float[Array, " fine"],
    fourth: Sequence[Float[Array, " fine"]],
    size: Scalar,
    *,
    count: int,
    wraps: bool,
    floor: float,
    grading: float,
    smallest: float,
    largest: float = math.inf,
) -> Placement:
    """Places that equidistribute floor + max (|u_xxxx| / size)^(1/4), the spacing changing at most by `grading`.

    The fourth root follows from the error of an interpolation of fourth order; the second derivative's square root
    loses kinks, whose mass in it vanishes with their width.

    **Arguments:** `places`: equidistant, over the span; `fourth`: |u_xxxx| at several times; `size`: of u; `count`:
    Gaussians in the span; `wraps`: whether the ends are neighbours; `smallest`, `largest`: spacing.
    """
    density = floor + jnp.max(jnp.stack([(jnp.abs(d) / size) ** 0.25 for d in fourth]), axis=0)
    step = places[1] - places[0]
    total = lambda spacing: jnp.sum((1 / spacing[1:] + 1 / spacing[:-1]) / 2) * step
    spacing = lambda log: _graded(jnp.clip(jnp.exp(log) / density, smallest, largest), step, grading, wraps)

    def halve(_: Any, ends: tuple[Array, Array]) -> tuple[Array, Array]:
        middle = (ends[0] + ends[1]) / 2
        many = total(spacing(middle)) > count
        return jnp.where(many, middle, ends[0]), jnp.where(many, ends[1], middle)

    real = places.dtype
    _, found = lax.fori_loop(0, 50, halve, (jnp.asarray(-18.0, real), jnp.asarray(6.0, real)))
    rate = 1 / spacing(found)
    shares = jnp.concatenate([jnp.zeros(1, real), jnp.cumsum((rate[1:] + rate[:-1]) / 2)])
    return Placement(places, shares / shares[-1])


def _graded(spacing: Array, step: Scalar, grading: float, wraps: bool) -> Array:
    """The largest function below `spacing` whose slope is at most `grading`."""
    count = spacing.shape[0]
    spacing = jnp.concatenate([spacing[:-1], spacing[:-1], spacing]) if wraps else spacing
    slope = grading * step * jnp.arange(spacing.shape[0], dtype=spacing.dtype)
    spacing = lax.cummin(spacing - slope) + slope
    spacing = lax.cummin(spacing[::-1] - slope) + slope
    spacing = spacing[::-1]
    return spacing[count - 1 : 2 * count - 1] if wraps else spacing
