import dataclasses
import os
import signal

import jax
import numpy as np
import pytest
from jax.sharding import AxisType
from jax.sharding import PartitionSpec as P

from pdejax.training import SAMPLES, Interrupted, Layout, TrainSettings, advance, start, train
from tests.training.toy import DriftingFeed, PointFeed, Regression, line

SETTINGS = TrainSettings(
    12, 1e-2, "constant", ema=0.5, updates_per_dispatch=2, log_every=2, evaluate_every=4, checkpoint_every=4
)
KEY = jax.random.fold_in(jax.random.key(0), SAMPLES)


def same(a, b):
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_array_equal(np.asarray(x), np.asarray(y))


def close(a, b, tolerance):
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_allclose(np.asarray(x), np.asarray(y), rtol=tolerance, atol=tolerance)


def run(feed, layout=None, updates=(2, 2, 2), settings=SETTINGS):
    training = start(Regression(), line(), feed, settings, key=KEY, layout=layout)
    losses = [np.asarray(advance(training, count)["loss"]) for count in updates]
    return training, np.concatenate(losses)


def test_steps_are_those_of_the_loop_however_they_are_grouped():
    whole = train(Regression(), line(), PointFeed(), dataclasses.replace(SETTINGS, steps=6), show=False)
    training, losses = run(PointFeed())
    odd, others = run(PointFeed(), updates=(1, 4, 1))
    assert training.step == odd.step == 6
    assert training.position == {"step": 6}
    same(training.model, whole)
    close(odd.model, whole, 1e-6)
    np.testing.assert_allclose(others, losses, rtol=1e-6)
    assert losses[-1] < losses[0]


def test_a_compiled_update_serves_another_model():
    first, _ = run(PointFeed())
    other = start(Regression(), line(seed=1), PointFeed(), SETTINGS, key=KEY, like=first)
    assert other.update is first.update
    alone = start(Regression(), line(seed=1), PointFeed(), SETTINGS, key=KEY)
    same(advance(other, 2), advance(alone, 2))
    same(other.model, alone.model)


# ---- layouts


def mesh(data, model):
    return jax.make_mesh((data, model), ("data", "model"), axis_types=(AxisType.Auto,) * 2)


@pytest.mark.parametrize("data", [pytest.param(1, marks=pytest.mark.long), 2])
def test_a_layout_that_divides_a_parameter_trains_as_one_that_does_not(data):
    divided = Layout(mesh(data, 2), {"weight": P(None, "model")})
    ours, losses = run(PointFeed(), divided)
    whole, others = run(PointFeed(), Layout.over(data))
    for part in (ours.state.params, ours.state.ema):
        assert part.weight.sharding.spec == P(None, "model")
        assert part.weight.addressable_shards[0].data.shape == (4, 1)
        assert part.bias.sharding.is_fully_replicated
    moments = [x for x in jax.tree.leaves(ours.state.optimiser) if x.shape == (4, 2)]
    assert len(moments) == 2
    assert all(x.addressable_shards[0].data.shape == (4, 1) for x in moments)
    np.testing.assert_allclose(losses, others, rtol=1e-6)
    close(ours.model, whole.model, 1e-6)


def test_rows_of_a_batch_lie_with_the_process_that_has_them():
    layout = Layout.over(2)
    assert layout.parts == 2
    assert layout.local_rows(8) == slice(0, 8)
    items = layout.divide(np.arange(16).reshape(2, 8))
    assert {shard.data.shape for shard in items.addressable_shards} == {(2, 4)}
    np.testing.assert_array_equal(layout.host(items), np.arange(16).reshape(2, 8))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Layout(mesh(2, 1), {"weight": P("modle")}), "layout of 'weight': the mesh has axes"),
        (lambda: Layout(mesh(2, 1), {"weight": P("data")}), "axis 'data' divides batches"),
        (lambda: Layout(mesh(2, 1), batch="rows"), "layout of 'batch': the mesh has axes"),
    ],
)
def test_layouts_that_cannot_be_are_refused(make, words):
    with pytest.raises(ValueError, match=words):
        make()


# ---- feeds with arrays on the device


def test_what_a_feed_keeps_is_renewed_when_due_and_equal_on_all_devices():
    one, losses = run(DriftingFeed(), Layout.over(1))
    two, others = run(DriftingFeed(), Layout.over(2))
    assert int(one.state.feed["count"]) == 2  # before the updates 0 and 3
    # the shift is the bias before update 3
    before, _ = run(DriftingFeed(), Layout.over(1), updates=(3,))
    np.testing.assert_allclose(one.state.feed["shift"], before.state.params.bias, rtol=1e-6)
    np.testing.assert_allclose(losses, others, rtol=1e-5)
    close(one.state, two.state, 1e-5)
    plain, _ = run(PointFeed(), Layout.over(1))
    assert jax.tree.leaves(plain.state.feed) == []


def test_a_run_with_such_a_feed_continues_bit_for_bit(tmp_path):
    go = lambda feed, name: train(Regression(), line(), feed, SETTINGS, tmp_path / name, show=False)
    whole = go(DriftingFeed(), "whole")

    class Interrupting(DriftingFeed):
        def next(self, state):
            if state["step"] == 6:
                os.kill(os.getpid(), signal.SIGTERM)
            return super().next(state)

    with pytest.raises(Interrupted, match="SIGTERM at update 6"):
        go(Interrupting(), "cut")
    same(whole, go(DriftingFeed(), "cut"))
