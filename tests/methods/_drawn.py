"""Models whose weights are NumPy's: JAX would compile a program for every shape that it draws."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np


def drawn(method, network, card, scale: float = 0.3):
    """What a method builds, with random numbers in all that it trains, also where a network starts with zeros."""
    rng = np.random.default_rng(0)

    @eqx.filter_jit
    def make():
        model = method.build(network, card, key=jax.random.key(0))
        trained, rest = eqx.partition(model, method.trainable(model))
        weights = [jnp.asarray(scale * rng.standard_normal(x.shape), x.dtype) for x in jax.tree.leaves(trained)]
        return eqx.combine(jax.tree.unflatten(jax.tree.structure(trained), weights), rest)

    return make()


def normal(*shape: int, seed: int = 1):
    """Standard normal numbers."""
    return jnp.asarray(np.random.default_rng(seed).standard_normal(shape), jnp.float32)
