import inspect

import numpy as np
import pytest

from pdejax.evaluation import correlation_time_of_each, correlation_time_of_mean, first_crossing

TIMES = 0.5 * np.arange(1, 9)


def test_a_curve_that_recovers_has_crossed_all_the_same():
    curve = np.array([1.0, 0.95, 0.7, 0.9, 0.95, 0.9, 0.5, 0.4])
    time, censored = first_crossing(curve, TIMES, 0.8)
    assert (float(time), bool(censored)) == (1.5, False)
    counted = 0.5 * np.sum(curve >= 0.8)  # what counting the frames above the threshold would say
    assert counted == 2.5


def test_the_crossing_is_a_frame_and_not_interpolated():
    curve = np.array([0.81, 0.0, 0.0])
    assert float(first_crossing(curve, TIMES[:3], 0.8)[0]) == 1.0


def test_a_first_frame_below_counts_with_its_own_time():
    assert float(first_crossing(np.array([0.1, 1.0]), TIMES[:2], 0.8)[0]) == 0.5


def test_equality_with_the_threshold_is_not_below():
    time, censored = first_crossing(np.full(4, 0.8), TIMES[:4], 0.8)
    assert (float(time), bool(censored)) == (2.0, True)


def test_mean_of_crossings_and_crossing_of_the_mean_differ():
    good, bad = np.ones(8), np.r_[0.95, 0.1, np.zeros(6)]
    curves = np.stack([good, good, good, bad, good], axis=1)
    # the mean is 0.99 and then 0.82, 0.8, 0.8, ...: it never falls below 0.8
    mean, each = correlation_time_of_mean(curves, TIMES, 0.8), correlation_time_of_each(curves, TIMES, 0.8)
    assert (mean.value, mean.censored) == (4.0, 1)
    assert (each.value, each.censored) == ((4 * 4.0 + 1.0) / 5, 4)
    lower = correlation_time_of_mean(curves[:, 2:], TIMES, 0.8)
    assert (lower.value, lower.censored) == (1.0, 0)


def test_crossings_of_many_curves_at_once():
    curves = np.stack([np.linspace(1, 0, 8), np.linspace(1, 0.9, 8)], axis=1)
    times, censored = first_crossing(curves, TIMES, 0.8)
    np.testing.assert_array_equal(times, [1.5, 4.0])
    np.testing.assert_array_equal(censored, [False, True])


def test_what_is_no_number_is_below():
    assert float(first_crossing(np.array([1.0, np.nan, 0.95, 0.9]), TIMES[:4], 0.8)[0]) == 1.0


@pytest.mark.parametrize(("numbers", "times"), [(3, 4), (4, 3), (0, 0)])
def test_curves_are_of_the_times(numbers, times):
    with pytest.raises(ValueError, match=f"a number for each time, of one at least, got {numbers} and {times}"):
        inspect.unwrap(first_crossing)(np.ones(numbers), TIMES[:times], 0.8)
