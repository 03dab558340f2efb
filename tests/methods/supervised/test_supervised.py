import json

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pdejax.core import build, trajectory
from pdejax.data import Batch
from pdejax.methods import DataCard, Supervised, load_model, save_model
from tests.methods._drawn import drawn, normal

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


def _batch(frames):
    return Batch(
        states=normal(4, frames, 16, 1),
        inputs=jnp.zeros((4, 16, 0)),
        parameters=jnp.asarray(np.linspace(0.7, 1.3, 4, dtype=np.float32)[:, None]),
        row=jnp.arange(4, dtype=jnp.int32),
        mask=jnp.ones(4),
    )


@pytest.mark.parametrize("predict", ["state", "increment"])
@pytest.mark.parametrize("history", [1, 2])
def test_loss_is_that_of_the_operators_own_trajectory(small_card, key, predict, history):
    method = build("method", {"kind": "supervised", "unroll": 3, "predict": predict, "history": history})
    model = drawn(method, NETWORK, small_card)
    batch, keys = _batch(method.window), jax.random.split(key, 4)

    @jax.jit
    def run(batch, keys):
        first = jnp.concatenate([batch.states[:, i] for i in range(history)], -1)
        bound = model.bind({"nu": batch.parameters[:, 0]})
        return method.loss(model, batch, keys), trajectory(bound, first, 3)[..., -1:]

    (loss, metrics), frames = jax.tree.map(np.asarray, run(batch, keys))
    truth = np.moveaxis(np.asarray(batch.states)[:, history:], 1, 0)
    scale = 0.1 if predict == "increment" else 2.0
    np.testing.assert_allclose(loss, np.mean(((frames - truth) / scale) ** 2, (0, 2, 3)), rtol=2e-4)
    nrmse = np.linalg.norm((frames - truth)[..., 0], axis=-1) / np.linalg.norm(truth[..., 0], axis=-1)
    np.testing.assert_allclose(metrics["nrmse"], nrmse[0], rtol=1e-4)
    np.testing.assert_allclose(metrics["nrmse_last"], nrmse[-1], rtol=1e-4)


def test_cut_gradient_changes_the_gradient_not_the_loss(small_card, key):
    whole, cut = (
        build("method", {"kind": "supervised", "unroll": 2, "predict": "state", "cut_gradient": cut})
        for cut in (False, True)
    )
    model = drawn(whole, NETWORK, small_card)
    params, static = eqx.partition(model, whole.trainable(model))
    batch, keys = _batch(whole.window), jax.random.split(key, 4)

    def value_and_grad(method, params):
        mean = lambda p: jnp.mean(method.loss(eqx.combine(p, static), batch, keys)[0])
        return jax.value_and_grad(mean)(params)

    run = jax.jit(lambda params: [value_and_grad(method, params) for method in (whole, cut)])
    (a, through), (b, cut) = jax.tree.map(np.asarray, run(params))
    np.testing.assert_allclose(a, b, rtol=1e-6)
    distance = sum(np.sum(np.abs(x - y)) for x, y in zip(*map(jax.tree.leaves, (through, cut)), strict=True))
    assert distance > 1e-3


def test_only_the_network_is_trained(small_card, key):
    method = build("method", {"kind": "supervised"})
    model = drawn(method, NETWORK, small_card)
    params, frozen = eqx.partition(model, method.trainable(model))
    assert jax.tree.leaves(params.normalisation) == []
    assert len(jax.tree.leaves(frozen.normalisation)) == 7
    assert len(jax.tree.leaves(eqx.filter(frozen.network, eqx.is_inexact_array))) == 0


def test_noise_belongs_to_the_sample(small_card, key):
    method = build("method", {"kind": "supervised", "input_noise": 0.5})
    model = drawn(method, NETWORK, small_card)
    batch, keys = _batch(2), jax.random.split(key, 4)

    @jax.jit
    def run(batch, keys, others):
        half = jax.tree.map(lambda x: x[2:], batch)
        parts = ((batch, keys), (half, keys[2:]), (batch, others))
        return [method.loss(model, *part)[0] for part in parts]

    whole, half, other = run(batch, keys, jax.random.split(jax.random.key(9), 4))
    np.testing.assert_allclose(whole[2:], half, rtol=1e-5)
    assert not np.allclose(whole, other)


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
    model = drawn(build("method", spec), NETWORK, small_card)
    for metadata in ({"step": 1}, {"step": 2}):  # the second replaces the first
        save_model(tmp_path / "m", model, metadata)
    step = eqx.filter_jit(lambda model, u: model.bind({"nu": 1.2})(u))
    u = normal(3, 16, 1)
    np.testing.assert_array_equal(step(load_model(tmp_path / "m"), u), step(model, u))
    assert [p.name for p in tmp_path.iterdir()] == ["m"]


def test_weights_that_do_not_fit_are_named(small_card, key, tmp_path):
    spec = {"kind": "supervised"}
    model = drawn(build("method", spec), NETWORK, small_card)
    save_model(tmp_path / "m", model)
    description = tmp_path / "m/model.json"
    plain = json.loads(description.read_text())
    plain["network"]["width"] = 10
    description.write_text(json.dumps(plain))
    with pytest.raises(ValueError, match=r"model.json was changed since it was written"):
        load_model(tmp_path / "m")
    del plain["sha256"]  # as a former file, or one that was made by hand
    description.write_text(json.dumps(plain))
    with pytest.raises(ValueError, match=r"network\.\S+ should have shape .*20.*, weights.safetensors holds .*16"):
        load_model(tmp_path / "m")
    with pytest.raises(FileNotFoundError, match=r"holds no model.json"):
        load_model(tmp_path)


def test_gradients_are_cut_between_steps_only():
    with pytest.raises(ValueError, match="cut_gradient=true has no effect with unroll=1"):
        Supervised(cut_gradient=True)
