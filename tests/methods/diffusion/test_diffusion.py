import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pdejax.core import build, trajectory
from pdejax.data import Batch
from pdejax.methods import DataCard, Denoiser, load_model, save_model
from pdejax.methods.diffusion.diffusion import LOG_LOSS_UNIT
from pdejax.methods.diffusion.shares import drawn_levels

UNET = {"kind": "unet", "width": 4, "multipliers": [1, 2], "depth": 1}
REFINER = {"kind": "diffusion", "noise": {"kind": "exponential", "refinements": 3}, "sampler": {"kind": "renoise"}}
RELEASED = {
    "kind": "diffusion",
    "noise": {"kind": "exponential", "start": "noise"},
    "sampler": {"kind": "ancestral"},
    "parametrisation": "v",
}
SMALL = {
    "kind": "diffusion",
    "noise": {"kind": "adaptive", "refinements": 2, "rehearsals": 1},
    "sampler": {"kind": "renoise"},
    "regressor": "own",
    "pretrain": 0.5,
}
ACDM = {
    "kind": "diffusion",
    "noise": {"kind": "linear", "steps": 20, "beta_min": 5e-5, "beta_max": 0.01},
    "sampler": {"kind": "ancestral"},
    "predict": "state",
    "history": 2,
    "noisy_known": True,
}


@pytest.fixture
def cards():
    def make(ndim=1, names=("nu",)):
        return DataCard(
            shape=(16, 8, 4)[:ndim],
            lengths=(2.0,) * ndim,
            step=0.1,
            field_names=("u",),
            parameter_names=names,
            statistics={
                "mean": [0.5],
                "std": [2.0],
                "rms_delta": [0.1],
                "parameter_mean": [1.0] * len(names),
                "parameter_std": [0.3] * len(names),
            },
            periodic=(True,) * ndim,
        )

    return make


def _batch(card, key, frames, size=4):
    return Batch(
        states=0.5 + jax.random.normal(key, (size, frames, *card.shape, 1)),
        inputs=jnp.zeros((size, *card.shape, 0)),
        parameters=jnp.linspace(0.7, 1.3, size)[:, None] * jnp.ones((1, len(card.parameter_names))),
        row=jnp.arange(size, dtype=jnp.int32),
        mask=jnp.ones(size),
    )


def _awake(tree, key):
    """Random weights everywhere, also where a network starts with zeros."""
    leaves, structure = jax.tree.flatten(tree)
    keys = jax.random.split(key, len(leaves))
    noisy = [
        x + 0.1 * jax.random.normal(k, x.shape) if eqx.is_inexact_array(x) else x
        for x, k in zip(leaves, keys, strict=True)
    ]
    return jax.tree.unflatten(structure, noisy)


@pytest.mark.parametrize("parametrisation", ["x0", "eps", "v"])
def test_target_and_clean_field_are_inverse(parametrisation, key):
    denoiser = Denoiser(None, parametrisation)
    alpha = jnp.array([0.0, 0.0, 1.0, 1.0, 0.8, 0.1])
    sigma = jnp.array([0.0, 1.0, 0.3, 1e-3, 0.6, 0.995])
    y, noise = jax.random.normal(key, (2, 6, 16, 1))
    row = lambda a: a[:, None, None]
    noisy = row(alpha) * y + row(sigma) * noise
    clean = denoiser.clean(denoiser.target(y, noise, alpha, sigma), noisy, alpha, sigma)
    np.testing.assert_allclose(clean, y, atol=3e-6)


@pytest.mark.parametrize("ndim", [1, 2, 3])
@pytest.mark.parametrize("spec", [REFINER, RELEASED, ACDM], ids=["refiner", "released", "acdm"])
def test_every_dimension_steps_and_conditions_matter(spec, ndim, cards, key):
    card = cards(ndim, ("length", "nu", "step"))
    method = build("method", spec)
    model = method.build(UNET, card, key=key)
    model = eqx.tree_at(lambda m: m.network.denoiser, model, _awake(model.network.denoiser, key))
    u = jax.random.normal(key, (2, *card.shape, method.history))
    step = jax.jit(lambda length, key: model.bind({"nu": 1.0, "step": 1.0, "length": length})(u, key=key))
    one, same, other_key, other = step(0.9, key), step(0.9, key), step(0.9, jax.random.key(9)), step(1.1, key)
    assert one.shape == u.shape
    np.testing.assert_array_equal(one, same)
    assert float(jnp.abs(one - other_key).max()) > 1e-4
    assert float(jnp.abs(one - other).max()) > 1e-5


def test_paper_algorithm_by_hand(cards, key):
    """Algorithm 2 of the paper, written out for one sample."""
    card = cards(names=())
    model = build("method", REFINER).build(UNET, card, key=key)
    model = eqx.tree_at(lambda m: m.network.denoiser, model, _awake(model.network.denoiser, key))
    u = 0.5 + jax.random.normal(key, (1, 16, 1))
    network, sigma = model.network.denoiser, [0.0, *np.asarray(model.network.levels.sigma[1:])]
    known = (u - 0.5) / 2
    call = lambda y, k: network.output(y, known, jnp.full(1, float(k > 0)), jnp.full(1, sigma[k], jnp.float32), None)
    outer, inner = jax.random.split(jax.random.key(3))
    keys = jax.random.split(inner, 3)
    draws = [jax.random.normal(outer, u.shape)]
    draws += [jax.random.normal(jax.random.split(k)[1], u.shape) for k in keys[:-1]]
    y = call(jnp.zeros_like(u), 0)
    for k in (1, 2, 3):
        noisy = y + sigma[k] * draws[k - 1]
        y = noisy - sigma[k] * call(noisy, k)
    np.testing.assert_allclose(model(u, key=jax.random.key(3)), u + 0.1 * y, atol=1e-6)
    assert model.calls == 4


def test_cost_is_stated_in_network_calls(cards, key):
    calls = lambda spec: build("method", spec).build(UNET, cards(), key=key).calls
    assert [calls(s) for s in (REFINER, RELEASED, SMALL, ACDM)] == [4, 4, 3, 20]
    assert calls({**RELEASED, "samples": 5}) == 20
    assert calls({**REFINER, "samples": 5}) == 16
    assert calls({**ACDM, "sampler": {"kind": "heun"}, "steps": 6, "grid": "log_snr"}) == 11
    assert calls({"kind": "supervised"}) == 1


def test_levels_can_be_passed_twice(cards, key):
    """Two passes of the second level are two levels of equal noise."""
    card = cards(names=())
    model = build("method", REFINER).build(UNET, card, key=key)
    model = eqx.tree_at(lambda m: m.network.denoiser, model, _awake(model.network.denoiser, key))
    twice = build("method", {**REFINER, "passes": [1, 2, 1]}).build(UNET, card, key=key)
    twice = eqx.tree_at(lambda m: m.network.denoiser, twice, model.network.denoiser)
    index = jnp.array([0, 1, 2, 2, 3])
    longer = eqx.tree_at(lambda m: m.network.levels, model, model.network.levels[index])
    u = jax.random.normal(key, (2, 16, 1))
    np.testing.assert_allclose(twice(u, key=key), longer(u, key=key), atol=1e-6)
    assert twice.calls == 5


def test_no_row_draws_a_level_without_a_share(cards):
    method = build("method", SMALL).first_phase[0]
    rows = jnp.array([18717257, 37434514, 75601567, 0, 1], jnp.int32)  # whose places are next to 1
    np.testing.assert_array_equal(drawn_levels(rows, method.shares(4)), 0)


@pytest.mark.parametrize("share", [None, 0.5])
def test_levels_are_drawn_as_often_as_asked(share, cards, key):
    method = build("method", {**REFINER, "first_share": share})
    shares = method.shares(4)
    assert shares.sum() == pytest.approx(1)
    assert shares[0] == (share or 0.25)
    for start in (0, 10**9):  # also after long training
        level = np.asarray(drawn_levels(jnp.arange(start, start + 512, dtype=jnp.int32), shares))
        np.testing.assert_allclose(np.bincount(level, minlength=4) / 512, shares, atol=0.01)


def test_losses_by_level_average_to_the_loss(cards, key):
    card = cards()
    method = build("method", {**REFINER, "first_share": 0.4})
    model = method.build(UNET, card, key=key)
    batch = _batch(card, key, 2, size=256)
    losses, metrics = method.loss(model, batch, jax.random.split(key, 256))
    by_level = [float(metrics[f"loss_level_{k}"].mean()) for k in range(4)]
    assert float(losses.mean()) == pytest.approx(float(np.dot(method.shares(4), by_level)), rel=1e-4)
    # a new network is zero: the first level's loss is the mean square of the increments, the others' that of noise
    increments = (batch.states[:, 1] - batch.states[:, 0]) / 0.1
    assert by_level[0] == pytest.approx(float(jnp.mean(increments**2)), rel=0.15)
    np.testing.assert_allclose(by_level[1:], 1.0, rtol=0.15)


def test_learned_balance_makes_gradients_independent_of_the_size_of_a_loss(cards, key):
    """At its optimum the learned weight is one over the loss: that of the sum of logarithms."""
    card = cards()
    method = build("method", {**REFINER, "balance": "learned"})
    model = method.build(UNET, card, key=key)
    batch, keys = _batch(card, key, 2, size=64), jax.random.split(key, 64)
    losses = np.array([float(method.loss(model, batch, keys)[1][f"loss_level_{k}"].mean()) for k in range(4)])
    best = jnp.asarray(np.log(losses), jnp.float32) / LOG_LOSS_UNIT

    def total(log_losses):
        return jnp.mean(method.loss(eqx.tree_at(lambda m: m.network.log_losses, model, log_losses), batch, keys)[0])

    # levels are drawn almost, not exactly, equally often in a batch
    np.testing.assert_allclose(jax.grad(total)(best) / LOG_LOSS_UNIT, 0, atol=0.02)
    assert method.trainable(model).network.log_losses is True


def test_noise_belongs_to_the_sample(cards, key):
    card = cards()
    method = build("method", ACDM)
    model = method.build(UNET, card, key=key)
    batch, keys = _batch(card, key, 3), jax.random.split(key, 4)
    whole = method.loss(model, batch, keys)[0]
    np.testing.assert_allclose(
        whole[2:], method.loss(model, jax.tree.map(lambda x: x[2:], batch), keys[2:])[0], rtol=1e-5
    )


def test_two_phases(cards, key):
    """The first trains the regressor alone; then the others start from its weights, at its error, without it."""
    card = cards(names=())
    method = build("method", SMALL)
    first, share = method.first_phase
    assert share == 0.5
    model = first.build(UNET, card, key=key)
    assert model.calls == 1
    params, _ = eqx.partition(model, first.trainable(model))
    assert jax.tree.leaves(params.network.denoiser) == []
    assert jax.tree.leaves(params.network.regressor)
    model = eqx.tree_at(lambda m: m.network.regressor, model, _awake(model.network.regressor, key))

    batches = [_batch(card, k, 2) for k in jax.random.split(key, 3)]
    after = method.continued(model, batches)
    error = np.sqrt(np.mean([float(jnp.mean(first.loss(model, b, jax.random.split(key, 4))[0])) for b in batches]))
    # the weakest wavenumber of these random fields is strong: it does not ask for less noise
    np.testing.assert_allclose(after.network.levels.sigma, [0, error / 0.6, error / 2, 0.15 * error], rtol=1e-4)
    for a, b in zip(*map(jax.tree.leaves, (after.network.denoiser, model.network.regressor)), strict=True):
        np.testing.assert_array_equal(a, b)
    params, _ = eqx.partition(after, method.trainable(after))
    assert jax.tree.leaves(params.network.regressor) == []
    assert jax.tree.leaves(params.network.denoiser)
    assert after.calls == 3
    assert dataclasses.replace(after.network, refine=False).calls == 1
    np.testing.assert_allclose(method.shares(4), [0, 1 / 3, 1 / 3, 1 / 3])
    # the largest noise is trained on, but a sample never passes it
    other = eqx.tree_at(lambda m: m.network.levels.sigma, after, after.network.levels.sigma.at[1].set(9.0))
    u = batches[0].states[:, 0]
    np.testing.assert_array_equal(other(u, key=key), after(u, key=key))


def test_what_a_regressor_leaves(cards, key):
    """A regressor is subtracted: the rest has unit size, and is added again in its unit."""
    card = cards(names=())
    spec = {
        **SMALL,
        "noise": {"kind": "exponential", "refinements": 1, "min_noise_var": 0.01},
        "regressor": "subtracted",
    }
    method = build("method", spec)
    first, _ = method.first_phase
    model = first.build(UNET, card, key=key)
    model = eqx.tree_at(lambda m: m.network.regressor, model, _awake(model.network.regressor, key))
    batches = [_batch(card, k, 2, size=64) for k in jax.random.split(key, 2)]
    after = method.continued(model, batches)
    error = np.sqrt(np.mean([float(jnp.mean(first.loss(model, b, jax.random.split(key, 64))[0])) for b in batches]))
    assert float(after.network.unit) == pytest.approx(error, rel=1e-4)
    after = eqx.tree_at(lambda m: m.network.denoiser, after, jax.tree.map(jnp.zeros_like, after.network.denoiser))
    metrics = method.loss(after, batches[0], jax.random.split(key, 64))[1]
    # of a network that gives nothing: the loss of the rest in its unit, and of noise
    assert float(metrics["loss_level_0"].mean()) == pytest.approx(1, rel=0.2)
    assert float(metrics["loss_level_1"].mean()) == pytest.approx(1, rel=0.2)
    u = batches[0].states[:, 0]
    once = model(u, key=key)
    assert after.calls == 3
    # with a network of zeros a sample is the regression and the noise of the last level
    noise = (after(u, key=key) - once) / (0.1 * error)
    assert float(jnp.std(noise)) == pytest.approx(0.1, rel=0.05)


def test_corruption_by_the_own_prediction(cards, key):
    """The noise is then the error of the regression in units of the level; a chain without noise hands it on."""
    card = cards(names=())
    spec = {
        **REFINER,
        "noise": {"kind": "exponential", "refinements": 1, "min_noise_var": 0.01},
        "sampler": {"kind": "renoise", "noise": False},
        "corruption": "prediction",
    }
    method = build("method", spec)
    model = method.build(UNET, card, key=key)
    model = eqx.tree_at(lambda m: m.network.denoiser, model, _awake(model.network.denoiser, key))
    batch = _batch(card, key, 2, size=64)
    metrics = method.loss(model, batch, jax.random.split(key, 64))[1]
    u = batch.states[:, 0]
    known = (u - 0.5) / 2
    y, own = (batch.states[:, 1] - u) / 0.1, model.network.regression(known)
    full = lambda x: jnp.full(64, x)
    output = model.network.denoiser.output(own, known, full(1.0), full(0.1), None)
    assert float(metrics["loss_level_1"].mean()) == pytest.approx(
        float(jnp.mean((output - (own - y) / 0.1) ** 2)), rel=0.1
    )
    np.testing.assert_allclose(model(u, key=key), u + 0.1 * (own - 0.1 * output), atol=1e-4)


def test_rollouts_need_a_key_and_repeat_with_it(cards, key):
    model = build("method", RELEASED).build(UNET, cards(names=()), key=key)
    u = jax.random.normal(key, (2, 16, 1))
    with pytest.raises(ValueError, match="draws noise: call it with key="):
        model(u)
    a, b, c = (trajectory(model, u, 3, key=jax.random.key(i)) for i in (1, 1, 2))
    np.testing.assert_array_equal(a, b)
    assert float(jnp.abs(a - c).max()) > 1e-3


def test_mean_of_samples_has_less_noise(cards, key):
    u = jnp.zeros((64, 16, 1))
    spread = lambda samples: float(
        jnp.std(build("method", {**RELEASED, "samples": samples}).build(UNET, cards(names=()), key=key)(u, key=key))
    )
    assert spread(16) == pytest.approx(spread(1) / 4, rel=0.1)


@pytest.mark.parametrize("spec", [REFINER, SMALL, ACDM], ids=["refiner", "small", "acdm"])
def test_saved_model_is_the_same_function(spec, cards, key, tmp_path):
    card = cards()
    model = build("method", spec).build(UNET, card, key=key)
    if spec is SMALL:
        model = build("method", spec).continued(model, [_batch(card, key, 2)])
    save_model(tmp_path, model)
    u = jax.random.normal(key, (3, 16, model.history))
    again = load_model(tmp_path).bind({"nu": 1.2})
    np.testing.assert_array_equal(again(u, key=key), model.bind({"nu": 1.2})(u, key=key))


def test_mean_is_conserved_by_every_refinement(cards, key):
    model = build("method", {**REFINER, "conserve_mean": True}).build(UNET, cards(names=()), key=key)
    model = eqx.tree_at(lambda m: m.network.denoiser, model, _awake(model.network.denoiser, key))
    u = jax.random.normal(key, (2, 16, 1))
    np.testing.assert_allclose(model(u, key=key).mean(1), u.mean(1), atol=1e-6)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"noise": {"kind": "adaptive"}}, "pretrain should be above 0: an adaptive noise"),
        ({"first_share": 1.5}, r"first_share should be less than 1, got 1\.5"),
        ({"samples": 0}, "samples should be greater than or equal to 1, got 0"),
        ({"steps": 5}, "between 2 and the 3 levels that are trained and sampled, got 5"),
        ({"corruption": "prediction"}, "the sampler renoise without noise"),
        ({"sampler": {"kind": "renoise", "noise": False}}, "goes with corruption=prediction only"),
        ({"regressor": "own"}, "pretrain should be above 0: a regressor that is not shared"),
        (
            {"regressor": "own", "pretrain": 0.5, "noise": {"kind": "cosine"}},
            "that starts with zeros, whose first level is a regression, got Cosine",
        ),
        ({"passes": [1, 2]}, "for each of 3 levels, got \\[1, 2\\] and Renoise"),
        ({"pretrain": 1.0}, r"pretrain should be less than 1, got 1\.0"),
        ({"noisy_known": True}, "needs a noise that starts with noise"),
        ({"predict": "state", "conserve_mean": True}, "needs predict=increment"),
    ],
)
def test_impossible_methods_are_refused(options, words):
    with pytest.raises(ValueError, match=words):
        build("method", {**REFINER, **options})
