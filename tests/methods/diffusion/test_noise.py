import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pdejax.core import build
from pdejax.methods import weakest_wavenumber
from pdejax.methods.diffusion.levels import noise_features


def test_levels_of_pde_refiner_as_published():
    levels = build("noise", {"kind": "exponential", "refinements": 3, "min_noise_var": 4e-7}).levels()
    np.testing.assert_allclose(levels.sigma, [0, 0.08584, 0.007368, 0.0006325], rtol=1e-4)
    np.testing.assert_array_equal(levels.alpha, [0, 1, 1, 1])


def test_levels_of_pde_refiner_as_released():
    levels = build("noise", {"kind": "exponential", "min_noise_var": 4e-7, "start": "noise"}).levels()
    np.testing.assert_allclose(levels.sigma, [1, 0.08615, 0.007395, 0.0006325], rtol=1e-4)
    np.testing.assert_allclose(levels.alpha**2 + levels.sigma**2, 1, rtol=1e-6)
    four = build("noise", {"kind": "exponential", "refinements": 4, "min_noise_var": 4e-7, "start": "noise"}).levels()
    np.testing.assert_allclose(four.sigma, [1, 0.16, 0.025, 0.004, 0.00063], rtol=2e-2)


def test_geometric_levels_are_equally_spaced_in_log_snr():
    levels = build("noise", {"kind": "exponential", "refinements": 4}).levels()
    np.testing.assert_allclose(np.diff(levels.log_snr[1:], 2), 0, atol=1e-5)


def test_schedules_of_ddpm():
    linear = build("noise", {"kind": "linear", "steps": 1000}).levels()
    assert float(linear.alpha[0]) ** 2 == pytest.approx(4.036e-5, rel=1e-3)  # known end of the published schedule
    assert float(linear.sigma[-1]) ** 2 == pytest.approx(1e-4, rel=1e-4)
    acdm = build("noise", {"kind": "linear", "steps": 20, "beta_min": 5e-5, "beta_max": 0.01}).levels()
    betas = 1 - np.asarray(acdm.alpha)[:-1] ** 2 / np.asarray(acdm.alpha)[1:] ** 2
    np.testing.assert_allclose([betas[0], float(acdm.sigma[-1]) ** 2], [0.02 * 25, 1e-4 * 25], rtol=1e-4)
    cosine = build("noise", {"kind": "cosine", "steps": 100}).levels()
    share = np.cos((0.5 + 0.008) / 1.008 * np.pi / 2) ** 2 / np.cos(0.008 / 1.008 * np.pi / 2) ** 2
    assert float(cosine.alpha[50]) ** 2 == pytest.approx(share, rel=1e-4)


def test_log_normal_levels_have_their_moments():
    levels = build("noise", {"kind": "log_normal", "steps": 2000}).levels()
    logs = np.log(levels.sigma)
    assert logs.mean() == pytest.approx(-1.2, abs=1e-3)
    assert logs.std() == pytest.approx(1.2, rel=5e-3)
    assert np.all(np.diff(logs) < 0)


def test_adaptive_levels_follow_the_error():
    noise = build("noise", {"kind": "adaptive", "refinements": 3, "ratio": 0.5, "decay": 0.2, "rehearsals": 0})
    np.testing.assert_allclose(noise.levels(0.02).sigma, [0, 0.01, 0.002, 0.0004], rtol=1e-5)
    np.testing.assert_allclose(noise.levels(0.02, weakest=1e-4).sigma, [0, 0.01, 0.001, 0.0001], rtol=1e-5)
    single = build("noise", {"kind": "adaptive", "ratio": 0.5, "decay": 0.5}).levels(0.02, weakest=1e-4)
    np.testing.assert_allclose(single.sigma, [0, 0.04, 0.02, 0.01], rtol=1e-5)


@pytest.mark.parametrize("kind", ["linear", "cosine"])
def test_spread_keeps_the_ends_and_the_kind(kind):
    levels = build("noise", {"kind": kind, "steps": 100}).levels()
    for grid in ("trained", "log_snr", "karras"):
        few = levels.spread(7, grid)
        np.testing.assert_allclose(few.alpha**2 + few.sigma**2, 1, rtol=1e-5)
        np.testing.assert_allclose(few.log_snr[jnp.array([0, -1])], levels.log_snr[jnp.array([0, -1])], rtol=1e-3)
    np.testing.assert_allclose(np.diff(levels.spread(7, "log_snr").log_snr, 2), 0, atol=2e-3)


@pytest.mark.parametrize("grid", ["trained", "log_snr", "karras"])
def test_spread_keeps_pure_noise_pure(grid):
    """At alpha = 0 a network gives the field itself: 1e-6 in its place would divide by it."""
    levels = build("noise", {"kind": "exponential", "start": "noise"}).levels().spread(3, grid)
    assert float(levels.alpha[0]) == 0
    assert float(levels.sigma[0]) == 1
    assert len(levels.spread(1, grid)) == 1


def test_karras_levels_as_published():
    levels = build("noise", {"kind": "log_normal", "steps": 256}).levels()
    few = np.asarray(levels.spread(6, "karras").sigma)
    a, b = few[0] ** (1 / 7), few[-1] ** (1 / 7)
    np.testing.assert_allclose(few, (a + np.arange(6) / 5 * (b - a)) ** 7, rtol=1e-4)


def test_features_tell_levels_apart():
    levels = build("noise", {"kind": "exponential", "refinements": 8}).levels()
    told = noise_features(levels.log_snr)
    distance = jnp.linalg.norm(told[:, None] - told[None], axis=-1) + 10 * jnp.eye(9)
    assert float(distance.min()) > 0.5


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"kind": "exponential", "min_noise_var": 1e-11}, "variance of 1e-11 .* float32 cannot resolve"),
        ({"kind": "exponential", "min_noise_var": 4.0}, "min_noise_var should be less than 1, got 4"),
        ({"kind": "exponetial"}, "Did you mean 'exponential'"),
        ({"kind": "linear", "steps": 10}, "beta_max should lie between .* and 0.01, got 0.02"),
    ],
)
def test_impossible_noises_are_refused(options, words):
    with pytest.raises(ValueError, match=words):
        build("noise", options)


@pytest.mark.parametrize("shape", [(64,), (32, 32)])
def test_floor_is_the_weakest_wavenumber(shape, key):
    """White noise of standard deviation 0.01 over a steep spectrum: the floor is that of the noise."""
    noise = 0.01 * jax.random.normal(key, (200, *shape, 1))
    smooth = jnp.sin(3 * jnp.linspace(0, 2 * jnp.pi, shape[-1], endpoint=False))[:, None]
    floor = weakest_wavenumber(noise + jnp.broadcast_to(smooth, noise.shape))
    assert floor == pytest.approx(0.01, rel=0.1)
