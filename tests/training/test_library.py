"""`fit` as a function: objects instead of names, in memory or in a folder, begun warm, prolonged, ended early."""

import inspect
import json
import os
import signal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from pdejax.core import build
from pdejax.data import ArrayFeed, Arrays
from pdejax.embedding import save
from pdejax.methods import DataCard, Supervised
from pdejax.training import EarlyStopping, Interrupted, NonFiniteLoss, TrainSettings, fit, train, warm_start
from tests.training.toy import PointFeed, Regression, line

METHOD = Regression()
LOOP = {"updates_per_dispatch": 2, "log_every": 2, "evaluate_every": 2, "checkpoint_every": 2}
CONSTANT = TrainSettings(6, 1e-2, "constant", **LOOP)


def same(a, b):
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_array_equal(np.asarray(x), np.asarray(y))


def lines(folder):
    return [json.loads(text) for text in (folder / "metrics.jsonl").read_text().splitlines()]


# ---- optimisers and settings


def test_any_transformation_of_optax_trains_in_memory():
    options = {"seed": 0, "show": False, "updates_per_dispatch": 2}
    own = fit(METHOD, line(), PointFeed(), steps=6, optimiser=optax.sgd(1e-1), **options)
    fetch = jax.jit(lambda item: PointFeed().fetch((), item))
    batches = [fetch(np.arange(8 * i, 8 * i + 8, dtype=np.int32)) for i in range(6)]
    loss = lambda m, b: jnp.mean(jnp.mean(jnp.square(m(b.x) - b.y), axis=-1))

    @jax.jit
    def descend(model, batch):
        slopes = jax.grad(loss)(model, batch)
        return eqx.tree_at(
            lambda m: (m.weight, m.bias), model, (model.weight - 0.1 * slopes.weight, model.bias - 0.1 * slopes.bias)
        )

    model = line()
    for batch in batches:
        model = descend(model, batch)
    np.testing.assert_allclose(own.weight, model.weight, atol=1e-3)  # the method adds noise of this size
    np.testing.assert_array_equal(own.scale, line().scale)


def test_a_line_search_of_optax_sees_the_loss():
    trained = fit(METHOD, line(), PointFeed(), steps=20, optimiser=optax.lbfgs(), show=False)
    truth = jax.jit(lambda item: PointFeed().fetch((), item))(np.arange(100, 200, dtype=np.int32))
    assert np.mean(np.square(jax.jit(lambda x: trained(x))(truth.x) - np.asarray(truth.y))) < 1e-2


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"optimiser": optax.adam(1e-3), "learning_rate": 1e-2}, "learning_rate has no effect, since the optimiser"),
        ({"optimiser": optax.adam(1e-3), "clip": 1.0}, "clip has no effect, since the optimiser given as an object"),
        ({"optimiser": "lbfgs", "warmup": 3}, "warmup has no effect, since optimiser 'lbfgs' does not read it"),
        ({"schedule": "constant", "final_learning_rate": 0.1}, "final_learning_rate has no effect, since schedule 'c"),
        ({"schedule": lambda step: 0.1, "learning_rate": 0.1}, "since the schedule given as an object does not read"),
        ({"learning_rates": 1e-2}, "unknown setting 'learning_rates'. Did you mean 'learning_rate'"),
        ({"optimiser": {"kind": "adamw", "b3": 0.9}}, "unknown option of optimiser 'adamw': 'b3'"),
        ({"optimiser": 3}, "an optimiser is a name, a mapping with a 'kind', an optax.GradientTransformation"),
        ({"optimiser": "gauss_newton"}, "'gauss_newton' needs a loss that is a sum of squares, which Regression"),
        ({"optimiser": "lattice_newton"}, "is for problems that are stated by their conditions"),
        ({"ema": 1.0}, "ema should be less than 1, got 1.0"),
        ({"frozen": ("scale",)}, "train.frozen: 'scale' is not trained, so freezing it has no effect"),
        ({"only": ("weight", "scale")}, "train.only: 'scale' is not trained, so training it has no effect"),
        ({"frozen": ("weigth",)}, "train.frozen: unknown parameter group 'weigth'. Did you mean 'weight'"),
        ({"frozen": ("q",)}, r"train.frozen: unknown parameter group 'q'\. Known: bias, weight\."),
        ({"monitor": "valid/los"}, "monitor='valid/los' has no effect, since nothing is measured: give valid="),
        ({"monitor": "size"}, "monitor='size' has no effect, since nothing is measured: give valid="),
        ({"learning_rate": 0.0}, "learning_rate should be greater than 0"),
    ],
)
def test_what_has_no_effect_or_cannot_be_is_refused(settings, words):
    with pytest.raises(ValueError, match=words):
        fit(METHOD, line(), PointFeed(), steps=10, **settings)


def test_steps_below_one_and_descriptions_without_data_are_refused():
    with pytest.raises(ValueError, match="steps should be greater than or equal to 1, got 0"):
        fit(METHOD, line(), PointFeed(), steps=0)
    with pytest.raises(ValueError, match="PointFeed has no source"):
        fit(METHOD, {"kind": "fno"}, PointFeed(), steps=1)


# ---- warm starts


def test_a_warm_start_takes_what_fits_and_lists_the_rest(capsys):
    learned = line(seed=3)
    wider, missed = warm_start(line(inputs=5), learned, METHOD.trainable(None))
    assert missed == ["weight (5, 2): has shape (4, 2) in the model"]
    same(wider.weight, line(inputs=5).weight)
    same(wider.bias, learned.bias)
    fit(METHOD, line(inputs=5), PointFeed(inputs=5), steps=1, initial=learned)
    assert "not loaded: weight (5, 2): has shape (4, 2)" in capsys.readouterr().out
    with pytest.raises(ValueError, match="no trained array of the model fits this model, the first: weight"):
        warm_start(line(outputs=3), learned, METHOD.trainable(None))


def test_a_warm_start_begins_where_the_other_ended():
    learned = line(seed=3)
    begun, missed = warm_start(eqx.tree_at(lambda m: m.scale, line(), jnp.full((), 9.0)), learned, METHOD.trainable(0))
    assert missed == []
    np.testing.assert_array_equal(begun.weight, learned.weight)
    assert float(begun.scale) == 9.0  # measured on these data
    more = fit(METHOD, line(), PointFeed(), steps=2, initial=learned, frozen=("weight",), show=False)
    np.testing.assert_array_equal(more.weight, learned.weight)
    assert not np.array_equal(more.bias, learned.bias)


# ---- longer and shorter


def test_a_constant_schedule_can_be_prolonged_bit_for_bit(tmp_path):
    whole = train(METHOD, line(), PointFeed(), CONSTANT, tmp_path / "whole", show=False)
    go = lambda steps: train(
        METHOD, line(), PointFeed(), TrainSettings(steps, 1e-2, "constant", **LOOP), tmp_path / "parts", show=False
    )
    go(4)
    same(whole, go(6))
    with pytest.raises(
        ValueError, match=r"parts has made 6 updates, more than train.steps=2: ask for at least as many"
    ):
        go(2)
    assert [line["step"] for line in lines(tmp_path / "parts")] == [2, 4, 6]


@pytest.mark.parametrize("schedule", ["cosine", pytest.param("exponential", marks=pytest.mark.long)])
def test_a_schedule_that_has_ended_cannot(schedule, tmp_path):
    go = lambda steps: train(
        METHOD, line(), PointFeed(), TrainSettings(steps, 1e-2, schedule, 0, 1e-4, **LOOP), tmp_path, show=False
    )
    go(4)
    with pytest.raises(ValueError, match=f"begun with train.steps=4 and cannot go on to 6: schedule '{schedule}'"):
        go(6)


def test_training_ends_early_where_nothing_gets_better(tmp_path):
    values = iter([5.0, 4.0, 3.0, 3.5, 3.2, 1.0])
    stop = EarlyStopping(patience=2)
    go = lambda evaluators: train(
        METHOD, line(), PointFeed(), TrainSettings(20, **LOOP), tmp_path, evaluators=evaluators, callbacks=[stop],
        show=False,
    )  # fmt: skip
    early = go([lambda model: {"valid/loss": next(values)}])
    assert lines(tmp_path)[-1]["step"] == 8  # untrained, then after 2, 4, 6, 8 updates
    again = go([])  # begun again, it knows that it has ended
    same(early, again)
    assert lines(tmp_path)[-1]["step"] == 8


def test_early_stopping_follows_its_definition():
    stop = lambda values, **options: EarlyStopping(**options)(None, [{"valid/loss": v, "step": 1} for v in values])
    assert stop([3, 2, 1], patience=1) is None
    assert stop([1, 2], patience=2) is None
    assert "got no better 2 times, its best was 1" in stop([1, 2, 3], patience=2)
    assert stop([1, None, 0.5], patience=2) is None
    assert stop([1, 0.95, 0.92], patience=2, least=0.1) is not None
    assert stop([1, 2, 3], patience=2, monitor="-valid/loss") is None
    assert isinstance(build("callback", "early_stopping"), EarlyStopping)
    with pytest.raises(ValueError, match="patience should be greater than or equal to 1"):
        EarlyStopping(patience=0)


def test_a_callback_sees_the_training_and_all_lines(tmp_path):
    seen = []

    def look(training, lines):
        seen.append((training.step, len(lines), float(jnp.sum(training.model.bias))))
        return "seen enough" if training.step == 4 else None

    trained = train(METHOD, line(), PointFeed(), CONSTANT, callbacks=[look], show=False)
    assert [(step, count) for step, count, _ in seen] == [(2, 1), (4, 2)]
    assert seen[-1][2] == pytest.approx(float(np.sum(trained.bias)))


@pytest.mark.parametrize(
    ("about", "sentence"),
    [
        ({"lengths": (7.0,)}, r"lengths \[1.0\], the data have \[7.0\]"),
        ({"fields": ("pressure",)}, r"fields \['u'\], the data have \['pressure'\]"),
        ({"step": 50.0}, "the step 0.05, the data have 50"),
        ({"periodic": False}, "periodic ends, the data have bounded ends"),
    ],
)
def test_what_is_held_out_is_of_the_kind_that_is_learned(about, sentence):
    usual = {"step": 0.05, "lengths": (1.0,)}
    states = lambda points: np.arange(24.0 * points).reshape(8, 3, points, 1)
    waves = lambda points, **about: ArrayFeed(states(points), 8, **usual | about)
    network = {"kind": "fno", "width": 4, "modes": 3, "depth": 1}
    run = lambda valid: fit(Supervised(), network, waves(8), steps=1, valid=valid, show=False)
    with pytest.raises(ValueError, match=f"valid does not go with the data of the feed: .* made for .*{sentence}"):
        run(waves(8, **about))
    run(waves(12))  # another resolution is no other kind


NETWORK = {"kind": "fno", "width": 4, "modes": 3, "depth": 1}


def test_data_are_no_feed():
    """As users have it, without the type checks of these tests."""
    data = Arrays(np.arange(48.0).reshape(2, 3, 8, 1))
    for network in (NETWORK, Supervised().build(NETWORK, DataCard.of(data), key=jax.random.key(0))):
        with pytest.raises(ValueError, match=r"feed is what gives batches, got Arrays: take pdejax.ArrayFeed\(data\)"):
            inspect.unwrap(fit)(Supervised(), network, data, steps=1)
    with pytest.raises(ValueError, match="valid is what gives batches, got ndarray: take a Feed, such as"):
        inspect.unwrap(fit)(Regression(), line(), PointFeed(), steps=1, valid=np.ones(3))


def test_what_does_not_vary_cannot_be_learned():
    with pytest.raises(ValueError, match="u: every number of the training data is the same, so that there is nothing"):
        fit(Supervised(), NETWORK, ArrayFeed(np.ones((8, 3, 8, 1)), 8), steps=1)
    half = np.stack([np.ones((8, 3, 8)), np.arange(192.0).reshape(8, 3, 8)], -1)
    fit(Supervised(), NETWORK, ArrayFeed(half, 8), steps=1, show=False)  # a mask beside what varies


class Shift(eqx.Module):
    def __call__(self, x):
        return jnp.roll(x, 3, 1)


def test_a_network_without_parameters_is_told():
    with pytest.raises(ValueError, match="Shift has no parameters: there is nothing to train"):
        fit(Supervised(), Shift(), ArrayFeed(np.arange(192.0).reshape(8, 3, 8, 1), 8), steps=1, show=False)


def test_early_stopping_waits_for_something_that_is_measured():
    run = lambda watched, **settings: fit(
        Regression(), line(), PointFeed(), show=False, callbacks=[EarlyStopping(watched)], **settings
    )
    with pytest.raises(ValueError, match="EarlyStopping waits for 'valid/loss', which nothing measures: give valid"):
        run("valid/loss", steps=4)
    often = {"updates_per_dispatch": 2, "log_every": 2}
    with pytest.raises(ValueError, match=r"unknown monitor of early_stopping: 'los'. Did you mean 'loss'"):
        run("los", steps=8, evaluate_every=4, **often)
    run("error", steps=8, evaluate_every=6, evaluators=[lambda model: {"error": 1.0}], monitor="error", **often)
    with pytest.warns(UserWarning, match="unknown monitor of early_stopping: 'los'"):
        run("los", steps=2, **often)


def test_a_folder_goes_on_with_what_it_was_begun_with(tmp_path):
    waves = lambda seed=0: ArrayFeed(np.random.default_rng(seed).normal(size=(8, 4, 8, 1)), 8)
    run = lambda feed=None, method=None, network=NETWORK, **settings: fit(
        method or Supervised(), network, feed or waves(), show=False, folder=tmp_path, **{"steps": 2} | settings
    )
    first = run()
    with pytest.raises(ValueError, match=f"{tmp_path.name} is a run, whose own model is in .*model: save to another"):
        save(tmp_path, first)
    assert not (tmp_path / "model.json").exists()
    assert eqx.tree_equal(run(log_every=50), first)
    for changes, key in (
        ({"seed": 3}, "seed"),
        ({"feed": waves(1)}, "data"),
        ({"method": Supervised(unroll=2)}, r"method.unroll"),
        ({"learning_rate": 0.1}, "learning_rate"),
        ({"optimiser": optax.sgd(0.1)}, "optimiser"),
        ({"network": {**NETWORK, "depth": 2}}, "network.depth"),
    ):
        with pytest.raises(ValueError, match=f"holds a training that was begun with another {key}: go on with what"):
            run(**changes)
    assert eqx.tree_equal(run(), first)
    begun = json.loads((tmp_path / "fit.json").read_text())
    (tmp_path / "fit.json").write_text(json.dumps({k: v for k, v in begun.items() if k != "network"}))
    assert eqx.tree_equal(run(), first)  # former versions told of no network


@pytest.mark.parametrize("sign", ["", "-"])
def test_a_metric_that_nothing_measures_is_told_before_anything_is_written(sign, tmp_path):
    feed, folder = lambda: ArrayFeed(np.ones((8, 4, 8, 1)) + np.arange(8.0)[:, None, None, None], 8), tmp_path / "run"
    run = lambda monitor, **more: fit(
        Supervised(), NETWORK, feed(), steps=2, show=False, folder=folder, monitor=sign + monitor, **more
    )
    with pytest.raises(ValueError, match=r"unknown train.monitor 'valid/los'\. Did you mean 'valid/loss'"):
        run("valid/los", valid=feed())
    with pytest.raises(ValueError, match=r"unknown train.monitor 'eror'\. Did you mean 'error'"):
        run("eror", valid=feed(), evaluators=[lambda model: {"error": 1.0}])
    assert not folder.exists()
    run("valid/loss", valid=feed())


def test_nobody_learns_from_a_split_that_is_for_something_else():
    held_out = ArrayFeed(Arrays({"test": np.ones((8, 4, 8, 1))}), 8)
    with pytest.raises(ValueError, match=r"feed: no split 'train'\. Known: test\."):
        fit(Supervised(), NETWORK, held_out, steps=2, show=False)


@pytest.mark.parametrize("kept", [False, True])
def test_what_is_left_of_a_training_that_was_stopped_is_told(kept, tmp_path):
    class Interrupting(PointFeed):
        def next(self, state):
            if state["step"] == 3:
                os.kill(os.getpid(), signal.SIGTERM)
            return super().next(state)

    words = "run the same command again" if kept else r"nothing is kept: give folder= to be able to go on"
    with pytest.raises(Interrupted, match=f"^stopped by SIGTERM at update 2; {words}"):
        train(METHOD, line(), Interrupting(), CONSTANT, tmp_path if kept else None, show=False)


def test_facts_of_a_model_are_what_json_holds(tmp_path):
    model = Supervised().build(
        NETWORK, DataCard.from_arrays(np.arange(48.0).reshape(2, 3, 8, 1)), key=jax.random.key(0)
    )
    for facts, words in (
        ({"lr": {"of": [1, np]}}, r"metadata\.lr\.of\.1 should be JSON \(text, number, list, mapping\), got module"),
        ({"loss": np.float32("nan")}, r"metadata\.loss should be a finite number, got nan"),
        ({"states": np.ones(3)}, r"metadata\.states should be JSON .*, got ndarray"),
    ):
        with pytest.raises(ValueError, match=f"^{words}"):
            save(tmp_path / "model", model, metadata=facts)
    assert not (tmp_path / "model").exists()
    save(tmp_path / "model", model, metadata={"lr": np.float32(0.1), "steps": np.int64(3), "good": np.bool_(True)})
    kept = json.loads((tmp_path / "model" / "model.json").read_text())["metadata"]
    assert kept == {"lr": float(np.float32(0.1)), "steps": 3, "good": True}
    assert np.float32(kept["lr"]) == np.float32(0.1)


def test_the_loss_that_is_not_finite_is_told_with_what_the_optimiser_has():
    words = {"seed": 0, "show": False, "updates_per_dispatch": 2}
    with pytest.raises(NonFiniteLoss, match=r"Try smaller steps of the optimiser that was given as an object$"):
        fit(METHOD, line(), PointFeed(), steps=6, optimiser=optax.sgd(1e30), **words)
    with pytest.raises(NonFiniteLoss, match=r"smaller train\.learning_rate \(now 1e\+30\), .*warmup or train\.clip$"):
        fit(METHOD, line(), PointFeed(), steps=6, learning_rate=1e30, optimiser="adamw", **words)


def test_modes_that_the_grid_does_not_hold_are_refused():
    feed = ArrayFeed(
        Arrays({"train": np.random.default_rng(0).normal(size=(8, 4, 16, 1))}, step=0.1, lengths=(1.0,)), batch_size=8
    )
    network = {"kind": "fno", "modes": 20, "width": 4, "depth": 1}
    for one in (network, build("network", network, in_channels=1, out_channels=1, ndim=1, key=jax.random.key(0))):
        with pytest.raises(ValueError, match="modes should be at most 9 on an axis of 16 points"):
            fit(Supervised(), one, feed, steps=2, seed=0, show=False)


def test_networks_of_other_channels_are_told_in_one_way():
    states = np.random.default_rng(0).normal(size=(8, 4, 16, 1))
    feed = ArrayFeed(Arrays({"train": states}, step=0.1, lengths=(1.0,)), batch_size=8)
    kinds = {"fno": {"modes": 4}, "unet": {}, "lsm": {}, "dilated_resnet": {}, "convnext_unet": {}}
    for kind, options in kinds.items():
        made = build("network", {"kind": kind, "width": 8, **options}, in_channels=3, out_channels=3, ndim=1,
                     key=jax.random.key(0))  # fmt: skip
        with pytest.raises(ValueError, match=f"this {type(made).__name__} was made for 3 channels, got 1"):
            fit(Supervised(), made, feed, steps=2, seed=0, show=False)


@pytest.mark.parametrize(
    ("optimiser", "words"),
    [
        (
            {"kind": "adamw", "lr": 1e-3},
            r"'lr' is no option of an optimiser: learning_rate stands beside it, train\.lea",
        ),
        ({"kind": "adamw", "clip": 1.0}, r"'clip' is no option of an optimiser: clip stands beside it, train\.clip or"),
        (optax.adam, r"optimiser is the function adam of optax: call it, optax\.adam\(1e-3\)"),
    ],
)
def test_what_stands_beside_an_optimiser_is_told(optimiser, words):
    with pytest.raises(ValueError, match=words):
        fit(METHOD, line(), PointFeed(), steps=6, optimiser=optimiser, seed=0, show=False)


@pytest.mark.parametrize(("size", "told"), [(24, True), (16, False)])
def test_a_batch_that_holds_windows_twice_is_told(size, told, capsys):
    feed = ArrayFeed(np.random.default_rng(0).normal(size=(8, 3, 8, 1)), size)
    fit(Supervised(), {"kind": "fno", "modes": 2, "width": 2, "depth": 1}, feed, steps=1)
    assert ("a batch of 24 has windows more than once: the data hold 16 of them" in capsys.readouterr().out) is told
