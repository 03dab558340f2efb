import inspect
import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pdejax.core import Alternating, StepperPredictor, predict_by_stepping
from pdejax.evaluation.metrics import ensemble as metrics
from pdejax.evaluation.metrics.ensemble import (
    coefficient_of_determination,
    cross_correlation_time,
    crps,
    rank_histogram,
)
from pdejax.evaluation.metrics.errors import correlation
from pdejax.evaluation.rollouts.ensemble import ensemble

# one program each instead of one for every operation
cross_correlation, mean_error, spread = map(jax.jit, (metrics.cross_correlation, metrics.mean_error, metrics.spread))
mean_error_spectrum = jax.jit(metrics.mean_error_spectrum, static_argnums=2)
spread_spectrum = jax.jit(metrics.spread_spectrum, static_argnums=1)

TIMES = np.array([0.5, 1.0, 1.5])


class Noisy(eqx.Module):
    """Decays and is kicked by white noise."""

    factor: float = eqx.field(static=True)

    def __call__(self, u, *, key=None):
        return self.factor * u + jax.random.normal(key, u.shape, u.dtype)


class Still(eqx.Module):
    """Stays what it is, or is not a number, whatever the key."""

    factor: float = eqx.field(static=True, default=1.0)

    def predict(self, initial, times, *, key=None):
        return jnp.broadcast_to(self.factor * initial, (len(times), *initial.shape))


def noisy(factor=0.5):
    return StepperPredictor(lambda p: Noisy(factor), 0.5)


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def test_members_are_predictions_with_their_own_keys(key):
    initial = normal(4, 8, 1).astype(np.float32)
    members = ensemble(noisy(), initial, TIMES, 3, key=key)
    assert members.shape == (3, 3, 4, 8, 1)
    subkey = jax.random.fold_in(key, 0)
    predict = jax.jit(lambda initial, key: predict_by_stepping(Noisy(0.5), initial, TIMES, 0.5, key=key))
    for m in range(3):
        expected = predict(initial, jax.random.fold_in(subkey, m))
        np.testing.assert_allclose(members[m], expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(ensemble(noisy(), initial, TIMES, 2, key=key), members[:2], rtol=1e-5, atol=1e-6)


def test_chunks_cover_all_trajectories_once(key):
    class Grow(eqx.Module):
        rate: jax.Array

        def __call__(self, u, *, key=None):
            return u * self.rate.reshape(-1, 1, 1) + 1e-4 * jax.random.normal(key, u.shape, u.dtype)

    initial, rate = normal(5, 8, 1).astype(np.float32), np.arange(1, 6, dtype=np.float32)
    predictor = StepperPredictor(lambda p: Grow(p["rate"]), 0.5)
    members = ensemble(predictor, initial, TIMES, 2, key=key, parameters={"rate": rate}, chunk=2)
    expected = np.stack([initial * rate.reshape(-1, 1, 1) ** n for n in (1, 2, 3)])
    np.testing.assert_allclose(members, np.stack([expected, expected]), atol=0.02)


def test_independent_models_are_members():
    class Scale(eqx.Module):
        factor: float = eqx.field(static=True)

        def __call__(self, u, *, key=None):
            return self.factor * u

    several = [StepperPredictor(lambda p, f=f: Scale(f), 0.5) for f in (1.0, 2.0, 3.0)]
    members = ensemble(several, np.ones((2, 4, 1), np.float32), TIMES)
    np.testing.assert_array_equal(members[:, :, 0, 0, 0], [[1, 1, 1], [2, 4, 8], [3, 9, 27]])


@pytest.mark.parametrize(
    ("predictor", "options", "message"),
    [
        (noisy(), {"members": 1}, "at least 2 members, got 1"),
        (noisy(), {"members": 2}, "differ by their random key"),
        ([noisy(), noisy()], {"members": 3}, "2 predictors make 2 members, not 3"),
        (Still(), {"members": 3, "key": jax.random.key(0)}, "deterministic: its members would be equal"),
    ],
)
def test_ensembles_that_cannot_be_made(predictor, options, message):
    with pytest.raises(ValueError, match=message):
        ensemble(predictor, np.ones((1, 4, 1), np.float32), TIMES, **options)


def gaussian_crps(mean, deviation, y):
    z = (y - mean) / deviation
    density = math.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    return deviation * (z * math.erf(z / math.sqrt(2)) + 2 * density - 1 / math.sqrt(math.pi))


@pytest.mark.parametrize("y", [-1.0, 0.3, 2.5])
@pytest.mark.parametrize("members", [2, 3, 20])
def test_crps_is_that_of_a_gaussian_whatever_the_number_of_members(members, y):
    draws = 400_000 // members
    found = crps(0.5 + 1.5 * normal(members, draws), np.full(draws, y))
    error = found.std() / math.sqrt(draws)
    assert abs(found.mean() - gaussian_crps(0.5, 1.5, y)) < 4 * error < 0.03


def test_crps_by_all_pairs():
    samples, truth = normal(5, 3, 4), normal(3, 4, seed=1)
    pairs = np.abs(samples[:, None] - samples[None]).sum((0, 1)) / (2 * 5 * 4)
    expected = np.abs(samples - truth).mean(0) - pairs
    np.testing.assert_allclose(crps(samples, truth), expected, rtol=1e-12)
    np.testing.assert_allclose(crps(jnp.asarray(samples, jnp.float32), jnp.asarray(truth, jnp.float32)), expected, 1e-4)


def chi_square(counts):
    expected = counts.sum() / len(counts)
    return float(((counts - expected) ** 2 / expected).sum())


def test_ranks_are_flat_where_truth_and_members_are_alike(key):
    samples, truth = normal(7, 20_000), normal(20_000, seed=1)
    assert chi_square(np.asarray(rank_histogram(samples, truth, key=key))) < 24.3  # 0.1 % of chi^2 with 7 degrees
    narrow = np.asarray(rank_histogram(0.5 * samples, truth, key=key))
    assert narrow[0] > 2 * narrow[3]
    assert narrow[-1] > 2 * narrow[4]
    wide = np.asarray(rank_histogram(2 * samples, truth, key=key))
    assert 2 * max(wide[0], wide[-1]) < wide[3]


def test_ties_are_broken_evenly(key):
    counts = np.asarray(rank_histogram(np.zeros((3, 8000)), np.zeros(8000), key=key))
    assert counts.sum() == 8000
    assert chi_square(counts) < 16.3


def test_the_rank_counts_members_below(key):
    samples = np.array([[1.0, 1.0, 1.0], [2.0, 2.0, 2.0]])
    np.testing.assert_array_equal(rank_histogram(samples, np.array([0.0, 1.5, 3.0]), key=key), [1, 1, 1])


def filtered(*shape, seed):
    """Gaussian fields with a spectrum that falls."""
    u_hat = np.fft.rfft(normal(*shape, 32, seed=seed), axis=-1)
    return np.fft.irfft(u_hat * np.exp(-0.2 * np.arange(17)), axis=-1)[..., None]


@pytest.mark.parametrize("members", [2, 5])
def test_spread_is_error_where_the_truth_is_one_more_member(members):
    """A common signal, and independent draws for the truth and the members: calibrated by construction."""
    signal = filtered(1, 800, seed=1)
    samples, truth = signal + filtered(members, 1, 800, seed=2), signal + filtered(1, 800, seed=3)
    mean_square = lambda x: float((np.asarray(x) ** 2).mean())
    np.testing.assert_allclose(mean_square(spread(samples)), mean_square(mean_error(samples, truth)), rtol=0.03)
    shells = lambda energy: np.asarray(energy, np.float64).mean((0, 1))
    one, other = shells(spread_spectrum(samples, 1)), shells(mean_error_spectrum(samples, truth, 1))
    np.testing.assert_allclose(one, other, rtol=0.2)
    half = shells(spread_spectrum(signal + (samples - signal) / 2, 1))
    np.testing.assert_allclose(4 * half, one, rtol=1e-4)


def test_the_spectrum_of_the_spread_adds_up_to_it():
    samples = filtered(4, 3, 5, seed=0)
    total = 2 * np.asarray(spread_spectrum(samples, 1)).sum(-1)
    np.testing.assert_allclose(total, spread(samples) ** 2, rtol=1e-4)


def test_cross_correlation_is_the_mean_over_pairs():
    samples = normal(4, 3, 2, 16, 2).astype(np.float32) + 3
    pairs = [jax.jit(correlation)(samples[i], samples[j]) for i in range(4) for j in range(i)]
    np.testing.assert_allclose(cross_correlation(samples), np.mean(pairs, axis=0), atol=1e-5)


def test_the_time_at_which_members_part():
    """Two members cos(x) and cos(x + a t): their correlation is cos(a t)."""
    x, times = 2 * np.pi * np.arange(32) / 32, 0.1 * np.arange(1, 31)
    rates = np.array([0.5, 1.0, 0.1])
    phase = times[:, None] * rates
    other = np.cos(x + phase[..., None])[..., None]
    samples = np.stack([np.broadcast_to(np.cos(x)[:, None], other.shape), other])
    found, censored = cross_correlation_time(samples, times, 0.8)
    exact = np.arccos(0.8) / rates
    np.testing.assert_allclose(found[:2], np.ceil(exact[:2] / 0.1) * 0.1)
    np.testing.assert_array_equal(censored, [False, False, True])
    assert found[2] == times[-1]


def test_coefficient_of_determination():
    x = np.array([1.0, 2.0, 3.0, 4.0])
    np.testing.assert_allclose(coefficient_of_determination(x, 2 * x + 1)[0], 1.0)
    np.testing.assert_allclose(coefficient_of_determination(x, x), (1.0, 1.0))
    np.testing.assert_allclose(coefficient_of_determination(x, x + 1), (1.0, 1 - 4 / 5))
    noise, signal = normal(100_000), normal(100_000, seed=1)
    line, _ = coefficient_of_determination(signal, signal + 0.5 * noise)
    np.testing.assert_allclose(line, 0.8, atol=0.01)
    with pytest.raises(ValueError, match="at least 3 trajectories, got 2"):
        coefficient_of_determination(x[:2], x[:2])
    with pytest.raises(ValueError, match="that differ between trajectories"):
        coefficient_of_determination(x, np.ones(4))


def test_a_predictor_that_draws_late_makes_an_ensemble(key):
    """Every second step is noisy: the first one is the same for all members."""
    usual = StepperPredictor(lambda p: Alternating(lambda u, key=None: 0.5 * u, Noisy(0.5), 2, 0.5), 0.5)
    members = ensemble(usual, normal(2, 8, 1).astype(np.float32), TIMES, 3, key=key)
    np.testing.assert_array_equal(members[0, 0], members[1, 0])
    assert not np.allclose(members[0, 1], members[1, 1])


@pytest.mark.parametrize("score", [crps, metrics.mean_error])
def test_a_truth_that_broadcasts_is_another_ones(score):
    with pytest.raises(ValueError, match=r"members have the shape of their truth, got \(3, 2, 8\) and \(3, 1, 8\)"):
        inspect.unwrap(score)(np.zeros((4, 3, 2, 8)), np.zeros((3, 1, 8)))


def test_members_that_are_no_numbers_have_no_rank(key):
    with pytest.raises(ValueError, match="ranks are of finite numbers"):
        rank_histogram(np.full((4, 5), np.nan), np.zeros(5), key=key)
    with pytest.raises(ValueError, match="a truth has some that are not"):
        rank_histogram(np.zeros((4, 5)), np.full(5, np.nan), key=key)


def test_times_that_are_no_numbers_explain_nothing():
    with pytest.raises(ValueError, match="finite numbers of the same trajectories"):
        coefficient_of_determination(np.array([1.0, 2.0, np.nan]), np.array([1.0, 2.0, 3.0]))
