"""Vectors without a divergence."""

import json

import jax
import numpy as np
import pytest

from pdejax.core import Grid, build, describe
from pdejax.equations import Curl, Expression, TruncatedFourier


def corners(field, periodic):
    """The divergence at corners of the unit box, of means of the differences that meet there."""
    ndim, total = field.shape[-1], 0.0
    for a in range(ndim):
        part = np.pad(field[..., a], [(0, int(p)) for p in periodic], mode="wrap")
        for axis in range(ndim):
            low, high = (np.take(part, range(*ends), axis) for ends in ((0, part.shape[axis] - 1),
                                                                        (1, part.shape[axis])))  # fmt: skip
            part = (high - low) * field.shape[axis] if axis == a else (low + high) / 2
        total = total + part
    return np.abs(total).max()


@pytest.mark.parametrize(("shape", "ends"), [((12, 8), "periodic"), ((8, 6), "wall"), ((8, 6, 4), "periodic")])
def test_there_is_none_at_corners(shape, ends, key, x64):
    grid = Grid(shape, (1.0,) * len(shape), ends=ends, cells=True)
    channels = len(shape)
    potential = TruncatedFourier(cutoff=1, channels=2 * channels - 3)
    field = np.asarray(jax.jit(lambda k: Curl(potential, channels=channels)(k, grid))(key))
    assert np.abs(field).max() > 1
    assert corners(field, grid.periodic_axes) < 1e-12 * np.abs(field).max() * max(shape)


def test_it_is_that_of_the_potential(key, x64):
    errors = []
    for n in (16, 32):
        grid = Grid((n, n), (1.0, 1.0), ends=["periodic", "outflow"], cells=True)
        x, y = np.moveaxis(grid.coordinates(), -1, 0)
        found = Curl(Expression("sin(2*pi*x)*exp(y)"), mean=(0.5, -2.0))(key, grid)
        exact = np.stack([np.sin(2 * np.pi * x), -2 * np.pi * np.cos(2 * np.pi * x)], -1) * np.exp(y)[..., None]
        errors.append(np.abs(np.asarray(found) - exact - np.array([0.5, -2.0])).max())
    assert np.log2(errors[0] / errors[1]) > 1.9


def test_it_goes_through_json_and_refuses_what_does_not_fit(key):
    given = {"kind": "curl", "sampler": {"kind": "truncated_fourier"}, "mean": [1, 0]}
    made = build("sampler", given, channels=2)
    assert made == Curl(TruncatedFourier(), (1, 0))
    assert build("sampler", json.loads(json.dumps(describe(made))), channels=2) == made
    with pytest.raises(ValueError, match="sampler curl is for the two or three components of a vector"):
        build("sampler", given, channels=1)
    with pytest.raises(ValueError, match="mean should have one number for each of 3 components"):
        build("sampler", given, channels=3)
    with pytest.raises(ValueError, match="sampler curl of 2 components needs a grid of cells"):
        made(key, Grid((8, 8), (1.0, 1.0)))
