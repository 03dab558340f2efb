"""The functions of exponential integrators of small matrices, one for each mode."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

_TERMS = 16  # of the series on the disc of radius 1/2: the next one is below float64's rounding
_SWEEPS = 3  # over the fields, after which the sizes of a row and its column are alike
_MOST = 24  # squarings of a matrix that is known only later, whose norm reaches 2**23


def phi_blocks(a: Any) -> tuple[Any, Any, Any, Any]:
    """exp, phi_1, phi_2 and phi_3 of matrices, see `phi_functions`.

    By scaling and squaring of balanced matrices. Eigenvectors fail where there are too few of them (a wave's mean),
    contour integrals where eigenvalues are far apart (errors of 4e-2 and worse where this one has 5e-15).

    **Arguments:** `a`: `(..., n, n)`, of NumPy or JAX, real or complex.

    Source: Hochbruck and Ostermann, Acta Numerica 2010, for the functions; doubling from their definitions.
    """
    xp: Any = jnp if isinstance(a, jax.Array) else np
    sizes = _balancing(jax.lax.stop_gradient(a) if xp is jnp else a, xp)
    a = a * (sizes[..., None, :] / sizes[..., :, None]).astype(a.dtype)
    norm = xp.abs(a).sum(-1).max(-1)
    counts = xp.clip(xp.ceil(xp.log2(xp.maximum(norm, 0.25))) + 1, 0, None if xp is np else _MOST)
    found = _series(a * (2.0**-counts)[..., None, None].astype(a.dtype), xp)
    for i in range(int(counts.max()) if xp is np else _MOST):
        again = (i < counts)[..., None, None]
        found = tuple(xp.where(again, new, old) for new, old in zip(_doubled(*found), found, strict=True))
    back = (sizes[..., :, None] / sizes[..., None, :]).astype(a.dtype)
    exp, first, second, third = (back * f for f in found)
    return exp, first, second, third


def _balancing(a: Any, xp: Any) -> Any:
    """Powers of two by which fields are to be measured so that no entry is much larger than its mirror image.

    A wave's matrix [[0, 1], [-k^2, 0]] has the norm k^2, but is like [[0, k], [-k, 0]].
    """
    size, n = xp.abs(a), a.shape[-1]
    out = xp.ones(a.shape[:-1], size.dtype)
    for i in (*range(n),) * _SWEEPS:
        others = [j for j in range(n) if j != i]
        column = (size[..., others, i] / out[..., others]).sum(-1) * out[..., i]
        row = (size[..., i, others] * out[..., others]).sum(-1) / out[..., i]
        both = (column > 0) & (row > 0)
        ratio = xp.where(both, row, 1.0) / xp.where(both, column, 1.0)
        factor = xp.exp2(xp.round(xp.log2(ratio) / 2)).astype(size.dtype)
        out = xp.concatenate([out[..., :i], (out[..., i] * factor)[..., None], out[..., i + 1 :]], -1)
    return out


def _series(a: Any, xp: Any) -> tuple[Any, Any, Any, Any]:
    """The functions of matrices whose norm is at most 1/2."""
    one = xp.broadcast_to(xp.eye(a.shape[-1], dtype=a.dtype), a.shape)
    third = one / math.factorial(_TERMS + 3)
    for n in range(_TERMS - 1, -1, -1):
        third = third @ a + one / math.factorial(n + 3)
    second = a @ third + one / 2
    first = a @ second + one
    return a @ first + one, first, second, third


def _doubled(exp: Any, first: Any, second: Any, third: Any) -> tuple[Any, Any, Any, Any]:
    """The functions of twice a matrix."""
    return (
        exp @ exp,
        (exp @ first + first) / 2,
        (first @ first + 2 * second) / 4,
        (first @ second + second + 2 * third) / 8,
    )
