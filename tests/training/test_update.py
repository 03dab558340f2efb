import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from pdejax.training import Layout, TrainState, make_update
from pdejax.training.optimisers.gradient import GradientDescent
from pdejax.training.state import kept


def _run(method, model, feed, devices, *, updates=3, accumulate=1, optimiser=None, ema=0.5, layout=None):
    optimiser = GradientDescent(optimiser or optax.adamw(1e-2))
    layout = layout or Layout.over(devices)
    arrays, static = eqx.partition(model, eqx.is_array)
    params, frozen = eqx.partition(arrays, method.trainable(model))
    update = make_update(method, feed, static, optimiser, layout, steps=updates, ema_decay=ema, accumulate=accumulate)
    state, items = feed.init(), []
    for _ in range(updates):
        state, item = feed.next(state)
        items.append(item)
    stacked = layout.divide(jax.tree.map(lambda *x: np.stack(x), *items))
    args = (
        layout.place(TrainState.create(params, optimiser, kept(feed))),
        layout.replicate((frozen, feed.arrays)),
        layout.replicate(jax.random.key_data(jax.random.key(7))),
        stacked,
    )
    compiled = update.lower(*args).compile()
    return compiled(*args), compiled


@pytest.fixture(scope="module")
def plain(method, model, feed):
    """Three updates on so many devices, the same for all tests."""
    return functools.cache(lambda devices: _run(method, model, feed(), devices))


def _close(a, b, tolerance):
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_allclose(np.asarray(x), np.asarray(y), rtol=tolerance, atol=tolerance)


def test_one_and_eight_devices_give_the_same_losses_and_parameters(plain):
    (one, metrics_one), _ = plain(1)
    (eight, metrics_eight), _ = plain(8)
    _close(metrics_one, metrics_eight, 2e-5)
    _close(one.params, eight.params, 2e-4)
    _close(one.ema, eight.ema, 2e-4)


def test_gradients_are_those_of_the_mean_loss(method, model, feed):
    """Plain descent with rate 1 leaves the gradient in the parameters: no device count may hide in it."""
    (state, _), _ = _run(method, model, feed(), 8, updates=1, optimiser=optax.sgd(1.0))
    params, static = eqx.partition(model, method.trainable(model))
    _, item = feed().next({"step": 0})

    @jax.jit
    def descended(params, item):
        batch = feed().fetch((), item)
        keys = jax.vmap(lambda r: jax.random.fold_in(jax.random.key(7), r))(batch.row)
        grads = jax.grad(lambda p: jnp.mean(method.loss(eqx.combine(p, static), batch, keys)[0]))(params)
        return jax.tree.map(lambda p, g: p - g, params, grads)

    _close(state.params, descended(params, item), 1e-5)


def test_compiled_step_gathers_nothing(plain):
    text = plain(8)[1].as_text()
    assert "all-reduce" in text
    assert "all-gather" not in text


@pytest.mark.parametrize("devices", [pytest.param(1, marks=pytest.mark.long), 2])
def test_micro_batches_add_up(method, model, feed, devices, plain):
    (whole, _), _ = plain(devices)
    (parts, _), _ = _run(method, model, feed(), devices, accumulate=4)
    _close(whole.params, parts.params, 2e-4)


def test_masked_rows_count_for_nothing(method, model, feed):
    class Padded(feed):
        def fetch(self, arrays, item):
            batch = feed.fetch(self, arrays, item)
            real = (batch.row % 8 < 5).astype(jnp.float32)
            spoilt = jnp.where(real[:, None, None, None] > 0, batch.states, 1e6)
            return eqx.tree_at(lambda b: (b.mask, b.states), batch, (real, spoilt))

    class Five(feed):
        def next(self, state):
            state, item = feed.next(self, state)
            return state, jax.tree.map(lambda x: x[:5], item)

    (padded, loss), _ = _run(method, model, Padded(), 8)
    (five, truth), _ = _run(method, model, Five(), 1)
    _close(loss["loss"], truth["loss"], 1e-5)
    _close(padded.params, five.params, 2e-4)


def test_a_batch_of_which_nothing_counts_changes_nothing_to_what_is_no_number(method, model, feed):
    class Empty(feed):
        def fetch(self, arrays, item):
            return eqx.tree_at(lambda b: b.mask, feed.fetch(self, arrays, item), replace_fn=jnp.zeros_like)

    (one, loss), _ = _run(method, model, Empty(), 8, optimiser=optax.sgd(0.1), updates=1)
    (three, _), _ = _run(method, model, Empty(), 8, optimiser=optax.sgd(0.1), updates=3)
    assert np.all(np.asarray(loss["loss"]) == 0)
    for before, after in zip(jax.tree.leaves(one.params), jax.tree.leaves(three.params), strict=True):
        np.testing.assert_array_equal(np.asarray(before), np.asarray(after))


def test_average_follows_its_definition(method, model, feed):
    optimiser = optax.sgd(0.1)
    (two, _), _ = _run(method, model, feed(), 1, updates=2, optimiser=optimiser, ema=0.9)
    (one, _), _ = _run(method, model, feed(), 1, updates=1, optimiser=optimiser, ema=0.9)
    expected = jax.tree.map(lambda e, p: 0.9 * np.asarray(e) + 0.1 * np.asarray(p), one.ema, two.params)
    _close(two.ema, expected, 1e-6)
    assert int(two.step) == 2
