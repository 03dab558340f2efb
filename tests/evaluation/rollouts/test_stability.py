import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pdejax.core import StepperPredictor, trajectory
from pdejax.equations import Equation
from pdejax.evaluation.predictor import BoundStepper
from pdejax.evaluation.rollouts.stability import stability
from pdejax.solvers import ETDRK

X = 2 * np.pi * np.arange(16) / 16


class Scale(eqx.Module):
    factor: float = eqx.field(static=True)

    def __call__(self, u, *, key=None):
        return self.factor * u


class Shift(eqx.Module):
    """Moves by a grid point: on the attractor of all translations forever."""

    def __call__(self, u, *, key=None):
        return jnp.roll(u, 1, axis=-2)


class Walk(eqx.Module):
    def __call__(self, u, *, key=None):
        return u + jax.random.normal(key, u.shape, u.dtype)


class Remember(eqx.Module):
    """Two frames, oldest first; the new one is the older one."""

    def __call__(self, z, *, key=None):
        older, newer = jnp.split(z, 2, axis=-1)
        return jnp.concatenate([newer, older], axis=-1)


@pytest.fixture
def initial():
    return np.stack([np.cos(X) + 0.1 * np.cos(3 * X), np.cos(X + 1) + 0.1 * np.cos(3 * X)])[..., None].astype("f4")


def test_a_translation_stays_for_ten_thousand_steps(initial):
    result = stability(Shift(), initial, initial[None], steps=10_000)
    assert (result.steps, result.every, result.bounded) == (10_000, 200, 1.0)
    np.testing.assert_allclose(result.rms, np.sqrt(0.505), rtol=1e-5)
    assert result.spectrum_distance < 1e-3
    assert result.document["first_diverged_step"] is None


def test_growth_diverges_at_a_known_step(initial):
    """1.1^n > 10 first at n = 25."""
    result = stability(Scale(1.1), initial, initial[None], steps=60, every=10)
    np.testing.assert_array_equal(result.diverged_step, [25, 25])
    assert result.bounded == 0.0
    np.testing.assert_allclose(result.rms[:2, 0], np.sqrt(0.505) * 1.1 ** np.array([10, 20]), rtol=1e-4)
    assert np.isnan(result.rms[2:]).all()
    assert np.isfinite(result.spectrum[:3]).all()  # of the steps before the divergence
    assert np.isnan(result.spectrum[3:]).all()
    assert result.spectrum_distance is None
    assert "diverged" in result.document["reason"]
    assert result.document["first_diverged_step"] == 25


def test_the_spectrum_is_an_average_over_the_record(initial):
    result = stability(Scale(0.9), initial, initial[None], steps=7, every=3)
    assert result.steps == 9
    mean = np.mean(0.9 ** (2 * np.arange(1, 10)).reshape(3, 3), axis=1)
    np.testing.assert_allclose(result.spectrum[:, 1], 0.25 * mean, rtol=1e-4)
    np.testing.assert_allclose(result.spectrum[:, 3], 0.0025 * mean, rtol=1e-4)
    np.testing.assert_allclose(result.distance, np.abs(np.log10(mean)), rtol=1e-2)  # of both shells that hold energy


def test_a_drift_of_the_mean_is_told_apart_from_the_spectrum(initial):
    class Drift(eqx.Module):
        def __call__(self, u, *, key=None):
            return u + 0.01

    result = stability(Drift(), initial, initial[None], steps=20, every=1)
    np.testing.assert_allclose(result.mean_size, 0.01 * np.arange(1, 21) / np.sqrt(0.505), rtol=1e-4)
    assert result.spectrum_distance < 1e-3


def test_blocks_are_one_trajectory(initial, key):
    """Random steps in blocks are those of an unbroken trajectory with the same key."""
    result = stability(Walk(), initial, 100 * initial[None], steps=12, every=4, key=key)
    states = trajectory(Walk(), jnp.asarray(initial), 12, key=key)
    np.testing.assert_allclose(result.rms, np.sqrt((states[3::4] ** 2).mean((-1, -2))), rtol=1e-5)


def test_time_goes_on_between_blocks(diffusion):
    forced = dataclasses.replace(diffusion().family, equation=Equation("u_t = cos(t)"), vary={})
    steps = ETDRK(substeps=8).stepper(forced)
    result = stability(steps, np.zeros((1, 16, 1), "f4"), np.ones((1, 1, 16, 1), "f4"), steps=8, every=2)
    np.testing.assert_allclose(result.rms[:, 0], np.abs(np.sin(0.25 * np.array([2, 4, 6, 8]))), rtol=1e-4)


def test_parameters_and_double_precision(diffusion):
    dataset = diffusion(vary=True)
    split = dataset.split("test")
    solver = BoundStepper(lambda p: dataset.simulator.stepper(dataset.family, p), dataset.step)
    result = stability(
        solver, split.states[:, 0], split.states[:, 1:].swapaxes(0, 1), steps=12, every=3, double=True,
        parameters=split.parameters,
    )  # fmt: skip
    expected = np.sqrt((split.states[:, 3::3].astype(float) ** 2).mean((-1, -2))).T
    np.testing.assert_allclose(result.rms, expected, rtol=1e-5)


def test_the_newest_frame_of_a_history_counts(initial):
    state = np.concatenate([2 * initial, initial], axis=-1)
    result = stability(Remember(), state, initial[None], steps=4, every=1)
    np.testing.assert_allclose(result.rms[:, 0], np.sqrt(0.505) * np.array([2, 1, 2, 1]), rtol=1e-5)


def test_without_a_periodic_grid_there_is_no_spectrum(initial):
    predictor = StepperPredictor(lambda p: Shift(), 1.0)
    result = stability(predictor, initial, initial[None], steps=4, periodic=False)
    assert result.spectrum is result.distance is result.spectrum_distance is None
    assert result.bounded == 1.0


def test_what_does_not_step_is_refused(initial):
    class Field(eqx.Module):
        def predict(self, initial, times, *, key=None):
            return initial

    with pytest.raises(ValueError, match="needs a Stepper to call, Field predicts in another way"):
        stability(Field(), initial, initial[None], steps=3)
    with pytest.raises(ValueError, match="at least one step, got 0"):
        stability(Shift(), initial, initial[None], steps=0)
