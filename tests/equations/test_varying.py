"""What a family draws of its parameters."""

import dataclasses
import json
import zlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pdejax.core import Grid, build, describe
from pdejax.data import read_problem
from pdejax.equations import Copula, Discrete, Equation, Family, LogUniform, SumOfSines, Times, Uniform
from pdejax.equations._family import sample_key
from pdejax.solvers import ETDRK

PAIR = Copula((0.0, 1.0), (0.5, 2.0), ((1.0, 0.9), (0.9, 1.0)))
FAMILY = Family(
    "moved",
    Equation("u_t = -c*u_x + nu*u_xx - r*u", {"c": 1.0, "nu": 0.1, "r": 0.0}),
    Grid((16,), (1.0,)),
    {"u": SumOfSines()},
    vary={"nu": LogUniform(1e-3, 1e-1), "r, c": PAIR, "length": (0.9, 1.1), "step": Discrete((1.0, 2.0))},
    times=Times(0.1),
)


def test_a_family_with_laws_goes_through_json():
    plain = json.loads(json.dumps(describe(FAMILY)))
    assert plain["vary"] == {
        "nu": {"kind": "log_uniform", "low": 1e-3, "high": 1e-1},
        "r, c": {"kind": "copula", "low": [0.0, 1.0], "high": [0.5, 2.0], "correlation": [[1.0, 0.9], [0.9, 1.0]]},
        "length": [0.9, 1.1],
        "step": {"kind": "discrete", "values": [1.0, 2.0], "weights": None},
    }
    again = build("problem", plain)
    assert again == FAMILY
    assert {k: float(v) for k, v in again.draw(0, 1)[1].items()} == {
        k: float(v) for k, v in FAMILY.draw(0, 1)[1].items()
    }


def test_what_a_family_with_laws_says():
    assert FAMILY.parameter_names == ("c", "length", "nu", "r", "step")
    assert FAMILY.constants == {}
    assert FAMILY.support == {
        "nu": (1e-3, 1e-1), "r": (0.0, 0.5), "c": (1.0, 2.0), "length": (0.9, 1.1), "step": (1.0, 2.0)
    }  # fmt: skip
    values = jax.jit(jax.vmap(lambda i: FAMILY.draw(0, i)[1]))(jnp.arange(1000))
    assert sorted(values) == list(FAMILY.parameter_names)
    assert np.corrcoef(values["r"], values["c"])[0, 1] == pytest.approx(0.9, abs=0.02)
    assert abs(np.corrcoef(values["r"], values["nu"])[0, 1]) < 0.1
    assert {*np.asarray(values["step"]).tolist()} == {1.0, 2.0}
    for name, (low, high) in FAMILY.support.items():
        assert np.float32(low) <= values[name].min() <= values[name].max() <= np.float32(high)


def test_a_range_is_the_uniform_law_and_draws_what_it_always_did():
    said = dataclasses.replace(FAMILY, vary={"nu": {"kind": "uniform", "low": 1, "high": 2}})
    short = dataclasses.replace(FAMILY, vary={"nu": [1, 2]})
    assert said == short == dataclasses.replace(FAMILY, vary={"nu": Uniform(1.0, 2.0)})
    assert describe(said)["vary"] == {"nu": [1.0, 2.0]}
    key = jax.random.fold_in(sample_key(3, 5), zlib.crc32(b"nu"))
    expected = jax.random.uniform(key, (), jnp.float32, 1.0, 2.0)
    assert float(short.draw(3, 5)[1]["nu"]) == float(expected) == 1.4427663087844849


def test_names_that_are_drawn_together_may_be_spelt_closely():
    assert dataclasses.replace(FAMILY, vary={"r,c": PAIR}) == dataclasses.replace(FAMILY, vary={"r, c": PAIR})


@pytest.mark.parametrize(
    ("vary", "sentence"),
    [
        ({"r, d": PAIR}, "vary of 'r, d': unknown varying parameter 'd'"),
        ({"r, c": PAIR, "c": (0, 1)}, "vary has several laws of 'c', expected one"),
        ({"c": PAIR}, "vary.c should be a law of one number, its Copula has 2"),
        ({"r, c": LogUniform(1.0, 2.0)}, "vary of 'r, c' should be a law of 2 numbers, its LogUniform has 1"),
        ({"r, c": (1, 2)}, "vary of 'r, c' should be a law of 2 numbers"),
        ({"c": 3}, r"vary.c should be a range \[low, high\], got 3"),
        ({"c": (1, 2, 3)}, r"vary.c should be a range \[low, high\], got \[1, 2, 3\]"),
        ({"c": (1, "two")}, r"vary.c should be a range \[low, high\], got \[1, 'two'\]"),
        ({"c": (1, float("nan"))}, r"vary.c should be a range \[low, high\], got \[1, nan\]"),
        ({"c": {"kind": "log_unifrm", "low": 1, "high": 2}}, "vary.c: unknown law 'log_unifrm'. Did you mean"),
        ({"c": {"low": 1, "high": 2}}, "vary.c: a law is an object or a mapping with a 'kind'"),
        ({"step": Discrete((0.0, 1.0))}, "vary.step should be a law of positive numbers, the smallest of it is 0"),
        ({"c, length": PAIR}, "vary of 'c, length' should be a law of positive numbers, the smallest of it is 0"),
    ],
)
def test_laws_that_do_not_fit_are_told(vary, sentence):
    with pytest.raises(ValueError, match=sentence):
        dataclasses.replace(FAMILY, vary=vary)


def test_a_solver_looks_at_the_ends_of_every_law():
    ETDRK().validate(FAMILY)
    backwards = dataclasses.replace(FAMILY, vary={"nu": Discrete((0.1, -0.1))})
    with pytest.raises(ValueError, match="nu"):
        ETDRK().validate(backwards)


def test_laws_are_read_from_a_section():
    section = {
        "name": "moved",
        "equation": {"terms": "u_t = -c*u_x + nu*u_xx", "parameters": {"c": 1.0, "nu": 0.1}},
        "vary": {"c, nu": describe(Copula((1.0, 0.1), (2.0, 0.2), ((1.0, 0.5), (0.5, 1.0))))},
        "domain": {"shape": [16], "lengths": [1.0]},
        "initial": {"kind": "expression", "value": "a*sin(2*pi*x)", "vary": {"a": {"kind": "discrete", "values": [1]}}},
        "time": {"step": 0.1},
    }
    family, _ = read_problem(section)
    assert family.support == {"c": (1.0, 2.0), "nu": (0.1, 0.2)}
    assert float(family.draw(0, 0)[0]["u"][4]) == pytest.approx(1.0)
