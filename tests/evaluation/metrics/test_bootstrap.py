import numpy as np
import pytest

from pdejax.evaluation import bootstrap_interval


def test_coverage_of_a_gaussian_mean():
    rng, n, hits, widths = np.random.default_rng(0), 40, 0, []
    for i in range(300):
        low, high = bootstrap_interval(rng.normal(2.0, 1.5, n), resamples=400, seed=i)
        hits += low <= 2.0 <= high
        widths.append(high - low)
    assert 0.90 <= hits / 300 <= 0.98
    np.testing.assert_allclose(np.mean(widths), 2 * 1.96 * 1.5 / np.sqrt(n), rtol=0.06)


def test_a_paired_interval_sees_what_two_separate_ones_cannot():
    rng = np.random.default_rng(1)
    common = rng.normal(0, 10, 64)
    a, b = common + 0.5 + rng.normal(0, 0.2, 64), common + rng.normal(0, 0.2, 64)
    low, high = bootstrap_interval(a, minus=b)
    assert 0.3 < low < 0.5 < high < 0.7
    assert bootstrap_interval(a)[0] < bootstrap_interval(b)[1] - 1  # the separate ones overlap widely


def test_the_statistic_is_of_the_mean_curve():
    samples = np.random.default_rng(2).uniform(1, 2, (50, 3))
    low, high = bootstrap_interval(samples, lambda means: np.exp(np.log(means).mean(-1)))
    centre = np.exp(np.log(samples.mean(0)).mean())
    assert low.shape == ()
    assert low < centre < high


def test_curves_get_an_interval_per_point():
    low, high = bootstrap_interval(np.ones((10, 4)) * np.arange(4))
    np.testing.assert_allclose(low, np.arange(4))
    np.testing.assert_allclose(high, np.arange(4))


def test_runs_of_different_size_cannot_be_paired():
    with pytest.raises(ValueError, match=r"equal shapes, got \(4,\) and \(5,\)"):
        bootstrap_interval(np.ones(4), minus=np.ones(5))


def test_nothing_to_draw_from_and_no_level():
    with pytest.raises(ValueError, match="at least one trajectory, got none"):
        bootstrap_interval(np.ones(0))
    with pytest.raises(ValueError, match="level should be between 0 and 1, got 2"):
        bootstrap_interval(np.ones(3), level=2.0)
