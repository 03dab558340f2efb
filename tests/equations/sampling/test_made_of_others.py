"""Samplers that draw from other samplers."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from pdejax.core import Grid, build, describe
from pdejax.equations import Expression, LogUniform, Mixture, Piecewise, Scaled, SumOfSines, TruncatedFourier

COUNT, GRID = 2000, Grid((8,), (1.0,))
SMOOTH, STEEP = {"kind": "sum_of_sines", "count": 3}, {"kind": "piecewise", "values": [0, 1]}


def draws(sampler, key, grid=GRID):
    return np.asarray(jax.jit(jax.vmap(lambda k: sampler(k, grid)))(jax.random.split(key, COUNT)))


def test_a_mixture_goes_through_json():
    mixture = build("sampler", {"kind": "mixture", "samplers": [SMOOTH, STEEP], "weights": [1, 3]}, channels=2)
    assert mixture.samplers == (SumOfSines(count=3, channels=2), Piecewise(values=(0, 1), channels=2))
    assert build("sampler", json.loads(json.dumps(describe(mixture))), channels=2) == mixture


def test_samplers_come_as_often_as_they_weigh_and_draw_what_they_draw_alone(key):
    constant = [Expression(float(i)) for i in range(3)]
    chosen = draws(Mixture(tuple(constant), (1.0, 2.0, 5.0)), key)[:, 0, 0]
    counts = np.unique(chosen, return_counts=True)[1]
    assert scipy.stats.chisquare(counts, COUNT * np.array([1, 2, 5]) / 8).pvalue > 0.05
    counts = np.unique(draws(Mixture(tuple(constant)), key)[:, 0, 0], return_counts=True)[1]
    assert scipy.stats.chisquare(counts).pvalue > 0.05
    # of two whose values tell which it was: each keeps its own distribution
    low, high = Expression("a", vary={"a": (0.0, 1.0)}), Expression("a", vary={"a": (2.0, 4.0)})
    values = draws(Mixture((low, high)), key)[:, 0, 0].astype(float)
    assert scipy.stats.kstest(values[values < 1.5], "uniform").pvalue > 0.05
    assert scipy.stats.kstest((values[values > 1.5] - 2) / 2, "uniform").pvalue > 0.05


def test_a_sampler_of_single_precision_may_be_part_of_one(key, x64):
    flat = lambda k, grid: jnp.ones((*grid.shape, 1), jnp.float32)
    for sampler in (Mixture((flat, SumOfSines())), Scaled(flat, (1.0, 2.0))):
        assert sampler(key, GRID).dtype == jnp.float64


def test_factors_and_offsets_are_drawn(key):
    scaled = Scaled(Expression("x"), LogUniform(0.1, 10.0), (-1.0, 1.0))
    u = draws(scaled, key)[..., 0].astype(float)
    offset, factor = u[:, 0], (u[:, 4] - u[:, 0]) / 0.5
    assert scipy.stats.kstest((np.log10(factor) + 1) / 2, "uniform").pvalue > 0.05
    assert scipy.stats.kstest((offset + 1) / 2, "uniform").pvalue > 0.05
    assert abs(np.corrcoef(offset, factor)[0, 1]) < 0.1


def test_a_scaled_field_is_a_multiple_of_what_its_sampler_draws(key, x64):
    field = TruncatedFourier(cutoff=3, zero_mean=True, channels=2)
    u = np.asarray(Scaled(field, 2.0, 3.0, channels=2)(key, GRID))
    own = np.asarray(field(jax.random.split(key, 3)[0], GRID))
    np.testing.assert_allclose(u, 2 * own + 3, rtol=1e-12)
    again = Scaled({"kind": "truncated_fourier", "cutoff": 3}, 2.0, 3.0, channels=2)
    assert again == Scaled(field, 2.0, 3.0, channels=2)
    assert build("sampler", json.loads(json.dumps(describe(again))), channels=2) == again


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"kind": "mixture", "samplers": [SMOOTH]}, "samplers should be at least two, got 1"),
        ({"kind": "mixture", "samplers": [SMOOTH, STEEP], "weights": [1]}, "weights should be one for each of 2"),
        ({"kind": "mixture", "samplers": [SMOOTH, STEEP], "weights": [1, -1]}, "weights should be greater than 0"),
        ({"kind": "mixture", "samplers": [SMOOTH, {"kind": "sine"}]}, "samplers.1: unknown sampler 'sine'"),
        ({"kind": "mixture", "samplers": [SMOOTH, 3]}, "samplers.1 should be a sampler, .* got int"),
        ({"kind": "mixture", "samplers": [SMOOTH, SumOfSines(channels=2)]}, "samplers.1 should have 1 channels"),
        ({"kind": "scaled", "sampler": {"kind": "sine"}, "factor": [1, 2]}, "sampler: unknown sampler 'sine'"),
        ({"kind": "scaled", "sampler": SMOOTH, "factor": [2, 1]}, r"factor should be a range \[low, high\]"),
        ({"kind": "scaled", "sampler": SMOOTH}, "needs the option 'factor'"),
        ({"kind": "scaled", "sampler": SMOOTH, "factor": {"kind": "log_uniform", "low": 1}}, "option 'high'"),
    ],
)
def test_what_does_not_go_together_is_told(given, sentence):
    with pytest.raises(ValueError, match=sentence):
        build("sampler", given, channels=1)
