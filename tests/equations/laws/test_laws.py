import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from pdejax.core import build, describe, register, registered
from pdejax.equations import Copula, Discrete, LogUniform, Uniform
from pdejax.equations.laws.row import row

COUNT = 4000
CORRELATION = ((1.0, 0.8, 0.0), (0.8, 1.0, -0.3), (0.0, -0.3, 1.0))
LAWS = [
    Uniform(-1.0, 3.0),
    LogUniform(1e-4, 1e-1),
    Discrete((1.0, 2.5, 7.0), (1.0, 2.0, 5.0)),
    Copula((0.0, 1.0, -5.0), (1.0, 3.0, -4.0), CORRELATION),
]


def many(law, key):
    """Independent draws, `(draw, number)`."""
    return np.asarray(jax.jit(jax.vmap(law))(jax.random.split(key, COUNT)), np.float64)


@pytest.mark.parametrize("law", LAWS, ids=lambda law: type(law).__name__)
def test_a_law_goes_through_json_and_tells_its_support(law, key):
    assert build("law", json.loads(json.dumps(describe(law)))) == law
    assert hash(build("law", describe(law))) == hash(law)
    values = many(law, key)
    assert values.shape == (COUNT, len(law.support))
    for (low, high), drawn in zip(law.support, values.T, strict=True):
        rounding = 1e-7 * max(abs(low), abs(high))
        assert low - rounding <= drawn.min() < low + 0.01 * (high - low)
        assert high - 0.01 * (high - low) < drawn.max() <= high + rounding


@pytest.mark.parametrize("law", LAWS, ids=lambda law: type(law).__name__)
def test_numbers_are_the_same_in_either_precision_and_survive_single(law, key):
    single = jax.jit(law)(key)
    with jax.enable_x64(True):
        double = jax.jit(law)(key)
    assert (single.dtype, double.dtype) == (jnp.float32, jnp.float64)
    np.testing.assert_array_equal(np.asarray(single, np.float64), np.asarray(double))


def test_our_laws_are_all_tested():
    ours = {kind for kind in registered("law").values() if kind.__module__.startswith("pdejax.")}
    assert ours == {type(law) for law in LAWS}


def test_marginals_are_those_that_are_asked_for(key):
    share = lambda values, low, high: scipy.stats.kstest((values - low) / (high - low), "uniform").pvalue
    assert share(many(Uniform(-1.0, 3.0), key)[:, 0], -1.0, 3.0) > 0.05
    assert share(np.log10(many(LogUniform(1e-4, 1e-1), key)[:, 0]), -4.0, -1.0) > 0.05
    for values, (low, high) in zip(many(LAWS[3], key).T, LAWS[3].support, strict=True):
        assert share(values, low, high) > 0.05
    # the statistic tells the two apart
    assert share(many(LogUniform(1.0, 1.5), key)[:, 0], 1.0, 1.5) < 1e-3


def test_values_come_as_often_as_they_weigh(key):
    values, counts = np.unique(many(LAWS[2], key), return_counts=True)
    np.testing.assert_array_equal(values, [1.0, 2.5, 7.0])
    assert scipy.stats.chisquare(counts, COUNT * np.array([1, 2, 5]) / 8).pvalue > 0.05
    counts = np.unique(many(Discrete((3.0, 4.0)), key), return_counts=True)[1]
    assert scipy.stats.chisquare(counts).pvalue > 0.05
    assert (many(Discrete((3.0,)), key) == 3.0).all()


def test_values_and_ranks_have_the_correlation_that_is_asked_for(key):
    values = many(LAWS[3], key)
    # the deviation of a correlation of so many draws is at most 1/sqrt(COUNT)
    np.testing.assert_allclose(np.corrcoef(values.T), CORRELATION, atol=3 / COUNT**0.5)
    np.testing.assert_allclose(scipy.stats.spearmanr(values).statistic, CORRELATION, atol=3 / COUNT**0.5)


def test_numbers_may_be_tied_to_each_other(key):
    values = many(Copula((0.0, 1.0), (1.0, 3.0), ((1.0, -1.0), (-1.0, 1.0))), key)
    np.testing.assert_allclose(values[:, 1], 3.0 - 2.0 * values[:, 0], atol=2e-6)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"kind": "log_unifrm"}, "unknown law 'log_unifrm'. Did you mean 'log_uniform'"),
        ({"kind": "uniform", "low": 1.0}, "law 'uniform' needs the option 'high'"),
        ({"kind": "uniform", "low": 1.0, "hihg": 2.0}, "Did you mean 'high'"),
        ({"kind": "uniform", "low": 2.0, "high": 1.0}, "low should be at most high=1, got 2"),
        ({"kind": "log_uniform", "low": 0.0, "high": 1.0}, "low should be greater than 0, got 0.0"),
        ({"kind": "log_uniform", "low": 2.0, "high": 1.0}, "low should be at most high=1, got 2"),
        ({"kind": "discrete", "values": []}, "values should be at least one number"),
        ({"kind": "discrete", "values": [1.0, "a"]}, "values should be a number, got 'a'"),
        ({"kind": "discrete", "values": [1.0, 2.0], "weights": [1.0]}, "weights should be one for each of 2 values"),
        ({"kind": "discrete", "values": [1.0, 2.0], "weights": [1.0, 0.0]}, "weights should be greater than 0"),
        ({"low": [0.0], "high": [1.0], "correlation": [[1.0]]}, "low should be at least two numbers"),
        ({"high": [1.0]}, r"high should be 2 numbers, none below that of low=\[0.0, 0.0\], got \[1.0\]"),
        ({"high": [1.0, -1.0]}, "high should be 2 numbers, none below"),
        ({"correlation": [[1.0, 0.5]]}, "correlation should be 2 rows of 2 numbers"),
        ({"correlation": [[1.0, 0.5], [0.4, 1.0]]}, "correlation should be symmetric"),
        ({"correlation": [[1.0, 1.5], [1.5, 1.0]]}, "correlation should be symmetric, with numbers from -1 to 1"),
        ({"correlation": [[0.9, 0.5], [0.5, 1.0]]}, "ones on the diagonal"),
    ],
)
def test_what_is_no_law_is_told(given, sentence):
    pair = {"kind": "copula", "low": [0.0, 0.0], "high": [1.0, 1.0], "correlation": [[1.0, 0.5], [0.5, 1.0]]}
    with pytest.raises(ValueError, match=sentence):
        build("law", given if given.get("kind") else {**pair, **given})


def test_correlations_that_contradict_each_other_are_refused():
    rows = ((1.0, 0.9, 0.9), (0.9, 1.0, -0.9), (0.9, -0.9, 1.0))
    with pytest.raises(ValueError, match=r"is of no numbers there are: .* has the eigenvalue -0.8"):
        Copula((0.0,) * 3, (1.0,) * 3, rows)


@register("law", "tent")
@dataclasses.dataclass(frozen=True)
class Tent:
    """The sum of two uniform numbers."""

    width: float = 1.0

    @property
    def support(self):
        return ((0.0, 2 * self.width),)

    def __call__(self, key):
        return self.width * jax.random.uniform(key, (2,), jnp.float32).sum(keepdims=True).astype(jnp.result_type(float))


def test_a_law_of_ones_own(key):
    law = build("law", {"kind": "tent", "width": 2.0})
    assert scipy.stats.kstest(many(law, key)[:, 0], scipy.stats.triang(0.5, 0, 4).cdf).pvalue > 0.05


def test_numbers_that_are_no_row_are_told():
    with pytest.raises(ValueError, match="values should be a list of numbers, got 1"):
        row("values", 1)
    with pytest.raises(ValueError, match=r"correlation should be a list of rows, got 0\.8"):
        row("correlation", 0.8, "rows")
    assert row("values", [1.0, 2.0]) == (1.0, 2.0)
