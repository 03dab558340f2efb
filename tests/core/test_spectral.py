import itertools

import jax
import numpy as np
import pytest

from pdejax.core import Grid, band_indices, inverse_transform, resample, transform

resized = jax.jit(resample, static_argnums=1)


def _trigonometric(grid, limits, seed=0):
    """A field with random modes |m_i| <= limits_i, evaluated from its formula."""
    rng, x = np.random.default_rng(seed), grid.coordinates()
    modes = itertools.product(*(range(-m, m + 1) for m in limits))
    waves = (rng.normal() * np.cos(2 * np.pi * (x @ np.asarray(m)) + rng.uniform(0, 6)) for m in modes)
    return sum(waves)[..., None]


@pytest.mark.parametrize("old", [(8,), (9,), (8, 10), (9, 7), (6, 7, 8)])
@pytest.mark.parametrize("factor", [0.6, 0.75, 1.25, 2.0])
def test_resampling_is_exact_for_fields_both_grids_hold(old, factor, x64):
    new = tuple(round(n * factor) for n in old)
    grid = Grid(old, (1.0,) * len(old))
    limits = [(min(a, b) - 1) // 2 for a, b in zip(old, new, strict=True)]
    u, v = (_trigonometric(g, limits) for g in (grid, grid.with_shape(new)))
    np.testing.assert_allclose(resized(u, new), v, atol=1e-11)


def test_the_nyquist_mode_is_split_and_folded(x64):
    u = np.cos(np.pi * np.arange(8.0))[:, None]
    fine = resized(u, (16,))
    np.testing.assert_allclose(fine[:, 0], np.cos(np.pi * np.arange(16) / 2), atol=1e-14)
    np.testing.assert_allclose(resized(fine, (8,)), u, atol=1e-14)


@pytest.mark.parametrize("shape", [(8,), (9,), (8, 6), (7, 9), (4, 5, 6)])
def test_up_and_down_again_is_the_identity(shape, x64):
    u = np.random.default_rng(0).normal(size=(2, *shape, 3))
    back = jax.jit(lambda u: resample(resample(u, tuple(2 * n + 1 for n in shape)), shape))(u)
    np.testing.assert_allclose(back, u, atol=1e-12)


@pytest.mark.parametrize("shape", [(8,), (7, 9)])
def test_transform_and_back(shape, x64):
    u = np.random.default_rng(0).normal(size=(2, *shape, 3))
    back = jax.jit(lambda u: inverse_transform(transform(u, len(shape)), shape))(u)
    np.testing.assert_allclose(back, u, atol=1e-13)


def test_bands_are_the_rounded_radii_of_the_modes():
    bands = band_indices((6, 6))
    assert bands.shape == (6, 4)
    assert bands[0, 0] == 0
    assert bands[3, 3] == round(np.hypot(3, 3))
    assert bands[5, 1] == 1  # mode (-1, 1)
