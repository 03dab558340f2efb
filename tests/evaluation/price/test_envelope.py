"""Lower envelopes of synthetic solvers, and what an error costs on them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdejax.evaluation.price.envelope import ACCURATE, CHEAP, INSIDE, cost_at, envelope


def at(error, cost, errors):
    """What one error costs, where it lies and next to which solver."""
    found = cost_at(np.array(error, float), np.array(cost, float), np.array(errors, float))
    return float(found.cost), int(found.end), int(found.solver)


def test_the_envelope_holds_what_nothing_beats():
    assert envelope(np.array([1.0, 2.0, 3.0, 4.0]), np.array([5.0, 6.0, 1.0, 1.0])) == [0, 2]
    assert envelope(np.array([4.0, 1.0, 2.0]), np.array([0.5, 1.0, 0.7])) == [1, 2, 0]


def test_of_equal_ones_the_first_is_on_the_envelope():
    assert envelope(np.array([1.0, 1.0, 1.0]), np.array([2.0, 1.0, 1.0])) == [1]
    assert envelope(np.array([1.0, 2.0]), np.array([1.0, 1.0])) == [0]
    assert envelope(np.array([3.0]), np.array([1.0])) == [0]


def test_an_error_that_is_smaller_by_rounding_is_worth_no_cost():
    cost, error = np.array([1.0, 2.0, 3.0, 4.0]), np.array([1.0, 0.995, 0.985, 0.5])
    assert envelope(cost, error) == [0, 1, 2, 3]
    assert envelope(cost, error, worth=0.01) == [0, 2, 3]


def test_between_solvers_costs_follow_a_power_law_exactly():
    """Solvers of order two: error c^-2 for a cost c."""
    cost = np.array([8.0, 1.0, 4.0, 2.0])
    for wanted in (1.0, 1.5, 3.0, 4.0, 7.9):
        found, end, _ = at(wanted**-2.0, cost, cost**-2)
        assert found == pytest.approx(wanted, rel=1e-12)
        assert end == INSIDE
    assert at(1 / 9, cost, cost**-2)[2] == 2  # the one of cost 4 is the first that reaches it


def test_a_node_costs_what_it_costs_to_the_last_digit():
    cost, errors = np.array([0.1, 0.3, 0.7]), np.array([0.9, 0.3, 0.1])
    for c, e in zip(cost, errors, strict=True):
        assert at(e, cost, errors)[:2] == (c, INSIDE)


def test_dominated_solvers_change_nothing():
    cost, errors = np.array([1.0, 4.0]), np.array([1.0, 0.25])
    more = np.append(cost, [2.0, 5.0, 1.0]), np.append(errors, [1.0, 0.25, 3.0])
    assert at(0.5, *more)[0] == at(0.5, cost, errors)[0] == pytest.approx(2.0)


def test_the_ends_are_bounds():
    cost, errors = [1.0, 4.0, 6.0], [1.0, 0.25, 0.25]
    assert at(2.0, cost, errors) == (1.0, CHEAP, 0)  # even the cheapest is more accurate
    assert at(0.1, cost, errors) == (4.0, ACCURATE, 1)  # none is as accurate; the cheapest of the best ones
    assert at(2.0, [3.0], [1.0]) == (3.0, CHEAP, 0)
    assert at(1.0, [3.0], [1.0]) == (3.0, INSIDE, 0)
    assert at(0.5, [3.0], [1.0]) == (3.0, ACCURATE, 0)


def test_errors_and_costs_of_zero_are_no_trouble():
    assert at(0.0, [1.0, 2.0], [1.0, 0.0]) == (2.0, INSIDE, 1)
    assert at(0.5, [0.0, 2.0], [1.0, 0.0])[1] == INSIDE


def test_no_solver_is_no_envelope():
    with pytest.raises(ValueError, match="at least one solver"):
        at(1.0, [], [])


sizes = st.integers(1, 6).flatmap(
    lambda n: st.tuples(*(st.lists(st.sampled_from([0.1, 0.2, 0.5, 1.0, 2.0, 3.0]), min_size=n, max_size=n),) * 2)
)


@given(sizes, st.sampled_from([0.05, 0.1, 0.3, 0.5, 0.9, 4.0]))
def test_it_is_interpolation_on_the_envelope(solvers, wanted):
    cost, errors = map(np.array, solvers)
    front = envelope(cost, errors)
    x, y = np.log(errors[front])[::-1], np.log(cost[front])[::-1]
    found, end, solver = at(wanted, cost, errors)
    assert found == pytest.approx(np.exp(np.interp(np.log(wanted), x, y)))
    assert (end == ACCURATE) == (wanted < errors.min())
    assert end == ACCURATE or errors[solver] <= wanted


def test_each_draw_has_its_own_envelope():
    cost, errors = np.array([[1.0, 2.0], [2.0, 1.0]]), np.array([[1.0, 0.5], [1.0, 0.5]])
    np.testing.assert_allclose(cost_at(np.array([0.5, 0.5]), cost, errors).cost, [2.0, 1.0])
