"""Does the installed compiler compute right numbers?

jaxlib 0.10.2 fuses products and reductions on CPU so that results under `jit` are off by a thousandth up to several
per cent (jax-ml/jax issue 39103); nothing else announces it.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


def _difference(function: Callable[[Any], Any], x: Any) -> float:
    """Largest difference of compiled and uncompiled values, relative to the largest value."""
    expected, compiled = np.asarray(function(x)), np.asarray(jax.jit(function)(x))
    return float(np.max(np.abs(expected - compiled)) / np.max(np.abs(expected)))


def _norms(dtype: Any) -> float:
    """The issue's own example: squared norms of many short matrix-vector products."""
    first = jnp.arange(16385, dtype=dtype)
    rows = jnp.stack([first, jnp.zeros_like(first), jnp.zeros_like(first)], axis=1)
    matrix = jnp.eye(3, dtype=dtype)
    return _difference(jax.vmap(lambda row: jnp.sum(jnp.square(matrix @ row))), rows)


def _curvature(dtype: Any) -> float:
    """The second derivative, forward over reverse, of Gaussians summed and passed through a small network."""
    random = np.random.default_rng(0)
    real = lambda *shape: jnp.asarray(random.uniform(-1, 1, shape), dtype)
    centres, weights, first, second = real(4, 50, 2), real(4, 50) / 10, real(4, 16) / 3, real(16, 1) / 3
    axis = np.linspace(-1, 1, 32)
    points = jnp.asarray(np.stack(np.meshgrid(axis, axis, indexing="ij"), -1).reshape(-1, 2), dtype)

    def field(x: Any) -> Any:
        offset = jnp.concatenate([x, points[:, 1:]], axis=1)[None, :, None] - centres[:, None]
        features = jnp.einsum("kmn,kn->mk", jnp.exp(-50 * jnp.sum(jnp.square(offset), axis=-1)), weights)
        return jnp.tanh(features @ first) @ second

    def second_derivative(x: Any) -> Any:
        ones = jnp.ones_like(x)
        slope = lambda x: jax.vjp(field, x)[1](jnp.ones_like(x))[0]
        return jax.jvp(slope, (x,), (ones,))[1]

    return _difference(second_derivative, points[:, :1])


def compiler_self_check() -> dict[str, float]:
    """How much compiled and uncompiled results differ, for programs that a broken compiler is known to get wrong.

    **Returns:** name of the program and precision to relative difference; a sound compiler stays below 1e-5 in
    float32 and 1e-12 in float64, jaxlib 0.10.2 is at 1e-3 or more.
    """
    programs = {"norms": _norms, "second derivative": _curvature}
    out = {}
    for name, program in programs.items():
        for dtype in ("float32", "float64"):
            with jax.enable_x64(dtype == "float64"):
                out[f"{name}, {dtype}"] = program(dtype)
    return out
