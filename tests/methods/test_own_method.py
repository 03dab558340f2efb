"""A method that a person brings: one class, known by a name, that every part of the loop takes."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest

from pdejax.core import Positive, build, check_options, describe, per_channel, register
from pdejax.data import ArrayFeed
from pdejax.methods import (
    AbstractMethod,
    DataCard,
    Identity,
    Normalisation,
    Operator,
    OperatorInfo,
    fitted_network,
    load_model,
    only,
    origin_of,
    save_model,
)
from pdejax.training import fit
from tests.methods._drawn import drawn

STATES = np.random.default_rng(0).normal(size=(6, 5, 16, 1)).cumsum(1).astype(np.float32)


class Absolute(AbstractMethod):
    """Compares one step with the true one by the mean absolute difference."""

    weight: Positive = eqx.field(static=True, default=1.0)

    def __check_init__(self):
        check_options(self)

    @property
    def window(self):
        return 2

    def build(self, network, card, *, key):
        return Operator(
            fitted_network(network, card, len(card.field_names), key=key), Normalisation.of(card), Identity(),
            OperatorInfo.of(card), origin=origin_of(self, network, card),
        )  # fmt: skip

    def trainable(self, model):
        return only(model, lambda m: m.network)

    def loss(self, model, batch, keys):
        u, target = batch.states[:, 0], batch.states[:, 1]
        error = model.scaled(u, None) - (target - u) / per_channel(model.output_scale, u)
        return self.weight * jnp.mean(jnp.abs(error), axis=(1, 2)), {}


@pytest.fixture
def known(monkeypatch):
    from pdejax.core import _registry

    monkeypatch.setitem(_registry._FACTORIES, "method", dict(_registry.registered("method")))
    register("method", "absolute", Absolute)


@pytest.mark.usefixtures("known")
def test_it_is_built_trained_and_saved_by_its_name(tmp_path):
    method = build("method", {"kind": "absolute", "weight": 2.0})
    assert describe(method) == {"kind": "absolute", "weight": 2.0}
    with pytest.raises(ValueError, match=r"weight should be greater than 0, got -1\.0"):
        build("method", {"kind": "absolute", "weight": -1.0})
    network = {"kind": "perceptron", "width": 4, "depth": 1}
    feed = ArrayFeed(STATES, batch_size=4, window=2)
    untrained = drawn(method, network, DataCard.from_arrays(STATES))
    trained = fit(method, untrained, feed, steps=20, learning_rate=1e-2, devices=1)
    assert not eqx.tree_equal(trained, untrained)
    save_model(tmp_path, trained)
    assert eqx.tree_equal(load_model(tmp_path), trained)
