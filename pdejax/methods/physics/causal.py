"""Losses in which earlier times come first."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from pdejax.core import Count, Positive, Scalar, TensorGrid, check_options


@dataclasses.dataclass(frozen=True)
class Causal:
    """Weights of times that grow once all earlier times are solved (Wang et al. 2022, arXiv 2203.07404, eq. 15).

    **Arguments:** `tolerance`: factor on the accumulated losses; `chunks`: of time, for points that are no grid.
    """

    tolerance: Positive = 1.0
    chunks: Count = 32

    def __post_init__(self) -> None:
        check_options(self)

    def mean(self, square: Float[Array, " point"], points: Any) -> Scalar:
        """The weighted mean of squares."""
        losses = self._by_time(square, points)
        weights = jax.lax.stop_gradient(jnp.exp(-self.tolerance * (jnp.cumsum(losses) - losses)))
        return jnp.mean(weights * losses)

    def _by_time(self, square: Float[Array, " point"], points: Any) -> Float[Array, " time"]:
        if isinstance(points, TensorGrid):
            return jnp.mean(square.reshape(points.axes[0].shape[0], -1), axis=1)
        if square.shape[0] < self.chunks:
            raise ValueError(f"causal.chunks={self.chunks} are more than the {square.shape[0]} points")
        chunks = jnp.array_split(square[jnp.argsort(points[:, 0])], self.chunks)
        return jnp.stack([jnp.mean(chunk) for chunk in chunks])
