"""Models whose weights are NumPy's: JAX would compile a program for every shape that it draws."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np


def drawn(method, network, card, where: Callable = lambda model: model.network, scale: float = 0.3):
    """What a method builds, with random weights everywhere, also where a network starts with zeros."""
    rng = np.random.default_rng(0)
    weights = lambda x: jnp.asarray(scale * rng.standard_normal(x.shape), x.dtype) if eqx.is_inexact_array(x) else x

    @eqx.filter_jit
    def make():
        model = method.build(network, card, key=jax.random.key(0))
        return eqx.tree_at(where, model, jax.tree.map(weights, where(model)))

    return make()


def normal(*shape: int, seed: int = 1):
    """Standard normal numbers."""
    return jnp.asarray(np.random.default_rng(seed).standard_normal(shape), jnp.float32)
