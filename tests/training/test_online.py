"""Training on solutions made as it goes on: any number of devices sees the same, and so does a run that goes on."""

import dataclasses
import json
import os
import signal

import equinox as eqx
import jax
import numpy as np
import pytest

from pdejax.core import build
from pdejax.data import PoolFeed, Simulated, StreamFeed
from pdejax.methods import DataCard
from pdejax.solvers import Function
from pdejax.training import Interrupted, TrainSettings, train
from tests.data.feeds.test_online import HEAT
from tests.training.conftest import NETWORK

SETTINGS = TrainSettings(
    steps=12, learning_rate=3e-3, warmup=0, updates_per_dispatch=2, log_every=2, evaluate_every=12, checkpoint_every=4,
    devices=8, schedule="constant",
)  # fmt: skip


FEEDS = {
    "stream": lambda source: StreamFeed(source, 16, windows=2, seed=4),
    "pool": lambda source: PoolFeed(source, 16, capacity=64, reuse=2, seed=4),
}


@pytest.fixture(scope="module")
def source():
    return Simulated(HEAT, Function("tests.data.feeds.test_online:broken"), 4, calibration=8)


@pytest.fixture(scope="module")
def learned(source):
    method = build("method", {"kind": "supervised"})
    card = DataCard.of(source, method)
    return method, eqx.filter_jit(lambda key: method.build(NETWORK, card, key=key))(jax.random.key(1))


def _lines(folder):
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    kept = ("step", "loss", "feed/solved", "feed/reuse", "feed/age", "feed/rejected")
    return [{name: line[name] for name in kept} for line in lines if "loss" in line]


@pytest.fixture(scope="module", params=["stream", pytest.param("pool", marks=pytest.mark.long)])
def whole(request, source, learned, tmp_path_factory):
    """A training on eight devices that nothing disturbs."""
    folder = tmp_path_factory.mktemp(request.param)
    return request.param, train(*learned, FEEDS[request.param](source), SETTINGS, folder, show=False), _lines(folder)


def test_a_run_that_was_stopped_goes_on_bit_for_bit(source, learned, whole, tmp_path):
    kind, trained, lines = whole
    feed = FEEDS[kind](source)

    class Interrupting(type(feed)):
        def next(self, state):
            if state["step"] == 8:  # made while the update 7 and 8 are under way
                os.kill(os.getpid(), signal.SIGTERM)
            return super().next(state)

    options = {f.name: getattr(feed, f.name) for f in dataclasses.fields(feed)}
    with pytest.raises(Interrupted, match="SIGTERM at update"):
        train(*learned, Interrupting(**options), SETTINGS, tmp_path, show=False)
    assert len(_lines(tmp_path)) < len(lines)
    again = train(*learned, feed, SETTINGS, tmp_path, show=False)
    assert _lines(tmp_path) == lines
    for one, other in zip(jax.tree.leaves(trained), jax.tree.leaves(again), strict=True):
        np.testing.assert_array_equal(np.asarray(one), np.asarray(other))


def test_one_device_sees_what_eight_see(source, learned, whole, tmp_path):
    kind, _, lines = whole
    settings = dataclasses.replace(SETTINGS, devices=1, steps=6, evaluate_every=6)
    train(*learned, FEEDS[kind](source), settings, tmp_path, show=False)
    for mine, theirs in zip(_lines(tmp_path), lines[:3], strict=True):
        assert mine["loss"] == pytest.approx(theirs["loss"], rel=1e-4)
        assert {**mine, "loss": 0} == {**theirs, "loss": 0}  # the same were rejected, too
    assert sum(line["feed/rejected"] for line in lines) > 0
    assert all(np.isfinite(line["loss"]) for line in lines)


def test_what_is_made_is_told(whole):
    kind, _, lines = whole
    assert [line["feed/solved"] for line in lines] == (
        [16 * n for n in range(1, 7)] if kind == "stream" else [16 * (2 + n) for n in range(1, 7)]
    )
    if kind == "pool":  # two blocks are there at first, and seen twice until others take their place
        assert lines[1]["feed/reuse"] == 1.0
        assert [line["feed/age"] for line in lines[:2]] == [1.0, 3.0]
