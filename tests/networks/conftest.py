import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest


def _trigonometric(ndim, modes, channels, batch=2, seed=0):
    """A random real trigonometric polynomial with frequencies |k| < modes, as a function of the grid's shape."""
    rng = np.random.default_rng(seed)
    waves = [k for k in itertools.product(range(1 - modes, modes), repeat=ndim) if k >= (0,) * ndim]
    amplitude, phase = rng.standard_normal((2, len(waves), batch, channels)) / len(waves) ** 0.5

    def at(shape):
        axes = np.meshgrid(*(2 * np.pi * np.arange(n) / n for n in shape), indexing="ij")
        angle = np.stack([sum(k * x for k, x in zip(wave, axes, strict=True)) for wave in waves])
        cos, sin = (np.moveaxis(f(angle), 0, -1) for f in (np.cos, np.sin))
        value = np.tensordot(cos, amplitude * np.cos(phase), 1) - np.tensordot(sin, amplitude * np.sin(phase), 1)
        return np.moveaxis(value, -2, 0)

    return at


@pytest.fixture(scope="session")
def trigonometric():
    return _trigonometric


def _drawn(build, seed=0):
    """The module `build(key)` with NumPy's numbers for weights and biases, which need no compilation."""
    rng = np.random.default_rng(seed)
    module = eqx.filter_eval_shape(build, jax.random.key(0))
    scale = lambda a: a.shape[-2] ** -0.5 if a.ndim > 1 else 0.5
    draw = lambda a: jnp.asarray(scale(a) * rng.standard_normal(a.shape), a.dtype)
    return jax.tree.map(lambda a: draw(a) if isinstance(a, jax.ShapeDtypeStruct) else a, module)


@pytest.fixture(scope="session")
def drawn():
    return _drawn


@pytest.fixture(scope="session")
def noise():
    """Normal numbers of a shape, in the current default precision."""
    return lambda *shape, seed=0: jnp.asarray(
        np.random.default_rng(seed).standard_normal(shape), jnp.result_type(float)
    )
