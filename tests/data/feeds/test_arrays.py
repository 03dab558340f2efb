"""Feeds of any trajectories: the same batches from memory and through windows, and the rows of one process."""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pdejax.core import Geometry, PointCloud
from pdejax.data import ArrayFeed, Arrays, DiskFeed, WindowFeed, batches_of, part_of, windowed
from pdejax.data.feeds.order import WindowOrder
from pdejax.data.store.memory import ArraySplit

RNG = np.random.default_rng(2)
STATES = RNG.normal(size=(6, 5, 4, 2)).astype(np.float32)
ABOUT = {"parameters": {"nu": np.arange(6.0)}, "inputs": {"a": RNG.normal(size=(6, 4))}}


def host(feed, count=5):
    return [jax.tree.map(np.asarray, batch) for batch in batches_of(feed, count)]


def assert_equal(one, two):
    assert jax.tree.all(jax.tree.map(np.array_equal, one, two))


def test_batches_hold_the_windows_their_order_names():
    feed = ArrayFeed(STATES, 4, window=3, seed=7, **ABOUT)
    state = feed.init()
    for batch in host(feed):
        state, item = feed.next(state)
        for row, (trajectory, start, number) in enumerate(item.tolist()):
            np.testing.assert_array_equal(batch.states[row], STATES[trajectory, start : start + 3])
            np.testing.assert_array_equal(batch.inputs[row, :, 0], np.float32(ABOUT["inputs"]["a"][trajectory]))
            assert (batch.parameters[row, 0], batch.row[row]) == (trajectory, number)
        assert batch.geometry is None


def test_all_feeds_give_the_same_batches():
    split = Arrays(STATES, **ABOUT).split("train")
    expected = host(WindowFeed(split, 2, 4, seed=3))
    assert_equal(host(ArrayFeed(STATES, 4, seed=3, **ABOUT)), expected)
    assert_equal(host(ArrayFeed(Arrays(STATES, **ABOUT), 4, seed=3)), expected)
    assert_equal(host(DiskFeed(split, 2, 4, seed=3)), expected)


def test_a_feed_of_arrays_takes_the_window_that_a_method_asks_for():
    feed = ArrayFeed(STATES, 4)
    assert (feed.window, windowed(feed, 3).window, windowed(feed, 2).window) == (2, 3, 2)
    assert_equal(host(windowed(feed, 3)), host(ArrayFeed(STATES, 4, window=3)))
    assert ArrayFeed(STATES[:, :1], 4).window == 1
    assert windowed(object(), 3)  # nothing to do with windows
    with pytest.raises(ValueError, match=r"learns from windows of 3 frame\(s\), ArrayFeed has window=2: leave it out"):
        windowed(ArrayFeed(STATES, 4, window=2), 3)
    with pytest.raises(ValueError, match=r"learns from windows of 3 frame\(s\), WindowFeed has window=2"):
        windowed(WindowFeed(feed.source.split("train"), 2, 4), 3)
    with pytest.raises(
        ValueError, match=r"windows of 6 frame\(s\), as its unroll and history say, and this split has 5 frame"
    ):
        windowed(feed, 6)
    with pytest.raises(ValueError, match="ArrayFeed: step= tells of plain arrays, and Arrays tell it themselves"):
        ArrayFeed(feed.source, 4, step=0.1)
    with pytest.raises(ValueError, match=r"^window=50: these states have 5 frame\(s\) a trajectory"):
        ArrayFeed(STATES, window=50)
    with pytest.raises(TypeError, match=r"^ArrayFeed: unknown argument 'lenghts'\. Did you mean 'lengths'"):
        ArrayFeed(STATES, lenghts=(1.0,))
    with pytest.raises(ValueError, match=r"ArrayFeed: states should be"):
        ArrayFeed(STATES[0, 0])


@pytest.mark.parametrize("kind", ["arrays", "window", "disk"])
def test_each_process_reads_its_own_rows(kind, monkeypatch):
    split = Arrays(STATES, **ABOUT).split("train")
    make = {
        "arrays": lambda: ArrayFeed(STATES, 4, seed=3, **ABOUT),
        "window": lambda: WindowFeed(split, 2, 4, seed=3),
        "disk": lambda: DiskFeed(split, 2, 4, seed=3),
    }[kind]
    expected, read = host(make()), []
    window = ArraySplit.window
    monkeypatch.setattr(ArraySplit, "window", lambda self, *a: (read.append(a), window(self, *a))[1])
    parts = [host(part_of(make(), rows)) for rows in (slice(0, 1), slice(1, 4))]
    assert_equal([jax.tree.map(lambda *x: np.concatenate(x), *both) for both in zip(*parts, strict=True)], expected)
    assert len(read) == (5 * 4 if kind == "disk" else 0)  # no row was read twice
    whole = make()
    assert part_of(whole, slice(0, 4)) is whole


def test_a_feed_that_cannot_be_divided_is_said():
    class Mine:
        batch_size = 4

    with pytest.raises(ValueError, match=r"Mine has no local_rows\(rows\)"):
        part_of(Mine(), slice(0, 2))


def test_points_and_weights_travel_with_states_that_lie_on_no_grid():
    points, weights = np.random.default_rng(3).uniform(size=(4, 2)), np.array([0.1, 0.2, 0.3, 0.4])
    data = Arrays(STATES, domain=PointCloud(points, weights))
    for feed in (ArrayFeed(data, 4), DiskFeed(data.split("train"), 2, 4)):
        for batch in host(feed, 2):
            assert isinstance(batch.geometry, Geometry)
            np.testing.assert_array_equal(batch.geometry.points, np.float32(np.broadcast_to(points, (4, 4, 2))))
            np.testing.assert_allclose(jnp.sum(batch.geometry.weights, axis=1), 1.0, rtol=1e-6)
            np.testing.assert_array_equal(batch.geometry.mask, np.ones((4, 4)))


@pytest.mark.parametrize("given", [{"batch_size": 2.5}, {"window": 1.5}, {"seed": "1"}])
def test_counts_are_whole_when_a_feed_is_made(given):
    """As users have it, without the type checks of these tests."""
    (name,), order = given, object.__new__(WindowOrder)
    vars(order).update({"trajectories": 3, "frames": 4, "window": 2, "batch_size": 2, "seed": 0} | given)
    with pytest.raises(ValueError, match=f"{name} should be a whole number, got"):
        inspect.unwrap(WindowOrder.__post_init__)(order)
