import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from pdejax.core import Grid, Value, build, describe
from pdejax.equations import Discrete, LogUniform, Piecewise

COUNT = 1000


def draws(sampler, grid, key):
    return np.asarray(jax.jit(jax.vmap(lambda k: sampler(k, grid)))(jax.random.split(key, COUNT)))


def test_a_line_has_one_jump_at_a_place_that_is_uniform(key):
    grid = Grid((401,), (4.0,), Value(), (1.0,))
    u = draws(Piecewise(cuts=(0.2, 0.7), values=(0.0, 1.0)), grid, key)[..., 0]
    jumps = np.diff(u, axis=1) != 0
    assert (jumps.sum(1) == 1).all()
    place = (np.argmax(jumps, axis=1) + 0.5) / 400  # known to half a cell
    assert scipy.stats.kstest((place - 0.2) / 0.5, "uniform").statistic < 1.36 / COUNT**0.5 + 0.005
    left, right = u[:, 0], u[:, -1]
    assert all(scipy.stats.kstest(side.astype(float), "uniform").pvalue > 0.05 for side in (left, right))
    assert abs(np.corrcoef(left, right)[0, 1]) < 0.1


@pytest.mark.parametrize("ndim", [2, 3])
def test_a_box_has_two_parts_an_axis_and_a_constant_in_each(ndim, key):
    grid = Grid((16,) * ndim, (1.0,) * ndim)
    u = np.asarray(jax.jit(lambda k: Piecewise()(k, grid))(key))[..., 0]
    assert len(np.unique(u)) == 2**ndim
    corners = u[(slice(None, None, 15),) * ndim]
    assert len(np.unique(corners)) == 2**ndim
    for axis in range(ndim):  # every cut goes through the whole box
        jumps = np.diff(u, axis=axis) != 0
        flat = np.moveaxis(jumps, axis, 0).reshape(15, -1)
        assert ((flat.sum(1) == 0) | (flat.sum(1) == flat.shape[1])).all()
        assert flat.any(1).sum() == 1


def test_channels_have_laws_of_their_own(key):
    sampler = Piecewise(values=[(1.0, 1.0), LogUniform(0.1, 10.0), {"kind": "discrete", "values": [3, 5]}], channels=3)
    u = draws(sampler, Grid((8,), (1.0,)), key)[:, 0]
    assert (u[:, 0] == 1.0).all()
    assert scipy.stats.kstest((np.log10(u[:, 1].astype(float)) + 1) / 2, "uniform").pvalue > 0.05
    assert {*u[:, 2].tolist()} == {3.0, 5.0}
    assert build("sampler", json.loads(json.dumps(describe(sampler))), channels=3) == sampler
    one = Piecewise(values=Discrete((1.0, 2.0, 3.0)), channels=2)
    assert np.corrcoef(*draws(one, Grid((4,), (1.0,)), key)[:, 0].T)[0, 1] < 0.1


def test_double_precision_sees_the_same_parts(key):
    grid, sampler = Grid((64, 64), (3.0, 2.0)), Piecewise()
    single = np.asarray(jax.jit(lambda k: sampler(k, grid))(key), np.float64)
    with jax.enable_x64(True):
        double = jax.jit(lambda k: sampler(k, grid))(key)
    assert double.dtype == jnp.float64
    np.testing.assert_array_equal(single, np.asarray(double))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"cuts": (0.5, 1.5)}, "cuts should be shares of the length, from 0 to 1, got them from 0.5 to 1.5"),
        ({"cuts": (0.7, 0.5)}, r"cuts should be a range \[low, high\], got \[0.7, 0.5\]"),
        ({"values": (1.0, 0.0)}, r"values should be a range \[low, high\], got \[1.0, 0.0\]"),
        ({"values": 3}, r"values should be a range \[low, high\], got 3"),
        ({"values": ((0.0, 1.0),)}, "values should be one range or law, or one for each of 2 channels, got 1"),
        ({"values": ((0.0, 1.0), (1.0, 0.0))}, r"values.1 should be a range \[low, high\], got \[1.0, 0.0\]"),
        ({"values": {"kind": "log_uniform", "low": -1.0, "high": 1.0}}, "values: low should be greater than 0"),
    ],
)
def test_what_cannot_be_drawn_is_told(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        Piecewise(**options, channels=2)
