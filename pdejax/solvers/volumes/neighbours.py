"""Neighbours in arrays of cells and faces."""

from collections.abc import Callable, Iterable
from typing import Any

import jax
import jax.numpy as jnp


def inner(values: Any, count: int, axes: Iterable[int]) -> Any:
    """Without so many cells at both ends of axes of space of `(field, batch, *space)`."""
    for axis in axes:
        values = jax.lax.slice_in_dim(values, count, values.shape[2 + axis] - count, axis=2 + axis)
    return values


def difference(flux: Any, axis: int) -> Any:
    """Of neighbours along an axis of space of `(field, batch, *space)`."""
    take = lambda part: flux[(slice(None),) * (2 + axis) + (part,)]
    return take(slice(1, None)) - take(slice(None, -1))


def stacked(fields: Any, shape: tuple[int, ...], dtype: Any) -> Any:
    """Fields, each broadcast to a shape."""
    return jnp.stack([jnp.broadcast_to(jnp.asarray(f, dtype), shape) for f in fields])


def at_faces(field: Any, axis: int, alpha: tuple[int, int, int], spacing: Callable[[int], Any]) -> Any:
    """A field, or its first derivative, at the faces across an axis by central differences.

    **Arguments:** `field`: `(batch, *space)` with a ghost at each end; `alpha`: the derivative; `spacing`: of an axis.
    """
    take = lambda x, place, part: x[(slice(None),) * (1 + place) + (part,)]
    for other in (i for i in range(field.ndim - 1) if i != axis):
        high, low = take(field, other, slice(2, None)), take(field, other, slice(None, -2))
        field = (high - low) / (2 * spacing(other)) if alpha[other] else take(field, other, slice(1, -1))
    low, high = take(field, axis, slice(None, -1)), take(field, axis, slice(1, None))
    return (high - low) / spacing(axis) if alpha[axis] else (low + high) / 2
