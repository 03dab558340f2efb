"""Networks that a person brings: any callable pytree is fitted, checked, trained, saved and loaded."""

import subprocess
import sys
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pdejax.core import build, per_sample, register
from pdejax.data import Batch
from pdejax.methods import (
    DataCard,
    Diffusion,
    Latent,
    NeuralODE,
    NoiseModel,
    Solver,
    Supervised,
    load_model,
    save_model,
    why_unsaved,
)

CARD = DataCard(
    shape=(16,), lengths=(2.0,), step=0.5, field_names=("u",), parameter_names=(), periodic=(True,),
    statistics={"mean": [1.0], "std": [2.0], "rms_delta": [0.2]},
)  # fmt: skip
VARYING = DataCard(
    shape=(16,), lengths=(2.0,), step=0.5, field_names=("u",), parameter_names=("nu",), periodic=(True,),
    statistics={"mean": [1.0], "std": [2.0], "rms_delta": [0.2], "parameter_mean": [1.0], "parameter_std": [0.1]},
)  # fmt: skip

MODULE = """
import equinox as eqx
import jax
import jax.numpy as jnp


class Mine(eqx.Module):
    linear: eqx.nn.Linear
    gain: float = 2.0

    def __init__(self, size, out, key):
        self.linear = eqx.nn.Linear(size, out, key=key)

    def __call__(self, x):
        return self.gain * jnp.tanh(jax.vmap(jax.vmap(self.linear))(x))


class Told(Mine):
    def __call__(self, x, *, condition):
        return super().__call__(x) + jnp.mean(condition, axis=-1)[:, None, None]
"""


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package that somebody else wrote."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "somebodys_networks.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    import somebodys_networks

    yield somebodys_networks
    sys.modules.pop("somebodys_networks")


def batch_of(card, frames, key):
    return Batch(
        states=jax.random.normal(key, (4, frames, 16, 1)),
        inputs=jnp.zeros((4, 16, 0)),
        parameters=jnp.ones((4, len(card.parameter_names))),
        row=jnp.arange(4, dtype=jnp.int32),
        mask=jnp.ones(4),
    )


def descends(method, model, card, key):
    """Whether a step along the gradient of the trainable leaves lowers the loss."""
    batch, keys = batch_of(card, method.window, key), jax.random.split(key, 4)
    params, static = eqx.partition(model, method.trainable(model))
    loss = jax.jit(jax.value_and_grad(lambda p: jnp.mean(method.loss(eqx.combine(p, static), batch, keys)[0])))
    before, gradient = loss(params)
    after, _ = loss(jax.tree.map(lambda p, g: p - 1e-3 * g, params, gradient))
    return float(after) < float(before)


def test_a_module_that_knows_nothing_of_us_is_trained(package, key):
    method = Supervised(unroll=2)
    model = method.build(package.Mine(1, 1, key), CARD, key=key)
    assert descends(method, model, CARD, key)


def test_one_sample_with_the_channels_first_is_adapted(key):
    keys = jax.random.split(key)
    layers = [eqx.nn.Conv1d(1, 8, 3, padding="SAME", key=keys[0]), eqx.nn.Lambda(jax.nn.gelu),
              eqx.nn.Conv1d(8, 1, 3, padding="SAME", key=keys[1])]  # fmt: skip
    method = Supervised()
    assert descends(method, method.build(per_sample(eqx.nn.Sequential(layers)), CARD, key=key), CARD, key)


def test_a_network_that_is_told_of_parameters(package, key):
    for method in (Supervised(), Diffusion(), NeuralODE(solver=Solver(fixed_steps=1))):
        size = 2 if isinstance(method, Diffusion) else 1
        model = method.build(package.Told(size, 1, key), VARYING, key=key)
        assert descends(method, model, VARYING, key)


def test_the_shape_of_its_output_is_checked_before_anything_is_compiled(package, key):
    with pytest.raises(ValueError, match=r"network Mine gives \(2, 16, 3\) for an input \(2, 16, 1\): expected"):
        Supervised().build(package.Mine(1, 3, key), CARD, key=key)
    with pytest.raises(ValueError, match=r"network Mine fails on an input \(2, 16, 1\): "):
        Supervised().build(package.Mine(5, 1, key), CARD, key=key)
    with pytest.raises(ValueError, match=r"network <lambda> gives str for an input"):
        Supervised().build(lambda x: "nothing", CARD, key=key)


def test_what_it_would_not_see_is_refused(package, key):
    mine = package.Mine(1, 1, key)
    with pytest.raises(ValueError, match=r"network Mine takes no condition, so that it would not see nu: give"):
        Supervised().build(mine, VARYING, key=key)
    with pytest.raises(ValueError, match="would not see how noisy its input is"):
        Diffusion().build(package.Mine(2, 1, key), CARD, key=key)
    with pytest.raises(ValueError, match="would not see the time"):
        NeuralODE(time_dependent=True).build(mine, CARD, key=key)


@pytest.mark.parametrize(
    ("method", "channels"),
    [
        (lambda net: Supervised(), 1),
        pytest.param(
            lambda net: NeuralODE(solver=Solver("SPaRK", fixed_steps=2), noise=NoiseModel(net)),
            1,
            marks=pytest.mark.long,
        ),
        (lambda net: NeuralODE(latent=Latent("field", 1, net)), 1),
    ],
    ids=["supervised", "noise", "latent"],
)
def test_saved_models_of_somebodys_networks_come_back(package, method, channels, key, tmp_path):
    net = package.Mine(channels, 1, key)
    model = method(net).build(net, CARD, key=key)
    assert why_unsaved(model) is None
    save_model(tmp_path / "m", model)
    with pytest.raises(ValueError, match=r"allow it by plugins=\['somebodys_networks'\]"):
        load_model(tmp_path / "m")
    again = load_model(tmp_path / "m", ["somebodys_networks"])
    assert eqx.tree_equal(again, model)
    u = jax.random.normal(key, (3, 16, 1))
    step = eqx.filter_jit(lambda model: model(u, key=key))
    np.testing.assert_array_equal(step(again), step(model))


def test_a_package_that_is_not_yet_imported_is_brought_by_its_model(package, key, tmp_path):
    model = Supervised().build(package.Mine(1, 1, key), CARD, key=key)
    save_model(tmp_path / "m", model)
    sys.modules.pop("somebodys_networks")
    again, u = load_model(tmp_path / "m", ["somebodys_networks"]), jnp.linspace(0, 1, 16)[None, :, None]
    assert type(again.network) is not type(model.network)
    np.testing.assert_array_equal(*jax.jit(lambda u: (again(u), model(u)))(u))


@pytest.mark.long  # a process of its own is dear; the test above imports anew as well
def test_a_saved_model_is_read_in_a_fresh_process(package, key, tmp_path):
    net = package.Mine(1, 1, key)
    save_model(tmp_path / "m", Supervised().build(net, CARD, key=key))
    program = (
        "import sys, numpy as np, jax.numpy as jnp; sys.path.insert(0, sys.argv[2])\n"
        "from pdejax.embedding import load\n"
        "u = jnp.linspace(0, 1, 16)[None, :, None]\n"
        "np.save(sys.argv[1] + '/out.npy', load(sys.argv[1] + '/m', plugins=['somebodys_networks'])(u))\n"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path), str(tmp_path / "site")], check=True)
    expected = Supervised().build(net, CARD, key=key)(jnp.linspace(0, 1, 16)[None, :, None])
    np.testing.assert_allclose(np.load(tmp_path / "out.npy"), expected, rtol=1e-6)


def test_what_cannot_be_saved_says_so_before_training(key):
    model = Supervised().build(lambda x: 2 * x, CARD, key=key)
    assert why_unsaved(model).startswith(
        "test_what_cannot_be_saved_says_so_before_training.<locals>.<lambda> cannot be"
    )
    with pytest.raises(ValueError, match="give it a name in a module"):
        save_model(Path("nowhere"), model)


def test_a_registered_kind_is_built_and_saved_by_its_name(key, tmp_path, monkeypatch):
    from pdejax.core import _registry

    monkeypatch.setitem(_registry._FACTORIES, "network", dict(_registry.registered("network")))

    class Scaled(eqx.Module):
        weight: jnp.ndarray

        def __init__(self, in_channels, out_channels, *, size: float = 1.0, key):
            self.weight = size * jax.random.normal(key, (in_channels, out_channels))

        def __call__(self, x):
            return x @ self.weight

    register("network", "scaled", Scaled)
    model = build("method", "supervised").build({"kind": "scaled", "size": 0.5}, CARD, key=key)
    save_model(tmp_path, model)
    assert eqx.tree_equal(load_model(tmp_path), model)


def test_a_layer_of_equinox_is_told_how_it_is_taken(key):
    layer = eqx.nn.Conv1d(1, 1, 3, padding=1, key=key)
    sentence = r"network Conv1d fails on an input \(2, 32, 1\): ValueError: Input to `Conv` .* pdejax.per_sample"
    with pytest.raises(ValueError, match=sentence):
        Supervised().build(layer, DataCard.from_arrays(np.zeros((2, 3, 32, 1)) + np.arange(32.0)[:, None]), key=key)


class Flat(eqx.Module):
    """A network of 32 points and no others."""

    mlp: eqx.nn.MLP

    def __call__(self, x):
        return jax.vmap(lambda v: self.mlp(v[:, 0])[:, None])(x)


def test_another_grid_than_a_network_takes_is_told(key):
    card = DataCard.from_arrays(np.zeros((2, 3, 32, 1)) + np.arange(32.0)[:, None])
    operator = Supervised().build(Flat(eqx.nn.MLP(32, 32, 4, 1, key=key)), card, key=key)
    assert operator(jnp.ones((2, 32, 1))).shape == (2, 32, 1)
    with pytest.raises(
        ValueError, match="network Flat was made for data on 32 points and fails on 64: TypeError: dot_"
    ):
        operator(jnp.ones((2, 64, 1)))
