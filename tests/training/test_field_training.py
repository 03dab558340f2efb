"""The loop and its parts on fields: objectives of a batch over devices, balanced terms, all optimisers, resumption."""

import dataclasses
import json
import os
import signal
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.flatten_util import ravel_pytree
from jax.sharding import PartitionSpec as P
from jaxtyping import TypeCheckError

from pdejax.data import PointFeed, UniformPoints
from pdejax.equations import BoundaryValueProblem
from pdejax.methods import PhysicsInformed, ProblemCard, Supervised
from pdejax.training import (
    Balance,
    Interrupted,
    Layout,
    NonFiniteLoss,
    TrainSettings,
    TrainState,
    build_optimiser,
    data_mesh,
    make_update,
    train,
)
from pdejax.training.optimisers.batch_objective import AXIS, BatchObjective
from pdejax.training.optimisers.groups import chosen_leaves

HEAT = {
    "equation": {"terms": "u_t = nu*u_xx", "parameters": {"nu": 0.1}},
    "domain": {"t": [0.0, 1.0], "x": [-1.0, 1.0]},
    "parity": {"x": "odd"},
    "conditions": {
        "start": {"at": "t=0", "terms": "u = sin(pi*x)", "weight": 4.0},
        "walls": {"at": "boundary", "terms": "u = 0"},
    },
    "truth": {"kind": "exact", "fields": {"u": "exp(-nu*pi**2*t)*sin(pi*x)"}},
}
MLP = {"kind": "mlp", "width": 6, "depth": 1}
LINEAR = {"kind": "gaussians", "count": [4, 4], "head": "linear"}
SETTINGS = TrainSettings(
    steps=12,
    learning_rate=1e-2,
    updates_per_dispatch=3,
    log_every=3,
    evaluate_every=12,
    checkpoint_every=6,
    devices=1,
)


@pytest.fixture
def problem():
    return BoundaryValueProblem(**HEAT)


@pytest.fixture
def method():
    return PhysicsInformed()


@pytest.fixture
def feed(problem):
    sampler = UniformPoints(12, 5)
    return partial(PointFeed, problem, sampler)


@pytest.fixture
def build(problem, method, key):
    make = eqx.filter_jit(lambda network, key: method.build(network, ProblemCard(problem), key=key))
    return lambda network=MLP: make(network, key)


def same(a, b):
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_array_equal(np.asarray(x), np.asarray(y))


def close(a, b, tolerance):
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_allclose(np.asarray(x), np.asarray(y), rtol=tolerance, atol=tolerance)


def lines(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


# the objective of a batch


def first_of(feed, count):
    """The batch of the first samples."""
    return jax.jit(feed.fetch)(feed.arrays, np.arange(count, dtype=np.int32))


def on_devices(count, ask, method, model, feed, specs):
    """`ask(objective, params)` inside `shard_map`, the batch divided over the devices."""
    params, static = eqx.partition(model, eqx.is_inexact_array)
    item = jnp.arange(feed.batch_size, dtype=jnp.int32)

    def part(params, item):
        batch = feed.fetch(feed.arrays, item)
        keys = jax.vmap(lambda row: jax.random.fold_in(jax.random.key(3), row))(batch.row)
        return ask(BatchObjective(method, lambda p: eqx.combine(p, static), batch, keys), params)

    return jax.jit(jax.shard_map(part, mesh=data_mesh(count), in_specs=(P(), P(AXIS)), out_specs=specs))(params, item)


@pytest.mark.parametrize("devices", [pytest.param(1, marks=pytest.mark.long), 2])
def test_rows_jacobian_and_loss_of_a_batch_agree(devices, method, build, feed, x64):
    model, draws = build(), feed(2)
    params, static = eqx.partition(model, eqx.is_inexact_array)

    def ask(objective, params):
        value, grads = objective.value_and_grad(params)
        shared = value[0], ravel_pytree(grads)[0], objective.value(params), objective.terms(params)
        return (*shared, objective.gather(objective.rows(params))), objective.rows(params), objective.jacobian(params)

    shared, rows, jacobian = on_devices(devices, ask, method, model, draws, (P(), P(AXIS), P(AXIS)))
    value, gradient, again, terms, gathered = shared
    np.testing.assert_array_equal(gathered, rows)
    rows, jacobian = np.asarray(rows), np.asarray(jacobian)
    np.testing.assert_allclose(np.sum(rows**2), value, rtol=1e-12)
    np.testing.assert_allclose(2 * rows @ jacobian, gradient, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(again, value, rtol=1e-14)
    weights = method.term_weights(model.problem)
    np.testing.assert_allclose(sum(float(weights[n]) * float(v) for n, v in terms.items()), value, rtol=1e-12)

    # by reverse mode over all rows of the whole batch at once, devices being a matter of the order
    x, unravel = ravel_pytree(params)
    batch = first_of(draws, 2)

    def all_rows(x):
        groups = method.row_groups(eqx.combine(unravel(x), static), batch)
        found = [g.function(eqx.combine(unravel(x), static), *g.arrays).reshape(2, -1) for g in groups]
        by_set = jnp.concatenate(found, axis=1).reshape(-1) if devices == 2 else None
        return (by_set if devices == 2 else jnp.concatenate([f.reshape(-1) for f in found])) / 2**0.5

    expected, slopes = jax.jit(lambda x: (all_rows(x), jax.jacrev(all_rows)(x)))(x)
    np.testing.assert_allclose(rows, expected, rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(jacobian, slopes, rtol=1e-9, atol=1e-12)


@pytest.mark.long
@pytest.mark.parametrize("accumulate", [pytest.param(1, marks=pytest.mark.long), 2])
def test_without_an_axis_the_objective_is_that_of_one_device(accumulate, method, build, feed, x64):
    def ask(objective, params):
        found = objective.value_and_grad(params), objective.terms(params), objective.rows(params)
        rows, probe = objective.gather(found[-1]), objective.probe(params, 0, jax.random.key(5))
        return found, objective.jacobian(params), rows, objective.own(rows), probe

    model, draws = build(), feed(4)
    params, static = eqx.partition(model, eqx.is_inexact_array)
    batch = first_of(draws, 4)
    keys = jax.jit(jax.vmap(lambda row: jax.random.fold_in(jax.random.key(3), row)))(batch.row)
    assemble = lambda p: eqx.combine(p, static)
    specs = ((P(), P(), P(AXIS)), P(AXIS), P(), P(AXIS), P())
    expected = on_devices(1, ask, method, model, draws, specs)
    whole = BatchObjective(method, assemble, batch, keys, accumulate, axis=None)
    close(jax.jit(partial(ask, whole))(params), expected, 1e-12)


# balanced terms


def gradients_by_hand(method, model, batch, keys):
    params, static = eqx.partition(model, eqx.is_inexact_array)
    x, unravel = ravel_pytree(params)
    terms = lambda x: jax.tree.map(jnp.mean, method.terms(eqx.combine(unravel(x), static), batch, keys))
    return jax.jit(lambda x: (terms(x), jax.jacrev(terms)(x)))(x)


def first_step(balance, devices, method, model, feed):
    names = ("loss", "weight_equation", "weight_start", "weight_walls", "equation", "start", "walls")
    step = lambda objective, params: {
        k: v for k, v in balance.step(objective, params, balance.init(params))[2].items() if k in names
    }
    return on_devices(devices, step, method, model, feed, P())


@pytest.mark.parametrize("devices", [pytest.param(1, marks=pytest.mark.long), 2])
def test_terms_are_weighted_by_the_norms_of_their_gradients(devices, method, build, feed, x64):
    model, draws = build(), feed(2)
    balance = Balance().around(_adam(), method, model)
    metrics = first_step(balance, devices, method, model, draws)
    batch = first_of(draws, 2)
    terms, slopes = gradients_by_hand(method, model, batch, jax.random.split(jax.random.key(0), 2))
    norms = {name: np.linalg.norm(slope) for name, slope in slopes.items()}
    weights = {name: np.mean(list(norms.values())) / norm for name, norm in norms.items()}
    for name, weight in weights.items():
        np.testing.assert_allclose(metrics[f"weight_{name}"], weight, rtol=1e-3)
        np.testing.assert_allclose(metrics[name], terms[name], rtol=1e-10)
    metrics = jax.tree.map(float, metrics)
    given = jax.tree.map(float, method.weights_of(model))  # a factor each, beside those that were asked for
    total = sum(given[name] * metrics[f"weight_{name}"] * metrics[name] for name in weights)
    np.testing.assert_allclose(metrics["loss"], total, rtol=1e-12)


@pytest.mark.long
def test_weights_by_the_tangent_kernel_are_close_to_its_trace(method, build, feed, x64):
    model, draws = build(), feed(2)
    balance = Balance("ntk", probes=1000).around(_adam(), method, model)
    metrics = first_step(balance, 2, method, model, draws)
    params, static = eqx.partition(model, eqx.is_inexact_array)
    x, unravel = ravel_pytree(params)

    def trace(group, x):
        rows = lambda x: group.function(eqx.combine(unravel(x), static), *group.arrays)
        return jnp.sum(jax.jacfwd(rows)(x) ** 2)

    batch = first_of(draws, 2)
    found = jax.jit(lambda x, batch: [trace(group, x) for group in method.row_groups(model, batch)])(x, batch)
    traces = np.array(found) / np.array([1.0, 4.0, 1.0])  # of terms without weights
    found = np.array([metrics[f"weight_{name}"] for name in method.term_names(model)])
    np.testing.assert_allclose(found, traces.mean() / traces, rtol=0.15)


def _adam(rate=1e-3, **further):
    return build_optimiser(TrainSettings(10, rate, "constant", clip=None, **further))


@pytest.mark.long
def test_weights_change_when_they_are_due(method, build, feed, x64):
    model, draws = build(), feed(1)
    balance = Balance(every=2, decay=0.5).around(_adam(1e-2), method, model)

    def steps(objective, params):
        def one(carry, _):
            *carry, metrics = balance.step(objective, *carry)
            return tuple(carry), metrics["weight_start"]

        return lax.scan(one, (params, balance.init(params)), length=5)[1]

    w = on_devices(1, steps, method, model, draws, P())
    assert w[0] == w[1]
    assert w[2] == w[3]
    assert len({float(x) for x in w}) == 3


def test_balance_that_cannot_be_is_refused(method, build):
    with pytest.raises((ValueError, TypeCheckError), match=r"'gradient'"):
        _adam(balance={"kind": "gradients"})
    with pytest.raises(ValueError, match=r"unknown option of train.balance: 'evry'. Did you mean 'every'"):
        _adam(balance={"evry": 3})
    with pytest.raises(ValueError, match="needs an optimiser of gradients such as adamw"):
        Balance().around(_adam(optimiser="lbfgs"), method, build())
    with pytest.raises(ValueError, match="needs a loss that is a sum of terms"):
        Balance().around(_adam(), Supervised(), build())


# the loop


OPTIMISERS = {
    "adamw": {"steps": 60},
    "soap": {"steps": 60},
    "lbfgs": {"steps": 30},
    "levenberg_marquardt": {"steps": 15},
}


# a method of gradients and one of rows; the others are steps of their own in the same loop
FEW = ("adamw", "levenberg_marquardt")


@pytest.mark.parametrize("kind", [k if k in FEW else pytest.param(k, marks=pytest.mark.long) for k in OPTIMISERS])
def test_every_optimiser_fits_a_field(kind, method, build, feed, tmp_path):
    settings = dataclasses.replace(
        SETTINGS, optimiser=kind, precision="float64", schedule="constant", log_every=3, **OPTIMISERS[kind]
    )
    model = build()
    trained = train(method, model, feed(redraw=0), settings, tmp_path, show=False)
    losses = [line["loss"] for line in lines(tmp_path)]
    assert losses[-1] < (0.7 if kind in ("adamw", "soap") else 0.1) * losses[0]
    leaves = jax.tree.leaves(eqx.filter(trained, eqx.is_array))
    assert {leaf.dtype for leaf in leaves} == {np.dtype("float64")}
    assert {leaf.dtype for leaf in jax.tree.leaves(eqx.filter(model, eqx.is_array))} == {np.dtype("float32")}
    assert ("learning_rate" in lines(tmp_path)[-1]) == (kind in ("adamw", "soap"))


def test_gauss_newton_solves_a_linear_field_in_one_step(method, build, feed, tmp_path):
    every = {"steps": 3, "updates_per_dispatch": 1, "log_every": 1}
    settings = dataclasses.replace(SETTINGS, optimiser="gauss_newton", precision="float64", only=("weights",), **every)
    model = build(LINEAR)
    trained = train(method, model, feed(redraw=0), settings, tmp_path, show=False)
    first, second, third = (line["loss"] for line in lines(tmp_path))
    assert second < 1e-2 * first
    assert third == pytest.approx(second, rel=1e-8)
    same((trained.field.centres, trained.field.log_widths), (model.field.centres, model.field.log_widths))
    assert not np.array_equal(trained.field.weights, model.field.weights)


def test_only_and_rates_say_which_leaves_learn_how_fast(method, build, feed, tmp_path):
    model = build({**LINEAR, "count": 5, "scale": 1.0})
    only = dataclasses.replace(SETTINGS, steps=3, only=("centres",))
    trained = train(method, model, feed(), only, tmp_path / "only", show=False)
    same((trained.field.weights, trained.field.log_widths), (model.field.weights, model.field.log_widths))
    assert not np.array_equal(trained.field.centres, model.field.centres)
    rates = dataclasses.replace(SETTINGS, steps=1, rates={"centres": 0.1, "weights": 0.0}, clip=None)
    trained = train(method, model, feed(), rates, tmp_path / "rates", show=False)
    same(trained.field.weights, model.field.weights)
    moved = lambda name: np.median(np.abs(getattr(trained.field, name) - getattr(model.field, name)))
    assert moved("centres") == pytest.approx(0.1 * moved("log_widths"), rel=1e-2)  # Adam's first steps are the rates
    with pytest.raises(ValueError, match=r"unknown parameter group 'centers'. Did you mean 'centres'"):
        chosen_leaves(method.trainable(model), ("centers",))
    mask = chosen_leaves(method.trainable(model), ("weights",))
    assert mask.field.weights
    assert not mask.field.centres


def test_precision_is_that_of_the_settings_whatever_is_on_outside(method, build, feed, tmp_path, x64):
    model = build()
    assert model.field.layers[0].weight.dtype == jnp.float64
    trained = train(method, model, feed(), dataclasses.replace(SETTINGS, steps=1), tmp_path, show=False)
    assert trained.field.layers[0].weight.dtype == jnp.float32


def test_an_interrupted_run_continues_bit_for_bit(method, build, feed, tmp_path):
    settings = dataclasses.replace(SETTINGS, balance={"every": 4}, ema=0.9)
    whole = train(method, build(), feed(), settings, tmp_path / "whole", show=False)

    class Interrupting(PointFeed):
        def next(self, state):
            if state["step"] == 7:
                os.kill(os.getpid(), signal.SIGTERM)
            return super().next(state)

    cut = feed()
    cut.__class__ = Interrupting
    with pytest.raises(Interrupted, match="SIGTERM at update 6"):
        train(method, build(), cut, settings, tmp_path / "cut", show=False)
    same(whole, train(method, build(), feed(), settings, tmp_path / "cut", show=False))
    clock = ("time", "cpu_time", "samples_per_second")
    numbers = lambda folder: [{k: v for k, v in line.items() if k not in clock} for line in lines(folder)]
    assert numbers(tmp_path / "cut") == numbers(tmp_path / "whole")
    assert {"weight_equation", "equation", "start", "learning_rate"} <= set(lines(tmp_path / "cut")[-1])


@pytest.mark.long  # rows and steps of one and two devices are compared without the loop as well
def test_one_and_two_devices_give_the_same_field(method, build, feed, tmp_path, x64):
    settings = dataclasses.replace(SETTINGS, steps=6, precision="float64", optimiser="levenberg_marquardt")
    devices = lambda n: dataclasses.replace(settings, devices=n)
    one, two = (train(method, build(), feed(2), devices(n), tmp_path / str(n), show=False) for n in (1, 2))
    close(one, two, 1e-6)


def test_the_compiled_step_gathers_nothing(method, build, feed):
    layout, draws, model = Layout.over(2), feed(2), build()
    params, static = eqx.partition(model, eqx.is_inexact_array)
    optimiser = Balance().around(_adam(), method, model)
    update = make_update(method, draws, static, optimiser, layout, steps=1)
    _, item = draws.next(draws.init())
    frozen = jax.tree.map(lambda _: None, params)
    text = (
        update.lower(
            layout.place(TrainState.create(params, optimiser)),
            layout.replicate((frozen, draws.arrays)),
            layout.replicate(jax.random.key_data(jax.random.key(7))),
            layout.divide(item[None]),
        )
        .compile()
        .as_text()
    )
    assert "all-reduce" in text
    assert "all-gather" not in text


def test_a_loss_that_is_not_finite_is_explained(method, build, feed, tmp_path):
    model = eqx.tree_at(lambda m: m.field.layers[0].bias, build(), replace_fn=lambda b: b.at[0].set(jnp.nan))
    with pytest.raises(NonFiniteLoss, match="the loss is not finite at update 1; no checkpoint had been written yet"):
        train(method, model, feed(), SETTINGS, tmp_path, show=False)


@pytest.mark.parametrize(
    ("kind", "options", "words"),
    [
        ("adamw", {"nesterof": True}, "unknown option of optimiser 'adamw': 'nesterof'. Did you mean 'nesterov'"),
        ("lbfgs", {"memry": 3}, "unknown option of optimiser 'lbfgs': 'memry'. Did you mean 'memory'"),
        ("levenberg_marquardt", {"dampng": 1}, "'levenberg_marquardt': 'dampng'. Did you mean 'damping'"),
        ("soap", {"presision": 1}, "unknown option of optimiser 'soap': 'presision'"),
        ("gauss_newtn", {}, "unknown optimiser 'gauss_newtn'. Did you mean 'gauss_newton'"),
    ],
)
def test_unknown_options_are_named(kind, options, words):
    with pytest.raises(ValueError, match=words):
        _adam(optimiser={"kind": kind, **options})
