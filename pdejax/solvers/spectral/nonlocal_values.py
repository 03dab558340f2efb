"""Means and Hilbert transforms of expressions on a periodic grid."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import sympy

from pdejax.core import Grid
from pdejax.equations import Nonlocal, evaluate
from pdejax.solvers._arrays import scale


def nonlocal_values(
    wanted: Iterable[Nonlocal], values: Mapping[sympy.Symbol, Any], grid: Grid, transform: Callable[[], Any]
) -> dict[sympy.Symbol, Any]:
    """The values of means `(*batch, 1, ...)`, of NumPy where all values are, and of transforms `(*batch, *space)`.

    **Arguments:** `wanted`: each after those it is made of; `values`: of all other symbols, arrays of one rank;
    `transform`: gives the symbol of the Hilbert transform, masked.
    """
    axes, found = tuple(range(-grid.ndim, 0)), {}
    for one in wanted:
        field = evaluate(one.inner, {**values, **found})
        xp: Any = jnp if isinstance(field, jax.Array) else np
        if one.uniform:
            found[one] = xp.mean(field, axis=axes, keepdims=True)
        else:
            spectrum = xp.fft.rfftn(xp.broadcast_to(field, field.shape[: -grid.ndim] + grid.shape), axes=axes)
            found[one] = jnp.fft.irfftn(scale(transform(), spectrum), s=grid.shape, axes=axes)
    return found
