import json

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pdejax.core import build, trajectory
from pdejax.data import Batch
from pdejax.methods import DataCard, load_model, save_model

NETWORK = {"kind": "fno", "modes": 4, "width": 8, "depth": 1}


@pytest.fixture
def small_card():
    return DataCard(
        shape=(16,),
        lengths=(2.0,),
        step=0.1,
        field_names=("u",),
        parameter_names=("nu",),
        statistics={
            "mean": [0.5],
            "std": [2.0],
            "rms_delta": [0.1],
            "parameter_mean": [1.0],
            "parameter_std": [0.3],
        },
        equation=("u_t = nu*u_xx",),
    )


def _batch(key, frames):
    states = jax.random.normal(key, (4, frames, 16, 1))
    return Batch(
        states=states,
        inputs=jnp.zeros((4, 16, 0)),
        parameters=jnp.linspace(0.7, 1.3, 4)[:, None],
        row=jnp.arange(4, dtype=jnp.int32),
        mask=jnp.ones(4),
    )


@pytest.mark.parametrize("predict", ["state", "increment"])
@pytest.mark.parametrize("history", [1, 2])
def test_loss_is_that_of_the_operators_own_trajectory(small_card, key, predict, history):
    method = build("method", {"kind": "supervised", "unroll": 3, "predict": predict, "history": history})
    model = method.build(NETWORK, small_card, key=key)
    batch = _batch(key, method.window)
    loss, metrics = method.loss(model, batch, jax.random.split(key, 4))

    first = jnp.concatenate([batch.states[:, i] for i in range(history)], -1)
    bound = model.bind({"nu": batch.parameters[:, 0]})
    frames = trajectory(bound, first, 3)[..., -1:]
    truth = jnp.moveaxis(batch.states[:, history:], 1, 0)
    scale = 0.1 if predict == "increment" else 2.0
    np.testing.assert_allclose(loss, jnp.mean(((frames - truth) / scale) ** 2, (0, 2, 3)), rtol=2e-4)
    nrmse = jnp.linalg.norm((frames - truth)[..., 0], axis=-1) / jnp.linalg.norm(truth[..., 0], axis=-1)
    np.testing.assert_allclose(metrics["nrmse"], nrmse[0], rtol=1e-4)
    np.testing.assert_allclose(metrics["nrmse_last"], nrmse[-1], rtol=1e-4)


def test_cut_gradient_changes_the_gradient_not_the_loss(small_card, key):
    def value_and_grad(cut):
        method = build("method", {"kind": "supervised", "unroll": 2, "predict": "state", "cut_gradient": cut})
        model = method.build(NETWORK, small_card, key=key)
        params, static = eqx.partition(model, method.trainable(model))
        batch = _batch(key, method.window)
        f = lambda p: jnp.mean(method.loss(eqx.combine(p, static), batch, jax.random.split(key, 4))[0])
        return jax.value_and_grad(f)(params)

    (a, through), (b, cut) = value_and_grad(False), value_and_grad(True)
    np.testing.assert_allclose(a, b, rtol=1e-6)
    distance = sum(float(jnp.sum(jnp.abs(x - y))) for x, y in zip(*map(jax.tree.leaves, (through, cut)), strict=True))
    assert distance > 1e-3


def test_only_the_network_is_trained(small_card, key):
    method = build("method", {"kind": "supervised"})
    model = method.build(NETWORK, small_card, key=key)
    params, frozen = eqx.partition(model, method.trainable(model))
    assert jax.tree.leaves(params.normalisation) == []
    assert len(jax.tree.leaves(frozen.normalisation)) == 7
    assert len(jax.tree.leaves(eqx.filter(frozen.network, eqx.is_inexact_array))) == 0


def test_noise_belongs_to_the_sample(small_card, key):
    method = build("method", {"kind": "supervised", "input_noise": 0.5})
    model = method.build(NETWORK, small_card, key=key)
    batch, keys = _batch(key, 2), jax.random.split(key, 4)
    whole = method.loss(model, batch, keys)[0]
    half = method.loss(model, jax.tree.map(lambda x: x[2:], batch), keys[2:])[0]
    np.testing.assert_allclose(whole[2:], half, rtol=1e-5)
    assert not np.allclose(whole, method.loss(model, batch, jax.random.split(jax.random.key(9), 4))[0])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"kind": "supervized"}, "unknown method 'supervized'. Did you mean 'supervised'"),
        ({"kind": "supervised", "unroll": 0}, r"unroll should be greater than or equal to 1, got 0"),
        ({"kind": "supervised", "predict": "state", "conserve_mean": True}, "needs predict=increment"),
    ],
)
def test_impossible_methods_are_refused(options, words):
    with pytest.raises(ValueError, match=words):
        build("method", options)


def test_saved_model_is_the_same_function(small_card, key, tmp_path):
    spec = {"kind": "supervised", "unroll": 2}
    model = build("method", spec).build(NETWORK, small_card, key=key)
    for metadata in ({"step": 1}, {"step": 2}):  # the second replaces the first
        save_model(tmp_path / "m", model, metadata)
    again = load_model(tmp_path / "m").bind({"nu": 1.2})
    u = jax.random.normal(key, (3, 16, 1))
    np.testing.assert_array_equal(again(u), model.bind({"nu": 1.2})(u))
    assert [p.name for p in tmp_path.iterdir()] == ["m"]


def test_weights_that_do_not_fit_are_named(small_card, key, tmp_path):
    spec = {"kind": "supervised"}
    model = build("method", spec).build(NETWORK, small_card, key=key)
    save_model(tmp_path / "m", model)
    description = tmp_path / "m/model.json"
    plain = json.loads(description.read_text())
    plain["network"]["width"] = 10
    description.write_text(json.dumps(plain))
    with pytest.raises(ValueError, match=r"network\.\S+ should have shape .*20.*, weights.safetensors holds .*16"):
        load_model(tmp_path / "m")
    with pytest.raises(FileNotFoundError, match=r"holds no model.json"):
        load_model(tmp_path)
