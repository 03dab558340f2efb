import inspect

import jax
import numpy as np
import pytest

from pdejax import evaluation
from pdejax.evaluation import BANDS

# one program each instead of one for every operation
energy_spectrum = jax.jit(evaluation.energy_spectrum, static_argnums=1)
band_error = jax.jit(evaluation.band_error, static_argnums=2)
nrmse, spectrum_log_distance = jax.jit(evaluation.nrmse), jax.jit(evaluation.spectrum_log_distance)

SHAPES = [(16,), (15,), (12, 16), (9, 15), (8, 6, 10), (7, 8, 9)]


def mode(shape, numbers, amplitude=2.0):
    axes = [2 * np.pi * np.arange(n) / n for n in shape]
    phase = sum(m * x for m, x in zip(numbers, np.meshgrid(*axes, indexing="ij"), strict=True))
    return np.asarray(amplitude * np.cos(phase)[..., None], np.float32)


@pytest.mark.parametrize(
    ("shape", "numbers"),
    [((16,), (3,)), ((16, 16), (3, 4)), ((16, 16), (4, -3)), ((12, 12, 12), (1, 2, 2)), ((12, 12, 12), (0, 0, 3))],
)
def test_a_single_mode_is_all_in_its_shell(shape, numbers):
    spectrum = np.asarray(energy_spectrum(mode(shape, numbers), len(shape)))
    shell = round(float(np.sqrt(np.sum(np.square(numbers)))))
    expected = np.zeros_like(spectrum)
    expected[shell] = 2.0**2 / 4  # half the mean square of 2 cos
    np.testing.assert_allclose(spectrum, expected, atol=1e-6)


def test_the_nyquist_mode_and_the_mean_count_once():
    u = mode((16,), (8,)) + np.float32(3.0)
    spectrum = np.asarray(energy_spectrum(u, 1))
    np.testing.assert_allclose(spectrum[[0, 8]], [9 / 2, 4 / 2], rtol=1e-6)


@pytest.mark.parametrize("shape", SHAPES)
def test_parseval(shape):
    u = np.asarray(np.random.default_rng(0).normal(size=(2, 3, *shape, 2)), np.float32)
    spectrum = energy_spectrum(u, len(shape))
    half_mean_square = (np.asarray(u) ** 2).sum(-1).mean(tuple(range(2, 2 + len(shape)))) / 2
    np.testing.assert_allclose(spectrum.sum(-1), half_mean_square, rtol=1e-5)


@pytest.mark.parametrize("shape", [(16, 16), (9, 9), (8, 8, 8)])
def test_the_spectrum_does_not_depend_on_the_order_of_axes(shape):
    u = np.asarray(np.random.default_rng(1).normal(size=(*shape, 1)), np.float32)
    turned = np.moveaxis(u, 0, len(shape) - 1)
    np.testing.assert_allclose(
        energy_spectrum(u, len(shape)), energy_spectrum(turned, len(shape)), rtol=2e-4, atol=1e-7
    )


def test_squares_of_band_errors_add_up_to_the_squared_nrmse():
    rng = np.random.default_rng(2)
    truth, prediction = (np.asarray(rng.normal(size=(3, 2, 64, 2)), np.float32) for _ in range(2))
    error, whole = energy_spectrum(prediction - truth, 1), energy_spectrum(truth, 1)
    squares = sum(band_error(error, whole, band) ** 2 for band in BANDS)
    np.testing.assert_allclose(squares, nrmse(prediction, truth) ** 2, rtol=1e-4)


@pytest.mark.parametrize(
    ("number", "band"), [(0, "low"), (4, "low"), (5, "mid"), (12, "mid"), (13, "high"), (31, "high")]
)
def test_bands_hold_their_modes(number, band):
    truth = mode((64,), (1,))
    error = energy_spectrum(mode((64,), (number,), 0.5), 1)
    found = {name: float(band_error(error, energy_spectrum(truth, 1), name)) for name in BANDS}
    assert max(found, key=lambda name: found[name]) == band
    np.testing.assert_allclose(found[band], 0.25 * (np.sqrt(2) if number == 0 else 1), rtol=1e-5)


def test_log_distance_of_a_scaled_field_is_its_power_in_decades():
    truth = energy_spectrum(np.asarray(np.random.default_rng(3).normal(size=(4, 32, 1)), np.float32), 1)
    np.testing.assert_allclose(spectrum_log_distance(truth * 100, truth), 2.0, rtol=1e-5)
    np.testing.assert_allclose(spectrum_log_distance(truth, truth), 0.0, atol=1e-7)


def test_log_distance_counts_shells_with_signal_alone():
    truth = np.asarray([1.0, 1e-3, 1e-20, 0.0], np.float32)
    noisy = np.asarray([1.0, 1e-3, 1e-5, 1e-13], np.float32)
    np.testing.assert_allclose(spectrum_log_distance(noisy, truth), 0.0, atol=1e-6)
    lost = np.asarray([1.0, 0.0, 1e-5, 0.0], np.float32)
    # 9 decades in one of the two shells that hold any
    np.testing.assert_allclose(spectrum_log_distance(lost, truth), 9 / np.sqrt(2), rtol=1e-3)
    nothing = np.zeros(4, np.float32)
    np.testing.assert_allclose(spectrum_log_distance(truth, nothing), np.sqrt((12**2 + 9**2) / 4), rtol=1e-3)


def test_what_is_no_spectrum_is_told():
    with pytest.raises(ValueError, match=r"unknown band 'lo'\. Did you mean 'low'"):
        evaluation.band_error(np.ones(4), np.ones(4), "lo")
    with pytest.raises(ValueError, match=r"the same shells, got shapes \(4,\) and \(5,\)"):
        inspect.unwrap(evaluation.spectrum_log_distance)(np.ones(4), np.ones(5))
    with pytest.raises(ValueError, match=r"a field of 2 space axes \(one to three\) is .* got \(8, 1\)"):
        evaluation.energy_spectrum(np.ones((8, 1)), 2)
