"""Methods whose samples share one adaptive solve, and methods whose weights change during training."""

import json
import os
import re
import signal
from typing import Any

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax import lax
from jax.sharding import PartitionSpec as P
from jaxtyping import Array

from pdejax.data import Batch
from pdejax.methods import AbstractMethod, Coupled, Scheduled
from pdejax.training import (
    Interrupted,
    Layout,
    TrainSettings,
    TrainState,
    build_optimiser,
    data_mesh,
    make_update,
    train,
)
from pdejax.training.optimisers.gradient import GradientDescent

BATCH, INITIAL, FINAL = 24, 1e-1, 1e-3
STEPS = 8


class Flow(eqx.Module):
    """y' = tanh(y A) B."""

    inner: Array
    outer: Array

    def __call__(self, t, y, args):
        return jnp.tanh(y @ self.inner) @ self.outer


def solve(flow, initial):
    """The states at time 1, one step size for all, and the number of steps."""
    with jax.numpy_dtype_promotion("standard"):
        solution = dfx.diffeqsolve(
            dfx.ODETerm(flow),
            dfx.Tsit5(),
            0.0,
            1.0,
            None,
            initial,
            stepsize_controller=dfx.PIDController(rtol=1e-5, atol=1e-7),
            max_steps=64,
            saveat=dfx.SaveAt(t1=True),
            throw=False,
        )
    return solution.ys[0], solution.stats["num_accepted_steps"]


class FlowMethod(AbstractMethod):
    """Learns the state at time 1; the weight of a penalty on the final speed falls during training."""

    weight: Any = INITIAL
    coupled: bool = True
    seen: list = eqx.field(static=True, default_factory=list)  # sizes of the batches that the loss was traced for

    @property
    def window(self):
        return 2

    def build(self, network, card, *, key):
        inner, outer = jax.random.split(key)
        return Flow(jax.random.normal(inner, (3, 3)), jax.random.normal(outer, (3, 3)))

    def trainable(self, model):
        return jax.tree.map(eqx.is_inexact_array, model)

    def at(self, progress):
        return eqx.tree_at(lambda m: m.weight, self, INITIAL * (FINAL / INITIAL) ** progress)

    def loss(self, model, batch, keys):
        self.seen.append(batch.row.shape[0])
        start, end = batch.states[:, 0], batch.states[:, 1]
        noise = jax.vmap(lambda key: jax.random.normal(key, (3,), start.dtype))(keys)
        found, steps = solve(model, start + 0.01 * noise)
        penalty = jnp.mean(model(None, found, None) ** 2, axis=-1)
        same = lambda x: jnp.broadcast_to(x, penalty.shape).astype(penalty.dtype)
        metrics = {"penalty": penalty, "weight": same(self.weight), "steps": same(steps)}
        return jnp.mean((found - end) ** 2, axis=-1) + self.weight * penalty, metrics


class FlowFeed:
    """Points, looked up in a table that every device holds; the second half of a batch is the harder to integrate."""

    batch_size = BATCH

    def __init__(self):
        size = np.repeat([20.0, 1.0], BATCH // 2)[:, None]  # far out the speed is constant
        self.arrays = np.random.default_rng(0).normal(size=(BATCH, 3)) * size

    def init(self):
        return {"step": 0}

    def next(self, state):
        return {"step": state["step"] + 1}, np.arange(BATCH, dtype=np.int32) + np.int32(BATCH * state["step"])

    def fetch(self, arrays, item):
        start, nothing = arrays[item % BATCH], jnp.zeros((item.shape[0], 0), arrays.dtype)
        states = jnp.stack([start, jnp.sin(start)], axis=1)
        return Batch(states, nothing, nothing, item, jnp.ones(item.shape[0], arrays.dtype))


@pytest.fixture
def method():
    return FlowMethod()


@pytest.fixture
def model(method, key, x64):
    return method.build({}, None, key=key)


def start(method, model, devices, optimiser=None, accumulate=1):
    """The compiled update, and its arguments: state, constants, key."""
    layout, feed = Layout.over(devices), FlowFeed()
    optimiser = optimiser or GradientDescent(optax.adamw(1e-2))
    params, static = eqx.partition(model, eqx.is_inexact_array)
    update = make_update(method, feed, static, optimiser, layout, steps=STEPS, accumulate=accumulate)
    frozen = jax.tree.map(lambda _: None, params)
    arguments = TrainState.create(params, optimiser), (frozen, feed.arrays), jax.random.key_data(jax.random.key(7))
    return update, [layout.replicate(x) for x in arguments]


def items(devices, first, count):
    found = [FlowFeed().next({"step": step})[1] for step in range(first, first + count)]
    return Layout.over(devices).divide(np.stack(found))


def run(*args, devices=2, updates=4, **kwargs):
    update, arguments = start(*args, devices, **kwargs)
    return update(*arguments, items(devices, 0, updates))


def first_batch():
    feed = FlowFeed()

    @jax.jit
    def fetch(arrays, item):
        batch = feed.fetch(arrays, item)
        return batch, jax.vmap(lambda row: jax.random.fold_in(jax.random.key(7), row))(batch.row)

    return fetch(feed.arrays, np.arange(BATCH, dtype=np.int32))


def close(a, b, tolerance):
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_allclose(np.asarray(x), np.asarray(y), rtol=tolerance, atol=tolerance)


def test_protocols_are_told_by_what_a_method_has(method):
    assert isinstance(method, Coupled)
    assert isinstance(method, Scheduled)


# coupled samples


@pytest.mark.long
@pytest.mark.parametrize("optimiser", ["adamw", *(pytest.param(o, marks=pytest.mark.long) for o in ("soap", "lbfgs"))])
def test_one_and_two_devices_train_the_same(method, model, optimiser):
    make = lambda: build_optimiser(TrainSettings(STEPS, 1e-2, "constant", optimiser=optimiser, clip=None))
    both = [run(method, model, devices=n, updates=3, optimiser=make()) for n in (1, 2)]
    (one, metrics_one), (two, metrics_two) = both
    assert np.ptp(np.asarray(metrics_one["loss"])) > 0
    close(metrics_one, metrics_two, 1e-10)
    close(one.params, two.params, 1e-10)


def gradient(method, model, *pairs):
    """Of the mean loss, for each pair of a batch and its keys of the same sizes."""
    of = jax.jit(jax.grad(lambda model, batch, keys: jnp.mean(method.loss(model, batch, keys)[0])))
    return [jax.tree.map(np.asarray, of(model, *pair)) for pair in pairs]


@pytest.mark.long
def test_gradients_are_those_of_one_solve_of_the_whole_batch(method, model):
    """Plain descent with rate 1 leaves the gradient in the parameters."""
    batch, keys = first_batch()
    state, metrics = run(method, model, optimiser=GradientDescent(optax.sgd(1.0)), updates=1)
    expected = jax.tree.map(np.subtract, model, *gradient(method, model, (batch, keys)))
    close(state.params, expected, 1e-10)
    # on its own the easy half, which one of the devices holds, would take fewer steps
    half = jax.tree.map(lambda x: x[: BATCH // 2], (batch, keys))
    of = jax.jit(lambda batch, keys: method.loss(model, batch, keys)[1]["steps"][0])
    assert metrics["steps"][0] == of(batch, keys) > of(*half)


@pytest.mark.long
@pytest.mark.parametrize("devices", [pytest.param(1, marks=pytest.mark.long), 2])
def test_micro_batches_are_solves_of_their_own(method, model, devices):
    batch, keys = first_batch()
    parts = [jax.tree.map(lambda x, i=i: x[i::2], (batch, keys)) for i in (0, 1)]
    expected = jax.tree.map(lambda p, a, b: np.asarray(p) - (a + b) / 2, model, *gradient(method, model, *parts))
    state, _ = run(method, model, devices=devices, optimiser=GradientDescent(optax.sgd(1.0)), updates=1, accumulate=2)
    close(state.params, expected, 1e-10)


@pytest.mark.parametrize("accumulate", [1, pytest.param(2, marks=pytest.mark.long)])
def test_devices_exchange_nothing_of_the_size_of_a_batch(method, model, accumulate):
    update, arguments = start(method, model, 2, accumulate=accumulate)
    text = update.lower(*arguments, items(2, 0, 3)).compile().as_text()
    assert "all-gather" not in text
    kinds = "all-reduce|all-to-all|collective-permute|reduce-scatter|collective-broadcast"
    exchanged = re.findall(rf"= (.*?) (?:{kinds})(?:-start)?\(", text)
    shapes = {shape for found in exchanged for shape in re.findall(r"\w+\[([\d,]*)\]", found)}
    assert shapes == {"", "3,3"}  # means and error norms; gradients


def test_a_loss_that_is_not_coupled_sees_the_part_of_a_device(model):
    method = FlowMethod(coupled=False)
    update, arguments = start(method, model, 2)
    with pytest.raises(TypeError, match="while_loop body function carry"):
        update.lower(*arguments, items(2, 0, 1))
    assert set(method.seen) == {BATCH // 2}


@pytest.mark.parametrize(
    ("check_vma", "error", "words"),
    [
        (True, TypeError, "while_loop body function carry"),
        pytest.param(False, ValueError, "Closure-converted function called", marks=pytest.mark.long),
    ],
)
def test_an_adaptive_solve_cannot_be_differentiated_inside_shard_map(model, check_vma, error, words):
    """Should this fail, JAX or Diffrax has learned it, and coupled methods may not need an arrangement of their own."""

    def slope(model, initial):
        return jax.grad(lambda model: lax.psum(jnp.sum(solve(model, initial)[0]), "data"))(model)

    specs = {"in_specs": (P(), P("data")), "out_specs": P()}
    divided = jax.jit(jax.shard_map(slope, mesh=data_mesh(2), check_vma=check_vma, **specs))
    with pytest.raises(error, match=words):
        divided(model, jnp.ones((4, 3)))


# schedules


def expected_weights(steps):
    return [INITIAL * (FINAL / INITIAL) ** (step / STEPS) for step in steps]


def test_a_weight_follows_its_schedule_in_one_program(method, model):
    update, (state, *rest) = start(method, model, 2)
    weights = []
    for first in range(0, STEPS, 2):
        state, metrics = update(state, *rest, items(2, first, 2))
        weights += metrics["weight"].tolist()
    np.testing.assert_allclose(weights, expected_weights(range(STEPS)), rtol=1e-14)
    assert update._cache_size() == 1
    assert set(method.seen) == {BATCH}


def test_the_scheduled_weight_is_the_one_that_trains(method, model):
    """At the sixth of eight updates the gradient is that of the loss with the weight of that moment."""
    update, (state, *rest) = start(method, model, 2, GradientDescent(optax.sgd(1.0)))
    state = eqx.tree_at(lambda s: s.step, state, Layout.over(2).replicate(np.int32(5)))
    after, _ = update(state, *rest, items(2, 0, 1))
    fixed = FlowMethod(weight=expected_weights([5])[0])
    close(after.params, jax.tree.map(np.subtract, model, *gradient(fixed, model, first_batch())), 1e-10)


def lines(folder):
    found = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k not in ("time", "cpu_time", "samples_per_second")} for line in found]


@pytest.mark.long
@pytest.mark.parametrize("precision", ["float32", pytest.param("float64", marks=pytest.mark.long)])
def test_a_run_that_was_cut_continues_bit_for_bit(method, model, precision, tmp_path):
    class Interrupting(FlowFeed):
        def next(self, state):
            if state["step"] == 5:
                os.kill(os.getpid(), signal.SIGTERM)
            return super().next(state)

    settings = TrainSettings(
        steps=STEPS,
        learning_rate=1e-2,
        updates_per_dispatch=1,
        log_every=1,
        evaluate_every=STEPS,
        checkpoint_every=4,
        devices=2,
        precision=precision,
    )
    go = lambda feed, name: train(method, model, feed, settings, tmp_path / name, show=False)
    whole = go(FlowFeed(), "whole")
    with pytest.raises(Interrupted, match="SIGTERM at update 5"):
        go(Interrupting(), "cut")
    again = go(FlowFeed(), "cut")
    for x, y in zip(jax.tree.leaves(whole), jax.tree.leaves(again), strict=True):
        assert x.dtype == precision
        np.testing.assert_array_equal(x, y)
    assert lines(tmp_path / "cut") == lines(tmp_path / "whole")
    weights = [line["weight"] for line in lines(tmp_path / "cut")]
    np.testing.assert_allclose(weights, expected_weights(range(STEPS)), rtol=1e-6 if precision == "float32" else 1e-14)
