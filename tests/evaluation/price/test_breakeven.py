"""Synthetic systems of known cost and error give the known speed-up and breakeven number."""

import numpy as np
import pytest

from pdejax.evaluation.price.breakeven import NEVER, Priced, amdahl, breakeven, quoted

COST = np.array([1.0, 2.0, 4.0, 8.0])  # of solvers whose error is cost^-2


def priced(error, seconds, *, spent=100.0, floor=0.0, trajectories=8, repeats=5, noise=0.0, seed=0):
    """A network among solvers of order two; with noise, factors of mean one of every error and timing."""
    rng = np.random.default_rng(seed)
    some = lambda value, count: value * np.exp(noise * rng.normal(size=count))
    return Priced(
        some(error, trajectories),
        some(seconds, repeats),
        np.stack([some(c**-2, trajectories) for c in COST]),
        np.stack([some(c, repeats) for c in COST]),
        floor,
        spent,
    )


def test_known_costs_give_the_known_numbers():
    """At the error of the network the solver costs 3; the network half a second: 100 / 2.5 solves repay."""
    found = quoted(priced(1 / 9, 0.5))
    assert found["solver_seconds"] == pytest.approx(3.0)
    assert found["speed_up"] == pytest.approx(6.0)
    assert found["breakeven"] == pytest.approx(40.0)
    assert found["hours"] == pytest.approx(40 * 3 / 3600)
    assert (found["end"], found["solver"], found["reason"]) == ("inside", 2, None)
    assert found["speed_up_interval"] == pytest.approx([6.0, 6.0])
    assert found["breakeven_interval"] == pytest.approx([40.0, 40.0])


def test_equal_costs_are_never_repaid():
    found = quoted(priced(1 / 16, 4.0))
    assert found["speed_up"] == 1.0
    assert (found["breakeven"], found["breakeven_interval"]) == (NEVER, [NEVER, NEVER])
    assert found["hours"] is None
    between = quoted(priced(1 / 9, np.exp(0.5 * np.log(9.0))))  # costs that agree but for rounding
    assert between["breakeven"] == NEVER


def test_a_dearer_network_never_repays_even_if_nothing_was_spent():
    assert quoted(priced(1 / 9, 5.0, spent=0.0))["breakeven"] == NEVER
    assert quoted(priced(1 / 9, 5.0, spent=None))["breakeven"] == NEVER
    assert quoted(priced(1 / 9, 0.5, spent=0.0))["breakeven"] == 0.0


def test_what_the_training_took_may_be_unknown():
    found = quoted(priced(1 / 9, 0.5, spent=None))
    assert (found["breakeven"], found["breakeven_interval"], found["hours"]) == (None, None, None)
    assert found["reason"] == "it is not known what the training took"
    assert found["speed_up"] == pytest.approx(6.0)


def test_a_network_less_accurate_than_every_solver_has_an_upper_bound():
    cheap = quoted(priced(2.0, 0.5))
    assert (cheap["end"], cheap["speed_up"], cheap["speed_up_bound"]) == ("cheap", 2.0, "<=")
    assert (cheap["breakeven"], cheap["breakeven_bound"]) == (pytest.approx(200.0), ">=")
    assert quoted(priced(2.0, 1.5))["breakeven"] == NEVER


def test_a_network_more_accurate_than_every_solver_has_a_lower_bound():
    best = quoted(priced(1 / 100, 0.5))
    assert (best["end"], best["speed_up"], best["speed_up_bound"]) == ("accurate", 16.0, ">=")
    assert (best["breakeven"], best["breakeven_bound"]) == (pytest.approx(100 / 7.5), "<=")
    dear = quoted(priced(1 / 100, 9.0))
    assert dear["breakeven"] is None  # a solver that accurate may well be dearer
    assert "no tested solver is as accurate" in dear["reason"]


def test_errors_below_the_floor_count_as_the_floor():
    found = quoted(priced(1e-6, 0.5, floor=1 / 16))
    assert found["at_floor"]
    assert found["error"] == 1e-6
    assert (found["solver_seconds"], found["end"]) == (4.0, "inside")  # the one of cost 8 is no better than this
    assert not quoted(priced(1 / 9, 0.5, floor=1 / 16))["at_floor"]


def test_quantiles_are_over_trajectories():
    """Of 21 trajectories two are hard: the median is that of the others, the 95th percentile lies at the 20th."""
    errors = np.full(21, 1 / 9.0)
    errors[:2] = 1.0
    one = priced(1.0, 0.5, trajectories=21)
    one = Priced(errors, one.seconds, one.errors, one.costs, spent=100.0)
    assert quoted(one)["error"] == pytest.approx(1 / 9)
    assert quoted(one, 0.95)["error"] == 1.0
    assert quoted(one, 0.95)["solver_seconds"] == 1.0


def test_intervals_cover_the_truth():
    """Of noisy measurements nearly all 95 % intervals hold the number of the noiseless system."""
    hits = [0, 0]
    for seed in range(60):
        found = quoted(priced(1 / 9, 0.5, noise=0.3, seed=seed, trajectories=40, repeats=15), resamples=200)
        for i, (name, truth) in enumerate((("speed_up", 6.0), ("breakeven", 40.0))):
            low, high = found[f"{name}_interval"]
            assert low <= found[name] <= high
            hits[i] += low <= truth <= high
    assert min(hits) >= 51


def test_an_interval_may_reach_never():
    found = quoted(priced(1 / 9, 2.9, noise=0.3))
    assert found["breakeven_interval"][1] == NEVER
    assert isinstance(found["breakeven_interval"][0], float)


def test_one_trajectory_has_no_interval():
    found = quoted(priced(1 / 9, 0.5, trajectories=1))
    assert (found["speed_up_interval"], found["breakeven_interval"]) == (None, None)


def test_what_a_trajectory_does_to_all_is_no_doubt_of_their_ratio():
    """Errors that share a factor of each trajectory: the same draws for all leave the speed-up as it is."""
    one, rng = priced(1 / 9, 0.5, trajectories=40), np.random.default_rng(0)
    hard = rng.lognormal(0, 2, 40)
    paired = Priced(one.error * hard, one.seconds, one.errors * hard, one.costs, spent=100.0)
    low, high = quoted(paired, resamples=200)["speed_up_interval"]
    assert high / low < 1.001
    other = Priced(one.error * rng.permutation(hard), one.seconds, one.errors * hard, one.costs, spent=100.0)
    low, high = quoted(other, resamples=200)["speed_up_interval"]
    assert high / low > 1.5


def test_where_the_training_is_not_known_no_number_is_told():
    for noise in (0.0, 0.3):
        found = quoted(priced(1 / 9, 2.9, noise=noise, spent=None))
        assert found["breakeven_interval"] is None


def test_amdahl():
    assert amdahl(1.0, 10.0) == pytest.approx(10.0)
    assert amdahl(0.0, 10.0) == 1.0
    assert amdahl(0.169, 5.8) == pytest.approx(1.163, abs=1e-3)  # hardly a gain, whatever the call's own speed-up is
    for wrong in ((1.5, 2.0), (-0.1, 2.0), (0.5, 0.0)):
        with pytest.raises(ValueError, match="a share is from 0 to 1 and a speed-up positive"):
            amdahl(*wrong)


def test_breakeven_numbers_of_arrays():
    found = breakeven(np.array([10.0, 10.0, 10.0]), np.array([2.0, 1.0, 1.0]), np.array([1.0, 1.0, 2.0]))
    np.testing.assert_array_equal(found, [10.0, np.inf, np.inf])
