"""The price of a network of coordinates: its training beside the classical solver of the same error."""

import re

import numpy as np
import pytest

from pdejax.equations import BoundaryValueProblem
from pdejax.evaluation.price.field_words import field_lines, field_rows, field_sentence
from pdejax.evaluation.price.fields import attempts_of, field_price
from pdejax.evaluation.price.timing import Clocks
from pdejax.evaluation.price.upfront import Spent
from pdejax.solvers import Truth, solve_truth

EXACT = {"kind": "exact", "fields": {"u": "exp(-0.05*pi**2*t)*sin(pi*x)"}, "shape": [9, 17]}


MOVING = {
    "start": {"at": "t=0", "terms": ["u = sin(pi*x)", "u_t = 0"]},
    "walls": {"at": "boundary", "terms": "u = 0"},
}


def heat(**changes):
    stated = {
        "name": "heat",
        "equation": {"terms": ["u_t = nu*u_xx"], "parameters": {"nu": 0.05}},
        "domain": {"t": [0, 1], "x": [-1, 1]},
        "conditions": {
            "start": {"at": "t=0", "terms": "u = sin(pi*x)"},
            "walls": {"at": "boundary", "terms": "u = 0"},
        },
        "truth": EXACT,
    }
    return BoundaryValueProblem(**{**stated, **changes})


def periodic(**changes):
    conditions = {"start": {"at": "t=0", "terms": "u = sin(pi*x)"}}
    return heat(periodic=["x"], conditions=conditions, **changes)


def ticking():
    """Clocks that move on by a second whenever they are read, of CPU by two."""
    seconds = [0.0]

    def wall():
        seconds[0] += 1.0
        return seconds[0]

    return Clocks({"cpu": lambda: 2 * seconds[0], "wall": wall})


@pytest.mark.parametrize("problem", [heat(), periodic()])
def test_more_points_until_the_error_is_reached(problem):
    spent = Spent(training={"cpu": 40.0, "wall": 20.0}, trials=2)
    price = field_price(problem, solve_truth(problem), 1e-6, spent, ticking())
    assert price["reason"] is None
    errors = [one["error"] for one in price["attempts"]]
    assert errors[-1] <= 1e-6 < min(errors[:-1], default=np.inf)
    assert price["solver"] == len(errors) - 1
    assert [one["setting"]["points"][0] for one in price["attempts"]] == [8 * 2**i for i in range(len(errors))]
    assert price["attempts"][-1]["seconds"]["wall"] == 1.0
    assert price["dearer"] == 2 * 40.0 / price["attempts"][-1]["seconds"]["cpu"]
    rows = {row["metric"]: row["value"] for row in field_rows(price)}
    assert rows["training_over_solver"] == price["dearer"]
    assert rows["training_cpu_seconds"] == 40.0
    assert "To be as accurate as the field (1e-06), the classical solver with " in field_sentence(price)
    assert "the training took 40 s, 2 times over: 40 times dearer." in field_sentence(price)


def test_an_error_below_the_floor_counts_as_the_floor():
    problem = heat()
    exact = solve_truth(problem)
    truth = Truth(exact.axes, exact.values, 1e-3, {})
    price = field_price(problem, truth, 1e-9, Spent())
    assert (price["error"], price["at_floor"]) == (1e-3, True)
    assert price["attempts"][-1]["error"] <= 1e-3
    assert price["dearer"] is None
    assert "the floor of the truth" in field_sentence(price)
    assert "nothing tells what CPU time the training took" in field_sentence(price)


def test_where_no_attempt_is_as_accurate_it_is_said():
    """The truth is solved by collocation: coarser attempts do not reach its own digits."""
    problem = heat(truth={"kind": "chebyshev", "points": 12, "tolerance": 1e-10, "shape": [9, 17]})
    price = field_price(problem, Truth(*_axes_values(problem), 1e-14, {}), 1e-13, Spent(training={"cpu": 1.0}))
    assert [one["setting"]["points"] for one in price["attempts"]] == [[8]]
    assert (price["solver"], price["dearer"]) == (None, None)
    assert "No classical solver that was tested is as accurate" in field_sentence(price)
    rows = {row["metric"]: row for row in field_rows(price)}
    assert rows["solver_cpu_seconds"]["reason"] == "no attempt was as accurate in the time that was given"
    assert rows["training_cpu_seconds"]["value"] == 1.0


def _axes_values(problem):
    truth = solve_truth(problem)
    return truth.axes, truth.values


@pytest.mark.parametrize(
    ("problem", "error", "reason"),
    [
        (heat(unknown={"nu": 0.1}), 1e-3, "does not find unknown parameters"),
        (heat(), None, "error of the field is not known"),
        (
            heat(equation={"terms": ["u_tt = u_xx"]}, conditions=MOVING),
            1e-3,
            "does not take this problem: .*first order in t",
        ),
    ],
)
def test_there_may_be_none(problem, error, reason):
    axes = (np.linspace(0, 1, 9), np.linspace(-1, 1, 17))
    price = field_price(problem, Truth(axes, np.ones((9, 17, 1)), 0.0, {}), error, Spent())
    assert set(price) == {"reason"}
    assert re.search(reason, price["reason"])
    assert field_lines(price)[0].startswith("price: none, because ")
    assert {row["reason"] for row in field_rows(price)} == {price["reason"]}


def test_attempts_are_cheaper_than_the_truth():
    problem = periodic(truth={"kind": "spectral", "points": 64, "steps": 100, "shape": [9, 16]})
    assert [one.setting for one in attempts_of(problem)] == [
        {"points": [8], "steps": 12}, {"points": [16], "steps": 25}, {"points": [32], "steps": 50}
    ]  # fmt: skip
