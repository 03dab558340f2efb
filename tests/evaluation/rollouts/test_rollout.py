import equinox as eqx
import jax
import numpy as np
import pytest

from pdejax.core import StepperPredictor
from pdejax.evaluation import moments, rollout
from pdejax.evaluation.rollouts.rollout import BUDGET, chunk_size


class Grow(eqx.Module):
    """u -> rate u + noise, with a rate for each trajectory."""

    rate: jax.Array
    noise: float = eqx.field(static=True, default=0.0)

    def __call__(self, u, *, key=None):
        grown = u * self.rate.reshape(-1, *([1] * (u.ndim - 1)))
        return grown if self.noise == 0 else grown + self.noise * jax.random.normal(key, u.shape)


PREDICTOR = StepperPredictor(lambda p: Grow(p["rate"]), 0.5)
INITIAL = np.random.default_rng(0).normal(size=(7, 6, 1)).astype(np.float32)
RATES = np.linspace(0.5, 1.1, 7).astype(np.float32)
TIMES = 0.5 * np.arange(1, 6)
EXPECTED = INITIAL[None] * (RATES[None, :] ** np.arange(1, 6)[:, None])[..., None, None]


@pytest.mark.parametrize("chunk", [None, 1, 3, 7])
def test_every_chunk_size_gives_the_same_trajectories_with_their_own_parameters(chunk):
    result = rollout(PREDICTOR, INITIAL, TIMES, parameters={"rate": RATES}, chunk=chunk)
    np.testing.assert_allclose(result.values, EXPECTED, rtol=1e-5)
    assert result.seconds > 0
    assert result.compile_seconds > 0


def test_the_measure_sees_prediction_and_truth_of_the_same_trajectories():
    result = rollout(PREDICTOR, INITIAL, TIMES, parameters={"rate": RATES}, truth=EXPECTED, measure=moments, chunk=3)
    assert result.values.error.shape == (5, 7, 1)
    assert result.values.nrmse().max() < 1e-5


def test_only_what_was_measured_is_kept():
    result = rollout(PREDICTOR, INITIAL, TIMES, parameters={"rate": RATES}, measure=lambda u: u.mean((2, 3)), chunk=2)
    np.testing.assert_allclose(result.values, EXPECTED.mean((2, 3)), atol=1e-5)


def test_chunks_of_a_stochastic_predictor_draw_differently_and_reproducibly(key):
    noisy = StepperPredictor(lambda p: Grow(p["rate"], 1.0), 0.5)
    zeros, rates = np.zeros_like(INITIAL), {"rate": np.ones_like(RATES)}
    first, second = (rollout(noisy, zeros, TIMES, parameters=rates, chunk=2, key=key).values for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert abs(np.corrcoef(first[:, 0].ravel(), first[:, 2].ravel())[0, 1]) < 0.9
    assert not np.array_equal(first[:, 0], first[:, 2])


def test_progress_ends_at_the_total():
    seen = []
    rollout(PREDICTOR, INITIAL, TIMES, parameters={"rate": RATES}, chunk=3, progress=lambda *x: seen.append(x))
    assert seen == [(3, 7), (6, 7), (7, 7)]


def test_chunks_fit_the_budget_and_are_nearly_equal():
    assert chunk_size((128, 128, 1), 260) == 64
    assert chunk_size((65, 16, 1), 10) == 33
    big = (10, 128, 128, 128, 1)
    assert chunk_size(big, 30) * 128**3 * 4 * 30 <= BUDGET
    assert chunk_size((3, 1024, 1024, 1024, 1), 1000) == 1
