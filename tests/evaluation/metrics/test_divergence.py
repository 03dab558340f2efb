import equinox as eqx
import numpy as np
import pytest

from pdejax.evaluation import moments, without_divergence
from pdejax.evaluation.metrics.divergence import first_diverged


def ones(*shape):
    return np.ones(shape, np.float32)


def initial(truth):
    return (truth[0] ** 2).mean(1)


def bounded(prediction, truth):
    return without_divergence(eqx.filter_jit(moments)(prediction, truth), initial(truth))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e30, 10.1])
def test_what_is_not_finite_or_ten_times_too_large_is_replaced_from_then_on(bad):
    truth = ones(5, 3, 8, 1)
    prediction = truth.copy()
    prediction[2, 1] = bad  # a later return to the truth does not count
    kept, diverged = bounded(prediction, truth)
    expected = np.zeros((5, 3), bool)
    expected[2:, 1] = True
    np.testing.assert_array_equal(diverged, expected)
    np.testing.assert_array_equal(first_diverged(diverged), [0, 3, 0])
    np.testing.assert_allclose(kept.nrmse(), np.where(expected, 10.0, 0.0), atol=1e-6)
    np.testing.assert_array_equal(kept.correlation[expected], 0)
    for values in (kept.error, kept.prediction, kept.correlation, kept.vrmse(), kept.mse()):
        assert np.isfinite(values).all()


def test_nine_times_the_data_is_bad_but_has_not_diverged():
    truth = ones(3, 1, 8, 1)
    kept, diverged = bounded(np.float32(9.5) * truth, truth)
    assert not diverged.any()
    np.testing.assert_allclose(kept.nrmse(), 8.5, rtol=1e-6)


def test_a_decaying_truth_is_measured_by_its_largest_frame():
    decay = np.asarray(0.1 ** np.arange(5), np.float32).reshape(5, 1, 1, 1)
    truth = ones(5, 1, 8, 1) * decay
    _, diverged = bounded(ones(5, 1, 8, 1), truth)
    assert not diverged.any()  # 10,000 times the last frame, but as large as the first one


def test_a_truth_that_has_decayed_by_any_amount_makes_nothing_diverge():
    decay = np.asarray(0.1 ** (10.0 * np.arange(4)), np.float32).reshape(4, 1, 1, 1)
    kept, diverged = bounded(ones(4, 1, 64, 1), ones(4, 1, 64, 1) * decay)
    assert not diverged.any()
    np.testing.assert_allclose(kept.nrmse()[1:, 0], [1e10, 1e20, 1e30], rtol=1e-5)


def test_each_channel_is_limited_by_its_own_size():
    truth = ones(2, 1, 8, 2) * np.asarray([1.0, 100.0], np.float32).reshape(1, 1, 1, 2)
    kept, _ = bounded(truth * np.float32(np.nan), truth)
    np.testing.assert_allclose(np.sqrt(kept.error[1, 0]), [10.0, 1000.0], rtol=1e-6)
