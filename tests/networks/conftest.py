import itertools

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


@pytest.fixture
def trigonometric():
    return _trigonometric
