"""Points of a box and its faces where equations shall hold."""

import dataclasses
from collections.abc import Sequence
from typing import Annotated, Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from pdejax.core import Count, Counts, Key, PerAxis, Points, TensorGrid, check_options, register

Box = Sequence[tuple[float, float]]


@runtime_checkable
class PointSampler(Protocol):
    """A way to spread points over a box, some of whose axes may have no extent."""

    def draw(self, box: Box, key: Key) -> Points: ...


def _extent(box: Box) -> tuple[Float[Array, " axis"], Float[Array, " axis"]]:
    low = jnp.asarray([b[0] for b in box], jnp.result_type(float))
    return low, jnp.asarray([b[1] for b in box], low.dtype) - low


@register("points", "grid")
@dataclasses.dataclass(frozen=True)
class GridPoints:
    """A tensor grid, each axis divided into equal cells with one point in each: at random in it, or in its middle.

    **Arguments:** `counts`: cells per axis; `jitter`: whether the points are drawn.
    """

    counts: Annotated[Counts, PerAxis()]
    jitter: bool = True

    def __post_init__(self) -> None:
        check_options(self)

    def draw(self, box: Box, key: Key) -> TensorGrid:
        """The grid of a box.

        **Raises:** `ValueError` if its axes are not as many as `counts`.
        """
        if len(self.counts) != len(box):
            raise ValueError(f"counts should have one entry for each of {len(box)} axes, got {list(self.counts)}")
        low, extent = _extent(box)
        axes = []
        for i, count in enumerate(self.counts):
            cells = 1 if box[i][0] == box[i][1] else count
            shape = (cells,)
            inside = jax.random.uniform(jax.random.fold_in(key, i), shape, low.dtype) if self.jitter else 0.5
            axes.append(low[i] + extent[i] * (jnp.arange(cells, dtype=low.dtype) + inside) / cells)
        return TensorGrid(tuple(axes))


@register("points", "uniform")
@dataclasses.dataclass(frozen=True)
class UniformPoints:
    """Independent uniform points.

    **Arguments:** `count`: on the box; `face_count`: on a face.
    """

    count: Count = 2048
    face_count: Count = 256

    def __post_init__(self) -> None:
        check_options(self)

    def draw(self, box: Box, key: Key) -> Float[Array, "point axis"]:
        """Points of a box."""
        low, extent = _extent(box)
        shape = (_count(self, box), len(box))
        return low[None] + extent[None] * jax.random.uniform(key, shape, low.dtype)


@register("points", "quasi_random")
@dataclasses.dataclass(frozen=True)
class QuasiRandomPoints:
    """A lattice of low discrepancy, shifted at random (Roberts 2018, the sequence R_d).

    **Arguments:** `count`: on the box; `face_count`: on a face.
    """

    count: Count = 2048
    face_count: Count = 256

    def __post_init__(self) -> None:
        check_options(self)

    def draw(self, box: Box, key: Key) -> Float[Array, "point axis"]:
        """Points of a box."""
        low, extent = _extent(box)
        steps = _roberts(len(box))
        lattice = np.arange(1, _count(self, box) + 1)[:, None] * steps[None] % 1.0
        shift = jax.random.uniform(key, (1, len(box)), low.dtype)
        return low[None] + extent[None] * jnp.mod(jnp.asarray(lattice, low.dtype) + shift, 1)


def _roberts(ndim: int) -> np.ndarray:
    """Powers of the root of g^(d+1) = g + 1."""
    root = 1.5
    for _ in range(64):
        root = (1 + root) ** (1 / (ndim + 1))
    return root ** -np.arange(1.0, ndim + 1)


def _count(sampler: Any, box: Box) -> int:
    free = sum(low < high for low, high in box)
    return 1 if free == 0 else sampler.count if free == len(box) else sampler.face_count
