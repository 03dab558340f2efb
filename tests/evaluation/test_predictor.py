"""Operators that are bound, or will be, to the parameters of data."""

import types

import numpy as np
import pytest

from pdejax.evaluation.predictor import bound


class Operator:
    """What an operator has for this."""

    def __init__(self, parameters=None):
        self.info, self.parameters = types.SimpleNamespace(parameters=("r",)), parameters

    def bind(self, parameters):
        return Operator(np.asarray(parameters["r"]).reshape(-1, 1))


def test_a_bound_operator_stays_bound():
    own = Operator(np.array([[1.5]], np.float32))
    assert bound(own, {}) is own
    assert bound(own, {"r": np.full(4, 1.5)}) is own
    with pytest.raises(ValueError, match=r"bound to r=1.5, and the data have r=1: evaluate the one that bind\(\) was"):
        bound(own, {"r": np.ones(4)})
    three = Operator(np.array([[1.0], [2.0], [3.0]], np.float32))
    with pytest.raises(ValueError, match=r"bound to r=3 numbers, and the data have r=2 numbers"):
        bound(three, {"r": np.array([1.0, 2.0])})


def test_another_one_takes_those_of_the_data():
    assert bound(Operator(), {"r": np.ones(4)}).parameters.shape == (4, 1)
    assert bound(print, {"r": 1}) is print
