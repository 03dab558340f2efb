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
from tests.methods._drawn import drawn, normal

UNET = {"kind": "unet", "width": 4, "multipliers": [1], "depth": 1}
# where an algorithm is tested, whose steps are the same whatever the network
NETWORK = {"kind": "perceptron", "width": 6, "depth": 1}
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


def _batch(card, frames, size=4, seed=1):
    return Batch(
        states=0.5 + normal(size, frames, *card.shape, 1, seed=seed),
        inputs=jnp.zeros((size, *card.shape, 0)),
        parameters=jnp.asarray(
            np.linspace(0.7, 1.3, size, dtype=np.float32)[:, None].repeat(len(card.parameter_names), 1)
        ),
        row=jnp.arange(size, dtype=jnp.int32),
        mask=jnp.ones(size),
    )


def _losses(method, model, batch, keys):
    """The loss in one program, as NumPy's arrays."""
    return jax.tree.map(np.asarray, eqx.filter_jit(method.loss)(model, batch, keys))


@eqx.filter_jit
def _step(model, u, key):
    return model(u, key=key)


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


LONG = pytest.mark.long


@pytest.mark.parametrize(
    ("spec", "ndim"),
    [
        pytest.param(REFINER, 1, id="refiner-1"),
        pytest.param(REFINER, 2, id="refiner-2", marks=LONG),
        pytest.param(REFINER, 3, id="refiner-3", marks=LONG),
        pytest.param(RELEASED, 1, id="released-1", marks=LONG),
        pytest.param(RELEASED, 2, id="released-2", marks=LONG),
        pytest.param(RELEASED, 3, id="released-3", marks=LONG),
        pytest.param(ACDM, 1, id="acdm-1", marks=LONG),
        pytest.param(ACDM, 2, id="acdm-2"),
        pytest.param(ACDM, 3, id="acdm-3", marks=LONG),
    ],
)
def test_every_dimension_steps_and_conditions_matter(spec, ndim, cards, key):
    card = cards(ndim, ("length", "nu", "step"))
    method = build("method", spec)
    model = drawn(method, UNET, card)
    u = normal(2, *card.shape, method.history)
    step = jax.jit(lambda length, key: model.bind({"nu": 1.0, "step": 1.0, "length": length})(u, key=key))
    one, same, other_key, other = step(0.9, key), step(0.9, key), step(0.9, jax.random.key(9)), step(1.1, key)
    assert one.shape == u.shape
    np.testing.assert_array_equal(one, same)
    assert np.abs(np.asarray(one) - np.asarray(other_key)).max() > 1e-4
    assert np.abs(np.asarray(one) - np.asarray(other)).max() > 1e-5


def test_paper_algorithm_by_hand(cards, key):
    """Algorithm 2 of the paper, written out for one sample."""
    model = drawn(build("method", REFINER), NETWORK, cards(names=()))
    u = 0.5 + normal(1, 16, 1)
    network, sigma = model.network.denoiser, [0.0, *np.asarray(model.network.levels.sigma[1:])]

    @jax.jit
    def by_hand(u, key):
        known = (u - 0.5) / 2
        call = lambda y, k: network.output(
            y, known, jnp.full(1, float(k > 0)), jnp.full(1, sigma[k], jnp.float32), None
        )
        outer, inner = jax.random.split(key)
        keys = jax.random.split(inner, 3)
        draws = [jax.random.normal(outer, u.shape)]
        draws += [jax.random.normal(jax.random.split(k)[1], u.shape) for k in keys[:-1]]
        y = call(jnp.zeros_like(u), 0)
        for k in (1, 2, 3):
            noisy = y + sigma[k] * draws[k - 1]
            y = noisy - sigma[k] * call(noisy, k)
        return u + 0.1 * y

    np.testing.assert_allclose(_step(model, u, jax.random.key(3)), by_hand(u, jax.random.key(3)), atol=1e-6)
    assert model.calls == 4


def test_cost_is_stated_in_network_calls(cards, key):
    calls = lambda spec: eqx.filter_eval_shape(build("method", spec).build, NETWORK, cards(), key=key).calls
    assert [calls(s) for s in (REFINER, RELEASED, SMALL, ACDM)] == [4, 4, 3, 20]
    assert calls({**RELEASED, "samples": 5}) == 20
    assert calls({**REFINER, "samples": 5}) == 16
    assert calls({**ACDM, "sampler": {"kind": "heun"}, "steps": 6, "grid": "log_snr"}) == 11
    assert calls({"kind": "supervised"}) == 1


def test_levels_can_be_passed_twice(cards, key):
    """Two passes of the second level are two levels of equal noise."""
    card = cards(names=())
    model = drawn(build("method", REFINER), NETWORK, card)
    twice = drawn(build("method", {**REFINER, "passes": [1, 2, 1]}), NETWORK, card)
    index = jnp.array([0, 1, 2, 2, 3])
    longer = eqx.tree_at(lambda m: m.network.levels, model, model.network.levels[index])
    u = normal(2, 16, 1)
    np.testing.assert_allclose(_step(twice, u, key), _step(longer, u, key), atol=1e-6)
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
    model = eqx.filter_jit(lambda key: method.build(UNET, card, key=key))(key)
    batch = _batch(card, 2, size=256)
    losses, metrics = _losses(method, model, batch, jax.random.split(key, 256))
    by_level = [float(metrics[f"loss_level_{k}"].mean()) for k in range(4)]
    assert float(losses.mean()) == pytest.approx(float(np.dot(method.shares(4), by_level)), rel=1e-4)
    # a new network is zero: the first level's loss is the mean square of the increments, the others' that of noise
    increments = np.diff(np.asarray(batch.states), axis=1) / 0.1
    assert by_level[0] == pytest.approx(float(np.mean(increments**2)), rel=0.15)
    np.testing.assert_allclose(by_level[1:], 1.0, rtol=0.15)


def test_learned_balance_makes_gradients_independent_of_the_size_of_a_loss(cards, key):
    """At its optimum the learned weight is one over the loss: that of the sum of logarithms."""
    card = cards()
    method = build("method", {**REFINER, "balance": "learned"})
    model = method.build(NETWORK, card, key=key)
    batch, keys = _batch(card, 2, size=64), jax.random.split(key, 64)
    _, metrics = _losses(method, model, batch, keys)
    losses = np.array([metrics[f"loss_level_{k}"].mean() for k in range(4)])
    best = jnp.asarray(np.log(losses), jnp.float32) / LOG_LOSS_UNIT

    def total(log_losses):
        return jnp.mean(method.loss(eqx.tree_at(lambda m: m.network.log_losses, model, log_losses), batch, keys)[0])

    # levels are drawn almost, not exactly, equally often in a batch
    np.testing.assert_allclose(np.asarray(jax.jit(jax.grad(total))(best)) / LOG_LOSS_UNIT, 0, atol=0.02)
    assert method.trainable(model).network.log_losses is True


def test_noise_belongs_to_the_sample(cards, key):
    card = cards()
    method = build("method", ACDM)
    model = method.build(NETWORK, card, key=key)
    batch, keys = _batch(card, 3), jax.random.split(key, 4)

    @jax.jit
    def losses(batch, keys):
        half = jax.tree.map(lambda x: x[2:], batch)
        return method.loss(model, batch, keys)[0], method.loss(model, half, keys[2:])[0]

    whole, half = losses(batch, keys)
    np.testing.assert_allclose(whole[2:], half, rtol=1e-5)


def test_two_phases(cards, key):
    """The first trains the regressor alone; then the others start from its weights, at its error, without it."""
    card = cards(names=())
    method = build("method", SMALL)
    first, share = method.first_phase
    assert share == 0.5
    model = drawn(first, NETWORK, card)
    assert model.calls == 1
    params, _ = eqx.partition(model, first.trainable(model))
    assert jax.tree.leaves(params.network.denoiser) == []
    assert jax.tree.leaves(params.network.regressor)

    batches = [_batch(card, 2, seed=seed) for seed in range(3)]
    after = method.continued(model, batches)
    keys = jax.random.split(key, 4)
    error = np.sqrt(np.mean([_losses(first, model, batch, keys)[0].mean() for batch in batches]))
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
    np.testing.assert_array_equal(_step(other, u, key), _step(after, u, key))


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
    model = drawn(first, NETWORK, card)
    batches = [_batch(card, 2, size=64, seed=seed) for seed in range(2)]
    after = method.continued(model, batches)
    keys = jax.random.split(key, 64)
    error = np.sqrt(np.mean([_losses(first, model, batch, keys)[0].mean() for batch in batches]))
    assert float(after.network.unit) == pytest.approx(error, rel=1e-4)
    after = eqx.tree_at(lambda m: m.network.denoiser, after, jax.tree.map(jnp.zeros_like, after.network.denoiser))
    metrics = _losses(method, after, batches[0], keys)[1]
    # of a network that gives nothing: the loss of the rest in its unit, and of noise
    assert float(metrics["loss_level_0"].mean()) == pytest.approx(1, rel=0.2)
    assert float(metrics["loss_level_1"].mean()) == pytest.approx(1, rel=0.2)
    u = batches[0].states[:, 0]
    once = np.asarray(_step(model, u, key))
    assert after.calls == 3
    # with a network of zeros a sample is the regression and the noise of the last level
    noise = (np.asarray(_step(after, u, key)) - once) / (0.1 * error)
    assert float(np.std(noise)) == pytest.approx(0.1, rel=0.05)


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
    model = drawn(method, NETWORK, card)
    batch = _batch(card, 2, size=64)
    metrics = _losses(method, model, batch, jax.random.split(key, 64))[1]

    @jax.jit
    def by_hand(states):
        u = states[:, 0]
        known = (u - 0.5) / 2
        y, own = (states[:, 1] - u) / 0.1, model.network.regression(known)
        full = lambda x: jnp.full(64, x)
        output = model.network.denoiser.output(own, known, full(1.0), full(0.1), None)
        return jnp.mean((output - (own - y) / 0.1) ** 2), u + 0.1 * (own - 0.1 * output)

    loss, stepped = by_hand(batch.states)
    assert float(metrics["loss_level_1"].mean()) == pytest.approx(float(loss), rel=0.1)
    np.testing.assert_allclose(_step(model, batch.states[:, 0], key), stepped, atol=1e-4)


def test_rollouts_need_a_key_and_repeat_with_it(cards, key):
    model = drawn(build("method", RELEASED), NETWORK, cards(names=()))
    u = normal(2, 16, 1)
    with pytest.raises(ValueError, match="draws noise: call it with key="):
        model(u)
    run = jax.jit(lambda key: trajectory(model, u, 3, key=key))
    a, b, c = (np.asarray(run(jax.random.key(i))) for i in (1, 1, 2))
    np.testing.assert_array_equal(a, b)
    assert np.abs(a - c).max() > 1e-3


def test_mean_of_samples_has_less_noise(cards, key):
    u = jnp.zeros((64, 16, 1))

    def spread(samples):
        model = build("method", {**RELEASED, "samples": samples}).build(NETWORK, cards(names=()), key=key)
        return float(np.std(_step(model, u, key)))

    assert spread(16) == pytest.approx(spread(1) / 4, rel=0.1)


@pytest.mark.parametrize(
    "spec", [REFINER, *(pytest.param(s, marks=LONG) for s in (SMALL, ACDM))], ids=["refiner", "small", "acdm"]
)
def test_saved_model_is_the_same_function(spec, cards, key, tmp_path):
    card = cards()
    model = drawn(build("method", spec), UNET if spec is REFINER else NETWORK, card)
    if spec is SMALL:
        model = build("method", spec).continued(model, [_batch(card, 2)])
    save_model(tmp_path, model)
    u = normal(3, 16, model.history)
    again, model = (one.bind({"nu": 1.2}) for one in (load_model(tmp_path), model))
    np.testing.assert_array_equal(_step(again, u, key), _step(model, u, key))


def test_mean_is_conserved_by_every_refinement(cards, key):
    model = drawn(build("method", {**REFINER, "conserve_mean": True}), NETWORK, cards(names=()))
    u = normal(2, 16, 1)
    np.testing.assert_allclose(_step(model, u, key).mean(1), u.mean(1), atol=1e-6)


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
