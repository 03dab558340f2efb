"""The functions of exponential integrators of matrices: a small one for each mode, or a large one of all points."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

Functions = tuple[Any, Any, Any, Any]  # exp, phi_1, phi_2, phi_3

_TERMS = 16  # of the series on the disc of radius 1/2: the next one is below float64's rounding
_SWEEPS = 3  # over the fields, after which the sizes of a row and its column are alike
_SMALL = 8  # fields
_MOST = 60  # squarings of a matrix that is known only later


def phi_blocks(a: Any) -> tuple[Functions, Functions]:
    """exp, phi_1, phi_2 and phi_3 of matrices and of their halves, see `phi_functions`.

    By scaling and squaring of balanced matrices: eigenvectors fail where there are too few of them (a wave's mean), and
    contour integrals where eigenvalues are far apart. Rounding grows with the norm: errors are about 1e-16 of it, in
    single precision, as of what is traced without 64-bit numbers, 1e-7 of it.

    **Arguments:** `a`: `(..., n, n)`, of NumPy or JAX, real or complex.

    **Raises:** `ValueError` for entries that are not finite, unless they are traced.

    Source: Hochbruck and Ostermann, Acta Numerica 2010, for the functions; doubling from their definitions.
    """
    xp: Any = jnp if isinstance(a, jax.Array) else np
    if xp is np and not np.isfinite(a).all():
        raise ValueError("the linear part has coefficients that are not finite: take fewer points or other parameters")
    sizes = _balancing(jax.lax.stop_gradient(a) if xp is jnp else a, xp)
    a = a * (sizes[..., None, :] / sizes[..., :, None]).astype(a.dtype)
    norm = xp.abs(a).sum(-1).max(-1)
    # of the half first: it is squared once more in any case
    counts = xp.clip(xp.ceil(xp.log2(xp.maximum(norm, 0.25))), 0, None if xp is np else _MOST)
    if xp is jnp:
        counts = jax.lax.stop_gradient(counts)
    half = _series(a * (2.0 ** -(counts + 1))[..., None, None].astype(a.dtype), xp)
    half = _repeated(half, counts, xp)
    back = (sizes[..., :, None] / sizes[..., None, :]).astype(a.dtype)
    scaled = lambda of: tuple(back * one for one in of)
    return scaled(_doubled(*half)), scaled(half)


def _balancing(a: Any, xp: Any) -> Any:
    """Powers of two by which fields are to be measured so that no entry is much larger than its mirror image.

    A wave's matrix [[0, 1], [-k^2, 0]] has the norm k^2, but is like [[0, k], [-k, 0]].
    """
    size, n = xp.abs(a), a.shape[-1]
    out = xp.ones(a.shape[:-1], size.dtype)
    if n > _SMALL:  # of many fields, as points of one are, all of a size
        return out
    for i in (*range(n),) * _SWEEPS:
        others = [j for j in range(n) if j != i]
        column = (size[..., others, i] / out[..., others]).sum(-1) * out[..., i]
        row = (size[..., i, others] * out[..., others]).sum(-1) / out[..., i]
        both = (column > 0) & (row > 0)
        ratio = xp.where(both, row, 1.0) / xp.where(both, column, 1.0)
        factor = xp.exp2(xp.round(xp.log2(ratio) / 2)).astype(size.dtype)
        out = xp.concatenate([out[..., :i], (out[..., i] * factor)[..., None], out[..., i + 1 :]], -1)
    return out


def _times(a: Any, b: Any) -> Any:
    """Products of matrices, which may be so small that a library for large ones is slow."""
    if a.shape[-1] > _SMALL:
        return jnp.matmul(a, b, precision="highest") if isinstance(a, jax.Array) else a @ b
    return sum(a[..., :, k, None] * b[..., None, k, :] for k in range(a.shape[-1]))


def _series(a: Any, xp: Any) -> Functions:
    """The functions of matrices whose norm is at most 1/2."""
    one = xp.broadcast_to(xp.eye(a.shape[-1], dtype=a.dtype), a.shape)
    third = one / float(math.factorial(_TERMS + 3))
    for n in range(_TERMS - 1, -1, -1):
        third = _times(third, a) + one / float(math.factorial(n + 3))
    second = _times(a, third) + one / 2
    first = _times(a, second) + one
    return _times(a, first) + one, first, second, third


def _repeated(of: Functions, counts: Any, xp: Any) -> Functions:
    """Doubled as often as each matrix needs it."""
    chosen = lambda i, of: tuple(
        xp.where((i < counts)[..., None, None], new, old) for new, old in zip(_doubled(*of), of, strict=True)
    )
    if xp is np:
        for i in range(int(counts.max(initial=0))):
            of = chosen(i, of)  # type: ignore[assignment]
        return of
    last = counts.max()
    body = lambda of, i: (jax.lax.cond(i < last, chosen, lambda i, of: of, i, of), None)
    return jax.lax.scan(body, of, jnp.arange(_MOST, dtype=counts.dtype))[0]


def _doubled(exp: Any, first: Any, second: Any, third: Any) -> Functions:
    """The functions of twice a matrix."""
    return (
        _times(exp, exp),
        (_times(exp, first) + first) / 2,
        (_times(first, first) + 2 * second) / 4,
        (_times(first, second) + second + 2 * third) / 8,
    )
