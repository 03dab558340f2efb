import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pdejax import evaluation
from pdejax.evaluation import geometric_mean, moments

# one program each instead of one for every operation
correlation, mse, nrmse, vrmse = map(
    jax.jit, (evaluation.correlation, evaluation.mse, evaluation.nrmse, evaluation.vrmse)
)


def waves(phase, offset=0.0, n=64):
    """(time, trajectory, space, channel): one frame, one trajectory."""
    x = 2 * np.pi * np.arange(n) / n
    return np.asarray((np.sin(3 * x + phase) + offset)[None, None, :, None], np.float32)


@pytest.mark.parametrize("scale", [0.3, 1.0, 1.7])
def test_nrmse_of_a_scaled_prediction_is_the_relative_excess(scale):
    truth = np.asarray(np.random.default_rng(0).normal(size=(3, 4, 8, 8, 2)), np.float32)
    np.testing.assert_allclose(nrmse(np.float32(scale) * truth, truth), abs(scale - 1), rtol=2e-5, atol=1e-7)


def test_nrmse_joins_channels_instead_of_summing_them():
    truth = np.ones((1, 1, 8, 2), np.float32)
    prediction = truth * np.asarray([1.1, 1.5], np.float32).reshape(1, 1, 1, 2)
    expected = np.sqrt((0.1**2 + 0.5**2) / 2)  # 0.36; the sum of the channels' ratios would be 0.6
    np.testing.assert_allclose(nrmse(prediction, truth), expected, rtol=1e-5)


def test_nrmse_of_a_zero_truth_is_zero_or_infinite_but_never_nan():
    truth = np.zeros((1, 2, 8, 1), np.float32)
    prediction = truth.copy()
    prediction[0, 1] = 1.0
    np.testing.assert_array_equal(nrmse(prediction, truth), [[0.0, np.inf]])


def test_metrics_keep_time_and_trajectory_apart():
    truth = np.ones((2, 3, 4, 4, 1), np.float32)
    size = np.arange(6, dtype=np.float32).reshape(2, 3, 1, 1, 1)
    np.testing.assert_allclose(mse(truth + size, truth), np.arange(6).reshape(2, 3) ** 2, rtol=1e-6)


def test_vrmse_of_the_spatial_mean_is_one_up_to_the_sample_variance():
    n = 64
    truth = np.asarray(np.random.default_rng(1).normal(5, 2, (4, 3, n, 2)), np.float32)
    mean = np.broadcast_to(truth.mean(2, keepdims=True), truth.shape)
    np.testing.assert_allclose(vrmse(mean, truth), np.sqrt((n - 1) / n), rtol=1e-4)


def test_vrmse_averages_over_channels_each_scaled_by_its_own_deviation():
    base = np.random.default_rng(2).normal(size=(1, 1, 256))
    truth = np.asarray(np.stack([base, 1000 * base], -1), np.float32)
    deviation = base.std(ddof=1)
    prediction = truth + np.asarray([0.1 * deviation, 300 * deviation], np.float32).reshape(1, 1, 1, 2)
    np.testing.assert_allclose(vrmse(prediction, truth), (0.1 + 0.3) / 2, rtol=1e-4)


@pytest.mark.parametrize("phase", [0.0, 0.4, np.pi / 2, 2.5, np.pi])
def test_correlation_of_shifted_sines_is_the_cosine_of_the_shift(phase):
    np.testing.assert_allclose(correlation(waves(phase, offset=7.0), waves(0.0)), np.cos(phase), atol=2e-6)


def test_correlation_does_not_mistake_levels_of_channels_for_agreement():
    truth = np.concatenate([waves(0.0, 0.0), waves(0.0, 100.0)], -1)
    prediction = np.concatenate([waves(np.pi / 2, 0.0), waves(np.pi / 2, 100.0)], -1)
    np.testing.assert_allclose(correlation(prediction, truth), 0, atol=1e-4)


def test_correlation_of_a_constant_field_is_zero():
    constant = np.full((1, 1, 64, 1), 3.0, np.float32)
    assert correlation(constant, waves(0.0)).item() == 0
    assert correlation(waves(0.0), constant).item() == 0


def test_geometric_mean_averages_over_trajectories_first():
    curves = np.array([[1.0, 3.0], [8.0, 8.0], [1e9, 1e9]])
    np.testing.assert_allclose(geometric_mean(curves, up_to=2), np.sqrt(2 * 8))
    np.testing.assert_allclose(geometric_mean(np.full(150, 0.5)), 0.5)
    assert geometric_mean(np.zeros(3)) == 0


def test_moments_give_what_norms_give():
    rng = np.random.default_rng(3)
    truth, prediction = (np.asarray(rng.normal(size=(2, 3, 16, 2)), np.float32) for _ in range(2))
    m = moments(prediction, truth)
    error = np.linalg.norm(np.asarray(prediction - truth).reshape(2, 3, -1), axis=-1)
    np.testing.assert_allclose(
        m.nrmse(), error / np.linalg.norm(np.asarray(truth).reshape(2, 3, -1), axis=-1), rtol=1e-5
    )
    np.testing.assert_allclose(m.mse(), error**2 / 32, rtol=1e-5)


@pytest.mark.parametrize("scale", [2.0**-90, 2.0**-64, 2.0**63, 2.0**120])
def test_relative_errors_do_not_depend_on_units(scale):
    """Squares of such numbers are zero or infinite in float32, which was told as no error, or as no correlation."""
    rng = np.random.default_rng(0)
    truth = np.asarray(rng.normal(size=(2, 3, 16, 2)), np.float32)
    prediction = truth + np.asarray(0.1 * rng.normal(size=truth.shape), np.float32)
    scaled = np.float32(scale) * prediction, np.float32(scale) * truth
    np.testing.assert_array_equal(
        evaluation.nrmse(*map(jnp.asarray, scaled)), evaluation.nrmse(*map(jnp.asarray, (prediction, truth)))
    )
    np.testing.assert_array_equal(nrmse(*scaled), nrmse(prediction, truth))
    np.testing.assert_array_equal(correlation(*scaled), correlation(prediction, truth))
    np.testing.assert_array_equal(correlation(scaled[0], truth), correlation(prediction, truth))


def test_a_frame_that_has_decayed_is_measured_by_its_own_size():
    """Each frame is ten orders smaller than the one before, and the prediction of each is wrong by as many parts."""
    frames = np.cos(np.arange(8.0)).reshape(1, 1, 8, 1) * 10.0 ** (-10 * np.arange(4.0)).reshape(4, 1, 1, 1)
    truth = frames.astype(np.float32)
    relative = np.array([1e-1, 1e-2, 1e-3, 1e-1], np.float32)
    found = jax.jit(moments)(truth * (1 + relative).reshape(4, 1, 1, 1), truth)
    np.testing.assert_allclose(found.nrmse()[:, 0], relative, rtol=1e-3)
    np.testing.assert_allclose(found.whole().truth[:, 0, 0], (frames**2).mean((1, 2, 3)), rtol=1e-6)


def test_a_truth_on_the_host_meets_a_prediction_on_the_device():
    rng = np.random.default_rng(0)
    truth, prediction = (np.asarray(rng.normal(size=(2, 1, 8, 1)), np.float32) for _ in range(2))
    for metric in (evaluation.mse, evaluation.nrmse, evaluation.vrmse, evaluation.correlation):
        np.testing.assert_allclose(
            jax.jit(lambda p, m=metric: m(p, truth))(prediction), metric(prediction, truth), rtol=1e-5
        )
    slope = jax.grad(lambda p: evaluation.mse(p, truth).sum())(jnp.asarray(prediction))
    np.testing.assert_allclose(slope, (prediction - truth) / 4, rtol=1e-5)


def test_host_arrays_stay_double_and_agree_with_numpy():
    rng = np.random.default_rng(0)
    truth, prediction = rng.normal(size=(2, 1, 1, 16, 1))
    found = evaluation.correlation(prediction, truth)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found[0, 0], np.corrcoef(prediction.ravel(), truth.ravel())[0, 1], rtol=1e-14)
