"""Operators of steady problems."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pdejax.core import build
from pdejax.data import Batch
from pdejax.methods import DataCard, load_model, save_model
from tests.methods._drawn import drawn

NETWORK = {"kind": "fno", "modes": 3, "width": 6, "depth": 2}


@pytest.fixture(scope="module")
def card():
    statistics = {"mean": [2.0], "std": [3.0], "rms_delta": [0.0], "input_mean": [1.0, 0.0], "input_std": [2.0, 0.5]}
    return DataCard(
        shape=(9, 8),
        lengths=(1.0, 1.0),
        step=0.0,
        field_names=("u",),
        parameter_names=("k",),
        statistics=statistics | {"parameter_mean": [1.0], "parameter_std": [0.3]},
        input_names=("a", "f"),
        periodic=(False, False),
    )


@pytest.fixture(scope="module")
def model(card):
    return drawn(build("method", {"kind": "steady"}), NETWORK, card)


@pytest.fixture
def inputs():
    return jnp.asarray(np.random.default_rng(0).standard_normal((4, 9, 8, 2)), jnp.float32)


def test_the_network_is_that_of_the_domain(model):
    assert model.network.periodic == (False, False)


def test_units_are_physical(model, inputs):
    k = jnp.array([0.7, 1.0, 1.2, 1.3])
    scaled = (np.asarray(inputs) - np.array([1.0, 0.0])) / np.array([2.0, 0.5])

    @jax.jit
    def run(inputs, scaled):
        bound = model.bind({"k": k})
        return bound(inputs), bound.predict(inputs, [0.0])[0], model.network(scaled, condition=(k[:, None] - 1) / 0.3)

    out, predicted, expected = run(inputs, jnp.asarray(scaled, jnp.float32))
    np.testing.assert_allclose(out, 2 + 3 * np.asarray(expected), rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(predicted, out)


def test_batch_axes_are_free(model, inputs):
    @jax.jit
    def run(inputs):
        bound, square = model.bind({"k": 1.0}), inputs.reshape(2, 2, 9, 8, 2)
        two = model.bind({"k": jnp.array([0.8, 1.2])})
        each = [model.bind({"k": k})(inputs[i::2]) for i, k in enumerate((0.8, 1.2))]
        free = bound(square).reshape(4, 9, 8, 1), jax.vmap(bound)(inputs)
        return bound(inputs), free, bound(inputs[0]), two(square), jnp.stack(each, 1)

    whole, free, alone, two, each = run(inputs)
    for one in free:
        np.testing.assert_allclose(one, whole, atol=1e-5)
    np.testing.assert_allclose(alone, whole[0], atol=1e-5)
    np.testing.assert_allclose(two, each, atol=1e-5)


def test_loss_is_the_relative_error_in_physical_units(card, model, inputs):
    states = jnp.asarray(np.random.default_rng(1).standard_normal((4, 1, 9, 8, 1)), jnp.float32) + 2
    k = jnp.linspace(0.7, 1.3, 4)
    batch = Batch(states, inputs, k[:, None], jnp.arange(4, dtype=jnp.int32), jnp.ones(4))
    method, keys = build("method", {"kind": "steady"}), jax.random.split(jax.random.key(0), 4)
    run = jax.jit(lambda batch: (method.loss(model, batch, keys), model.bind({"k": k})(batch.inputs)))
    (loss, metrics), out = run(batch)
    error = np.asarray(out - states[:, 0]).reshape(4, -1)
    expected = np.linalg.norm(error, axis=1) / np.linalg.norm(np.asarray(states).reshape(4, -1), axis=1)
    np.testing.assert_allclose(loss, expected, rtol=1e-4)
    np.testing.assert_allclose(metrics["nrmse"], expected, rtol=1e-4)


def test_only_the_network_is_trained(model):
    flags = build("method", {"kind": "steady"}).trainable(model)
    assert not any(jax.tree.leaves(flags.normalisation))
    assert any(jax.tree.leaves(flags.network))


def test_it_comes_back_from_disk(card, model, inputs, tmp_path):
    save_model(tmp_path, model)
    run = eqx.filter_jit(lambda model, inputs: model.bind({"k": 1.1})(inputs))
    np.testing.assert_array_equal(run(load_model(tmp_path), inputs), run(model, inputs))


def test_what_does_not_fit_is_named(card, model, inputs):
    with pytest.raises(ValueError, match=r"expected inputs \(\*batch, x, y, 2\) of a, f, got shape \(4, 9, 8, 1\)"):
        model(inputs[..., :1])
    with pytest.raises(ValueError, match="depends on k: call bind"):
        model(inputs)
    with pytest.raises(ValueError, match="needs periodic axes"):
        build("method", {"kind": "steady", "error": {"kind": "sobolev"}}).build(NETWORK, card, key=jax.random.key(0))
    in_time = dataclasses.replace(card, input_names=())
    with pytest.raises(ValueError, match="these data step in time"):
        build("method", {"kind": "steady"}).build(NETWORK, in_time, key=jax.random.key(0))
    with pytest.raises(ValueError, match="the data map a, f: take steady"):
        build("method", {"kind": "supervised"}).build(NETWORK, card, key=jax.random.key(0))
