"""Real numbers of every type enter with their values kept; others are refused in one sentence, everywhere."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pdejax.core import Alternating, Average, Grid, TensorGrid, as_points, as_real, as_state, repeated, trajectory
from pdejax.equations import EQUATIONS
from pdejax.evaluation.metrics import errors, spectra
from pdejax.evaluation.metrics.ensemble import crps, spread
from pdejax.methods import MeanSquared, RelativeL2, Sobolev
from pdejax.networks import GaussianField, GaussianLattice, MLPField
from pdejax.solvers import grid_residual, rhs, spectral_stepper

GRID = Grid((8,), (1.0,))
HAT = np.array([0, 0, 1, 1, 1, 1, 0, 0])[:, None]
REAL = [bool, *(f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64))]
heat = lambda: spectral_stepper(EQUATIONS["diffusion"], GRID, 1e-3)
BOX = ((0.0, 1.0),)


@st.composite
def arrays(draw):
    """Arrays of every type that holds real numbers, of any rank and with axes of no length."""
    dtype = draw(st.sampled_from([np.dtype(one) for one in (*REAL, "float16", "float32", "float64")]))
    shape = draw(hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=3))
    kept = st.integers(-100, 100) if dtype.kind == "i" else None
    kept = st.integers(0, 200) if dtype.kind == "u" else kept
    return draw(hnp.arrays(dtype, shape, elements=kept))


@settings(derandomize=True, deadline=None, max_examples=200)
@given(arrays(), st.booleans())
def test_values_are_kept(values, on_device):
    with jax.enable_x64(True):
        given_ = jnp.asarray(values) if on_device else values
        real = as_real(given_)
        assert isinstance(real, jax.Array) == on_device
        assert jnp.issubdtype(real.dtype, jnp.floating)
        assert real.dtype == (values.dtype if values.dtype.kind == "f" else np.float64)
        np.testing.assert_array_equal(real, values)
        if values.ndim:
            assert as_state(given_).shape == values.shape
        else:
            with pytest.raises(ValueError, match=r"has the axes .* got one number"):
                as_state(given_)


def test_numbers_that_single_precision_would_wrap():
    state = as_state(np.array([2**40, -(2**40), 2**31], np.int64))
    np.testing.assert_array_equal(np.asarray(state, np.float64), [2.0**40, -(2.0**40), 2.0**31])
    np.testing.assert_array_equal(as_state([[1], [2]]), [[1.0], [2.0]])


REFUSED = {
    "complex": (np.ones((8, 1), np.complex64), "is real, got complex64: give the real and the imaginary part as two"),
    "words": (np.full((8, 1), "a"), "holds real numbers, got <U1"),
    "objects": (np.full((8, 1), None), "holds real numbers, got object"),
    "times": (np.full((8, 1), np.datetime64("2020")), "holds real numbers, got datetime64"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_no_real_number_is_refused(kind):
    values, sentence = REFUSED[kind]
    for enter in (as_state, heat(), repeated(heat(), 2), lambda u: trajectory(heat(), u, 2)):
        with pytest.raises(ValueError, match=f"a state {sentence}"):
            enter(values)
    for metric in (errors.nrmse, errors.vrmse, errors.mse, errors.correlation):
        with pytest.raises(ValueError, match=f"a truth {sentence}"):
            metric(np.ones((2, 1, 8, 1)), np.broadcast_to(values, (2, 1, 8, 1)))
    with pytest.raises(ValueError, match=f"a coordinate {sentence}"):
        as_points(values, 1)
    with pytest.raises(ValueError, match=f"an error {sentence}"):
        MeanSquared()(values[None], values[None], (1.0,))
    with pytest.raises(ValueError, match="a state holds real numbers, got <U5"):
        trajectory(heat(), "state", 2)
    keys = jax.random.split(jax.random.key(0), 8)[:, None]
    with pytest.raises(ValueError, match="holds real numbers, got key"):
        as_state(keys)


def _field(make):
    return make(jax.random.key(0))


ENTRIES = {
    "stepper": lambda u: heat()(u),
    "repeated": lambda u: repeated(heat(), 2)(u),
    "trajectory": lambda u: trajectory(heat(), u, 2),
    "average": lambda u: Average((heat(), heat()))(u),
    "alternating": lambda u: Alternating(heat(), heat(), 2, 1e-3)(u),
    "rhs": lambda u: rhs(EQUATIONS["diffusion"], u, GRID),
    "grid_residual": lambda u: grid_residual(EQUATIONS["diffusion"], np.stack([u] * 3), 0.1, GRID),
    "mse": lambda u: MeanSquared()(u[None], u[None], (1.0,)),
    "relative_l2": lambda u: RelativeL2()(u[None], u[None], (1.0,)),
    "sobolev": lambda u: Sobolev()(u[None], u[None], (1.0,)),
    "metrics": lambda u: errors.moments(np.stack([u] * 2)[:, None], np.stack([u] * 2)[:, None]).error,
    "spectrum": lambda u: spectra.energy_spectrum(u, 1),
    "ensemble": lambda u: spread(np.stack([u] * 2)[:, None, None]),
    "score": lambda u: crps(np.stack([u] * 2), u),
    "field": lambda u: _field(lambda key: MLPField(1, BOX, width=4, depth=1, key=key))(u),
    "gaussians": lambda u: _field(lambda key: GaussianField(1, BOX, count=4, key=key))(u),
    "lattice": lambda u: _field(lambda key: GaussianLattice(1, BOX, counts=4, key=key))(u),
    "grid": lambda u: _field(lambda key: GaussianLattice(1, BOX, counts=4, key=key))(
        TensorGrid((jnp.asarray(u[:, 0]),))
    ),
}


@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize("dtype", [bool, "int8", "uint16"])
def test_wherever_a_state_enters(entry, dtype):
    found, expected = ENTRIES[entry](HAT.astype(dtype)), ENTRIES[entry](HAT.astype(np.float32))
    assert np.issubdtype(np.asarray(found).dtype, np.floating)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("entry", ["stepper", "trajectory", "rhs"])
def test_a_state_that_is_not_finite_gives_one(entry):
    assert np.isnan(ENTRIES[entry](np.where(HAT == 1, np.nan, 0.0).astype(np.float32))).all()


def test_half_precision_comes_back_as_it_went_in():
    for dtype in (jnp.bfloat16, jnp.float16):
        assert heat()(jnp.asarray(HAT, dtype)).dtype == dtype


def test_metrics_of_different_shapes_are_refused():
    with pytest.raises(ValueError, match=r"got shapes \(2, 1, 8, 1\) and \(2, 1, 8, 2\)"):
        errors.nrmse(np.ones((2, 1, 8, 1)), np.ones((2, 1, 8, 2)))


FOREIGN = {
    "a spectrum": (lambda u, key=None: 0.5j * u, np.ones((8, 1), np.complex64)),
    "a pair": (lambda u, key=None: [u[1], u[0] + 1.0], [1.0, 2.0]),
    "cells": (lambda u, key=None: jnp.roll(u, 1, 0) ^ u, np.arange(8, dtype=np.int32)[:, None]),
    "half a million": (lambda u, key=None: u * 2, jnp.ones((8, 1), jnp.bfloat16)),
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_states_of_foreign_steppers_stay_as_they_are(kind):
    step, u = FOREIGN[kind]
    once = step(jnp.asarray(u) if hasattr(u, "dtype") else u)
    found, again = repeated(step, 1)(u), trajectory(step, u, 2)
    jax.tree.map(np.testing.assert_array_equal, found, once)
    jax.tree.map(lambda x, y: np.testing.assert_array_equal(x[0], y), again, once)
    assert jax.tree.map(jnp.result_type, again) == jax.tree.map(jnp.result_type, once)
    jax.tree.map(np.testing.assert_array_equal, Alternating(step, step, 2, 1.0)(u), once)


def test_points_of_other_axes_are_refused():
    with pytest.raises(ValueError, match=r"expected points \(point, 2\), .* got shape \(8, 1\)"):
        as_points(HAT, 2)
    with pytest.raises(ValueError, match="expected a grid of the field's 2 axes, got one of 1"):
        as_points(TensorGrid((jnp.zeros(3),)), 2)


def test_a_state_without_its_channel_is_told_what_is_expected():
    with pytest.raises(ValueError, match=r"expected a state \(\*batch, 8, 1\), got shape \(8,\)"):
        heat()(np.zeros(8, np.float32))


def test_numbers_in_lists_are_a_state_of_a_stepper_of_arrays():
    rows = [[float(x)] for x in range(8)]
    np.testing.assert_array_equal(trajectory(heat(), rows, 2), trajectory(heat(), np.array(rows, np.float32), 2))
    with pytest.raises(ValueError, match=r"expected a state \(\*batch, 8, 1\), got shape \(3, 1\)"):
        trajectory(heat(), rows[:3], 2)


@pytest.mark.parametrize("kind", [">f4", ">f8", ">i2"])
def test_numbers_of_the_other_byte_order_are_numbers(kind):
    """As files of FITS and NetCDF have them."""
    values = np.arange(8.0)[None, :, None]
    np.testing.assert_array_equal(as_state(values.astype(kind)), values)
    np.testing.assert_array_equal(heat()(values.astype(kind)), heat()(values.astype(np.float32)))
    np.testing.assert_array_equal(trajectory(lambda u: 2 * u, values.astype(kind), 1)[0], 2 * values)
