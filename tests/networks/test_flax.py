"""Modules of Flax as networks: given as objects or by their place, trained in our loop, saved and given back."""

import json
import subprocess
import sys
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen as nn
from flax import nnx

import pdejax
from pdejax.config import ConfigError, resolve
from pdejax.core import call, rebuilt, structure, wants
from pdejax.methods import DataCard, Latent, NeuralODE, Solver, Supervised, load_model, save_model, why_unsaved
from pdejax.networks import from_linen, from_nnx

CARD = DataCard(
    shape=(16,), lengths=(1.0,), step=0.05, field_names=("u",), parameter_names=(), periodic=(True,),
    statistics={"mean": [1.0], "std": [2.0], "rms_delta": [0.2]},
)  # fmt: skip
VARYING = DataCard(
    shape=(16,), lengths=(1.0,), step=0.05, field_names=("u",), parameter_names=("nu",), periodic=(True,),
    statistics={"mean": [1.0], "std": [2.0], "rms_delta": [0.2], "parameter_mean": [1.0], "parameter_std": [0.1]},
)  # fmt: skip

MODULE = """
import jax
import jax.numpy as jnp
from flax import linen as nn
from flax import nnx


class OfNNX(nnx.Module):
    def __init__(self, in_channels: int, out_channels: int, *, width: int = 4, activation=jax.nn.gelu, rngs):
        start = nnx.initializers.normal(0.3)  # another function every time
        conv = lambda i, o: nnx.Conv(i, o, (3,), padding="CIRCULAR", kernel_init=start, rngs=rngs)
        self.layers = nnx.List([conv(in_channels, width), conv(width, out_channels)])
        self.activation = activation

    def __call__(self, x):
        return self.layers[1](self.activation(self.layers[0](x)))


class OfLinen(nn.Module):
    out_channels: int
    width: int = 4
    start: nn.initializers.Initializer = nn.initializers.normal(0.3)

    @nn.compact
    def __call__(self, x):
        conv = lambda width: nn.Conv(width, (3,), padding="CIRCULAR", kernel_init=self.start)
        return conv(self.out_channels)(nn.gelu(conv(self.width)(x)))


class ToldNNX(nnx.Module):
    def __init__(self, *, rngs):
        self.gain = nnx.Param(jnp.ones(()))

    def __call__(self, x, *, condition, key=None):
        noise = 0 if key is None else jax.random.normal(key, x.shape)
        return self.gain * x + condition[:, None] + noise


class ToldLinen(nn.Module):
    @nn.compact
    def __call__(self, x, *, condition, key=None):
        noise = 0 if key is None else jax.random.normal(key, x.shape)
        return self.param("gain", lambda _: jnp.ones(())) * x + condition[:, None] + noise
"""


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A package that somebody else wrote."""
    site = tmp_path_factory.mktemp("site")
    (site / "somebodys_flax.py").write_text(MODULE)
    sys.path.insert(0, str(site))
    import somebodys_flax

    yield somebodys_flax
    sys.path.remove(str(site))
    sys.modules.pop("somebodys_flax")


SIZES = {"in_channels": 1, "out_channels": 1}
GIVEN = {
    "nnx object": lambda own: from_nnx(own.OfNNX(**SIZES, rngs=nnx.Rngs(1)), SIZES),
    "nnx place": lambda own: {"kind": "somebodys_flax:OfNNX", "width": 4},
    "linen object": lambda own: own.OfLinen(1, width=6),
    "linen place": lambda own: {"kind": "somebodys_flax:OfLinen", "width": 4},
}


def waves(count=16, seed=0):
    """Sines that travel by a twentieth of their box a frame."""
    phase, x, t = np.random.default_rng(seed).uniform(size=(count, 1, 1)), np.arange(16) / 16, np.arange(6) / 20
    states = np.sin(2 * np.pi * (x[None, None] - t[None, :, None] + phase))[..., None].astype(np.float32)
    return pdejax.Arrays({"train": states}, step=0.05, lengths=(1.0,), fields=("u",))


def fitted(network, steps, folder=None):
    return pdejax.fit(
        Supervised(), network, pdejax.ArrayFeed(waves(), batch_size=8), steps=steps, optimiser=optax.adam(1e-2),
        folder=folder, show=False, updates_per_dispatch=5, checkpoint_every=10,
    )  # fmt: skip


def same(a, b):
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_array_equal(np.asarray(x), np.asarray(y))


# ---- the same function


def test_outputs_and_gradients_are_those_of_flax(own, key):
    x = jax.random.normal(key, (3, 16, 1))
    module, linen = own.OfNNX(1, 1, rngs=nnx.Rngs(0)), own.OfLinen(1)
    variables = linen.init(key, x)
    graph, state = nnx.split(module)
    score = lambda y: jnp.sum(jnp.sin(y))

    @jax.jit
    def theirs(state, variables):
        of_nnx = lambda state: score(nnx.merge(graph, state)(x))
        of_linen = lambda variables: score(linen.apply(variables, x))
        return jax.value_and_grad(of_nnx)(state), jax.value_and_grad(of_linen)(variables)

    ours = jax.jit(lambda *nets: [jax.value_and_grad(lambda net: score(net(x)))(net) for net in nets])
    (value, slopes), (value_of_linen, slopes_of_linen) = theirs(state, variables)
    (a, da), (b, db) = ours(from_nnx(module), from_linen(linen, variables))
    np.testing.assert_allclose([a, b], [value, value_of_linen], rtol=1e-6)
    assert len(jax.tree.leaves(da)) == len(jax.tree.leaves(db)) == 4
    for ours_, theirs_ in ((da.params, nnx.to_pure_dict(slopes)), (db.params, slopes_of_linen["params"])):
        for one, other in zip(jax.tree.leaves(ours_), jax.tree.leaves(theirs_), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_condition_and_key_are_handed_on(own, key):
    u = jax.random.normal(key, (3, 16, 1))
    for network in (own.ToldNNX(rngs=nnx.Rngs(0)), own.ToldLinen()):
        operator = Supervised().build(network, VARYING, key=key)
        moved = operator.bind({"nu": jnp.array([1.0, 1.1, 0.9])})
        shown = (u - 1) / 2
        expected = u + 0.2 * (shown + jnp.array([0.0, 1.0, -1.0])[:, None, None])
        np.testing.assert_allclose(moved(u), expected, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(
            moved(u, key=key), expected + 0.2 * jax.random.normal(key, u.shape), rtol=1e-5, atol=1e-5
        )


def test_keywords_go_where_they_are_named(own, key):
    made = Supervised().build({"kind": "somebodys_flax:OfNNX"}, CARD, key=key).network
    told = Supervised().build(own.ToldLinen(), VARYING, key=key).network
    assert not wants(made, "condition")
    assert wants(told, "condition")
    assert not wants(told, "query")
    sequence = nn.Sequential([nn.Dense(4), nn.gelu, nn.Dense(1)])  # takes any keyword, and its layers none
    operator, x = Supervised().build(sequence, CARD, key=key), jnp.ones((2, 16, 1))
    assert call(operator.network, x, condition=None, key=key).shape == (2, 16, 1)
    with pytest.raises(ValueError, match="network Sequential takes no condition, so that it would not see nu"):
        Supervised().build(sequence, VARYING, key=key)


def test_mistakes_are_told_with_the_name_of_the_class(own, key):
    with pytest.raises(ValueError, match=r"network OfNNX gives \(2, 16, 3\) for an input \(2, 16, 1\): expected"):
        Supervised().build(own.OfNNX(1, 3, rngs=nnx.Rngs(0)), CARD, key=key)
    with pytest.raises(ValueError, match=r"network ToldLinen fails on an input \(2, 16, 1\): TypeError"):
        Supervised().build(own.ToldLinen(), CARD, key=key)
    with pytest.raises(ValueError, match=r"network OfNNX takes no condition, so that it would not see nu"):
        Supervised().build({"kind": "somebodys_flax:OfNNX"}, VARYING, key=key)
    with pytest.raises(ValueError, match=r"from_nnx takes an object of a class of nnx.Module, got the class OfNNX"):
        from_nnx(own.OfNNX)
    with pytest.raises(ValueError, match=r"from_linen takes a module of Flax Linen, got OfNNX"):
        from_linen(own.OfNNX(1, 1, rngs=nnx.Rngs(0)), {})


# ---- in our loop


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=pytest.mark.long) if "object" in kind else kind for kind in GIVEN]
)
def test_trains_goes_on_bit_for_bit_and_comes_back(own, kind, tmp_path):
    network = GIVEN[kind](own)
    first = fitted(network, 10, tmp_path / "run")
    went_on, at_once = fitted(network, 40, tmp_path / "run"), fitted(network, 40)
    same(went_on, at_once)
    u = jnp.asarray(waves(4, seed=1).split("train").states)
    error = eqx.filter_jit(lambda model: jnp.mean(jnp.square(model(u[:, 0]) - u[:, 1])))
    assert error(at_once) < 0.5 * error(first)
    assert why_unsaved(at_once) is None
    again = load_model(tmp_path / "run" / "model", ["somebodys_flax"])
    same(again, went_on)
    assert jax.tree.structure(again.network) == jax.tree.structure(went_on.network)
    np.testing.assert_array_equal(error(again), error(went_on))
    with pytest.raises(ValueError, match=r"allow it by plugins=\['somebodys_flax'\]"):
        load_model(tmp_path / "run" / "model")


@pytest.mark.long
def test_saved_models_are_read_in_a_fresh_process(own, key, tmp_path):
    u, expected, kinds = jnp.linspace(0, 1, 16)[None, :, None], [], ("nnx object", "linen object")
    for i, kind in enumerate(kinds):
        model = Supervised().build(GIVEN[kind](own), CARD, key=key)
        save_model(tmp_path / str(i), model)
        expected.append(model(u))
    program = (
        "import sys, numpy as np, jax.numpy as jnp; sys.path.insert(0, sys.argv[2])\n"
        "import pdejax\n"
        "u = jnp.linspace(0, 1, 16)[None, :, None]\n"
        "load = lambda i: pdejax.load(f'{sys.argv[1]}/{i}', plugins=['somebodys_flax'])(u)\n"
        f"np.save(sys.argv[1] + '/out.npy', [load(i) for i in range({len(kinds)})])\n"
    )
    site = sys.modules["somebodys_flax"].__file__.rpartition("/")[0]
    subprocess.run([sys.executable, "-c", program, str(tmp_path), site], check=True)
    np.testing.assert_allclose(np.load(tmp_path / "out.npy"), expected, rtol=1e-5, atol=1e-6)


def test_an_object_alone_trains_is_left_as_it_was_and_takes_the_weights_back(own):
    module, u = own.OfNNX(1, 1, rngs=nnx.Rngs(1)), jnp.ones((2, 16, 1)).at[:, 3].set(0)
    before = module(u)
    trained = fitted(module, 5)
    np.testing.assert_array_equal(module(u), before)
    nnx.update(module, nnx.state(trained.network.to_flax()))
    np.testing.assert_allclose(module(u), trained.network(u), rtol=1e-5, atol=1e-6)
    assert np.max(np.abs(module(u) - before)) > 1e-3


def test_a_linen_module_is_given_back_with_its_variables(own, key):
    operator, u = Supervised().build(own.OfLinen(1), CARD, key=key), jax.random.normal(key, (2, 16, 1))
    module, variables = operator.network.to_flax().unbind()
    assert module == own.OfLinen(1)
    np.testing.assert_array_equal(module.apply(variables, u), operator.network(u))


def test_networks_inside_of_a_method(own, key, tmp_path):
    """An encoder is described with the method, and built when its sizes are known."""
    latent = Latent("field", 2, own.OfLinen(2), own.OfLinen(1))
    for network in ({"kind": "somebodys_flax:OfNNX"}, own.OfLinen(2)):
        model = NeuralODE(latent=latent, solver=Solver(fixed_steps=1)).build(network, CARD, key=key)
        save_model(tmp_path / "m", model)
        assert eqx.tree_equal(load_model(tmp_path / "m", ["somebodys_flax"]), model)


def test_modules_inside_of_modules_and_plain_settings_are_kept(key):
    first = lambda **more: nn.Dense(3, dtype=jnp.float32, **more)
    nested = nn.Sequential([first(param_dtype=jnp.bfloat16), nn.gelu, nn.Sequential([nn.Dense(1)])])
    again = rebuilt(json.loads(json.dumps(structure(nested))))
    assert again == nested
    assert again != nn.Sequential([first(), nn.gelu, nn.Sequential([nn.Dense(1)])])
    x = jnp.ones((2, 4), jnp.float32)
    variables = nested.init(key, x)
    np.testing.assert_array_equal(from_linen(again, variables)(x), nested.apply(variables, x))


class Tied(nnx.Module):
    def __init__(self, *, rngs):
        self.first = nnx.Linear(4, 4, rngs=rngs)
        self.last = self.first
        self.scales = nnx.Dict(one=nnx.Param(jnp.full(4, 2.0)))

    def __call__(self, x):
        return self.last(jnp.tanh(self.first(x))) * self.scales["one"][None]


def test_parameters_that_are_used_twice_are_one():
    module, x = Tied(rngs=nnx.Rngs(0)), jnp.ones((3, 4))
    network = from_nnx(module, {})
    assert jax.tree.map(jnp.shape, network.params) == {
        "first": {"bias": (4,), "kernel": (4, 4)}, "scales": {"one": (4,)}
    }  # fmt: skip
    np.testing.assert_array_equal(network(x), module(x))
    back = network.to_flax()
    assert back.first is back.last


# ---- by a description


def test_a_class_is_named_in_a_configuration(own):
    word = "network={kind: 'somebodys_flax:OfNNX', width: 6}"
    config = resolve(["problem=advection", word, "name=own"])
    assert config.network.spec() == {"kind": "somebodys_flax:OfNNX", "width": 6}
    assert resolve(["problem=advection", "network={kind: 'somebodys_flax:OfLinen'}", "name=own"]).network.width == 4
    with pytest.raises(ConfigError, match=r"unknown key 'network.widht'. Did you mean 'width'"):
        resolve(["problem=advection", "network={kind: 'somebodys_flax:OfLinen', widht: 6}", "name=own"])
    with pytest.raises(ConfigError, match=r"unknown key 'network.activation'"):  # no configuration says a function
        resolve(["problem=advection", "network={kind: 'somebodys_flax:OfNNX', activation: tanh}", "name=own"])
    with pytest.raises(ConfigError, match=r"network.width should be a valid integer, got 'six'"):
        resolve(["problem=advection", "network={kind: 'somebodys_flax:OfNNX', width: six}", "name=own"])


def test_a_registered_class_goes_by_its_name(key, tmp_path):
    @pdejax.register("network", "pointwise_linen")
    class Pointwise(nn.Module):
        out_channels: int

        @nn.compact
        def __call__(self, x):
            return nn.Dense(self.out_channels)(x)

    for i, network in enumerate(("pointwise_linen", Pointwise(1))):
        model = Supervised().build(network, CARD, key=key)
        save_model(tmp_path / str(i), model)
        assert eqx.tree_equal(load_model(tmp_path / str(i)), model)


def test_what_no_file_can_hold_says_how_it_could(own, key):
    model = Supervised().build(own.OfNNX(1, 1, rngs=nnx.Rngs(0)), CARD, key=key)
    assert why_unsaved(model) == (
        "OfNNX is an NNX module that was built already, and to build it again a file needs the arguments of its "
        "constructor: give from_nnx(module, options={...}), or the description {'kind': 'somebodys_flax:OfNNX', ...}"
    )
    with pytest.raises(ValueError, match="give from_nnx"):
        save_model(Path("nowhere"), model)
    linen = own.OfLinen(1, start=nn.initializers.normal(0.5))
    assert "cannot be saved: give it a name in a module" in why_unsaved(Supervised().build(linen, CARD, key=key))


def test_options_that_make_another_module_are_refused(own):
    module = own.OfNNX(1, 1, width=6, rngs=nnx.Rngs(0))
    with pytest.raises(ValueError, match=r"has float32\[4\] at layers.0.bias, the module given has float32\[6\]"):
        from_nnx(module, SIZES)
    module = own.OfNNX(1, 1, activation=jnp.tanh, rngs=nnx.Rngs(0))
    with pytest.raises(ValueError, match=r"gelu at activation, the module given has .*tanh"):
        from_nnx(module, SIZES)
    x = jnp.linspace(0, 1, 16)[None, :, None]
    np.testing.assert_array_equal(from_nnx(module, {**SIZES, "activation": jnp.tanh})(x), module(x))


def test_a_file_cannot_call_what_is_no_module_of_flax(own, key, tmp_path):
    with pytest.raises(ValueError, match="builtins:print is neither a class of modules nor a function of arrays"):
        rebuilt({"!": "linen", "class": "builtins:print", "options": {"sep": ""}})
    save_model(tmp_path, Supervised().build(GIVEN["nnx object"](own), CARD, key=key))
    text = (tmp_path / "model.json").read_text()
    changed = json.loads(text.replace("somebodys_flax:OfNNX", "builtins:dict"))
    network = rebuilt(changed["network"])
    with pytest.raises(ValueError, match=r"builtins:dict is no class of nnx.Module"):
        network(jnp.ones((1, 16, 1)))


# ---- what is refused


class Kept(nnx.Module):
    def __init__(self, kept):
        self.kept = kept

    def __call__(self, x):
        return x


class Complex(nn.Module):
    @nn.compact
    def __call__(self, x):
        return jnp.real(self.param("gain", lambda _: jnp.ones((), jnp.complex64))) * x


REFUSED = {
    "batch statistics": (
        lambda: Kept(nnx.BatchNorm(1, rngs=nnx.Rngs(0))),
        r"^Kept keeps kept.mean \(BatchStat\) beside its parameters, .*: take a norm without statistics",
    ),
    "random numbers": (
        lambda: Kept(nnx.Dropout(0.1, rngs=nnx.Rngs(0))),
        r"^Kept keeps kept.rngs.count \(RngCount\) .* Dropout with deterministic=True: no method draws",
    ),
    "an array": (
        lambda: Kept(jnp.ones(3)),
        r"^Kept keeps kept \(plain array\) beside its parameters, and networks are pure: compute it in the call",
    ),
    "complex": (
        lambda: Kept(nnx.Param(jnp.ones(3, jnp.complex64))),
        r"^complex parameters and optax do not mix, and kept of Kept is complex64: keep its real",
    ),
    "batch statistics of linen": (
        lambda: nn.BatchNorm(use_running_average=True),
        r"^BatchNorm keeps batch_stats.mean \(batch_stats\) beside .* LayerNorm",
    ),
    "random numbers of linen": (
        lambda: nn.Sequential([nn.Dense(1), nn.Dropout(0.1, deterministic=False)]),
        r"^Sequential draws random numbers \(layers_1 needs PRNG for \"dropout\"\), and no method",
    ),
    "complex of linen": (
        lambda: Complex(),
        r"^complex parameters and optax do not mix, and gain of Complex is complex64",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_no_pure_function_of_real_parameters_is_refused(what, key):
    make, sentence = REFUSED[what]
    with pytest.raises(ValueError, match=sentence):
        Supervised().build(make(), CARD, key=key)


def test_dropout_that_does_nothing_is_no_reason_to_refuse(key):
    layers = lambda dropout: [nn.Dense(1), dropout]
    Supervised().build(nn.Sequential(layers(nn.Dropout(0.1, deterministic=True))), CARD, key=key)
    Supervised().build(Kept(nnx.Dropout(0.1, deterministic=True)), CARD, key=key)
