import itertools

import jax
import numpy as np
import pytest

from pdejax.data import Dataset, DiskFeed, WindowFeed, WindowOrder, choose_feed

WINDOW, BATCH = 3, 7  # 10 trajectories of 6 windows: an epoch is 60 windows, not a multiple of 7


def batches(feed, first, last):
    state, out = {"step": first}, []
    fetch = jax.jit(feed.fetch)
    for _ in range(first, last):
        state, item = feed.next(state)
        out.append(jax.tree.map(np.asarray, fetch(feed.arrays, item)))
    return out


def assert_equal(one, two):
    assert jax.tree.all(jax.tree.map(np.array_equal, one, two))


@pytest.fixture(scope="module")
def train(burgers_set):
    return burgers_set.split("train")


@pytest.fixture(scope="module")
def stream(train):
    return batches(WindowFeed(train, WINDOW, BATCH, seed=5), 0, 20)


def test_target_is_the_solution_of_the_input(burgers, stream):
    """Input, target and parameters of a sample belong together: the solver confirms every pair of a batch."""
    family, simulator = burgers
    step = jax.jit(lambda given, u: simulator.stepper(family, given)(u))
    for batch in stream[:3]:
        with jax.enable_x64(True):
            columns = np.asarray(batch.parameters, np.float64)
            parameters = {name: columns[:, i] for i, name in enumerate(family.parameter_names)}
            for frame in range(WINDOW - 1):
                expected = step(parameters, batch.states[:, frame].astype(np.float64))
                np.testing.assert_allclose(batch.states[:, frame + 1], expected, rtol=1e-6, atol=1e-6)
        # with another sample's parameters it would not be
        shifted = {name: np.roll(value, 1) for name, value in parameters.items()}
        with jax.enable_x64(True):
            wrong = step(shifted, batch.states[:, 0].astype(np.float64))
        assert np.abs(np.asarray(wrong) - batch.states[:, 1]).max() > 5e-3


def test_every_window_once_an_epoch(train, stream):
    """Windows are told apart by their content; the stream of 140 draws holds two epochs of 60 and a part."""
    content = [window.tobytes() for batch in stream for window in batch.states]
    windows = {states[start : start + WINDOW].tobytes() for states in train.states for start in range(6)}
    epochs = [content[:60], content[60:120]]
    assert len(windows) == 60
    assert all(set(epoch) == windows for epoch in epochs)
    assert epochs[0] != epochs[1]


def test_rows_number_the_draws(stream):
    rows = np.concatenate([batch.row for batch in stream])
    assert rows.tolist() == list(range(20 * BATCH))
    assert all((batch.mask == 1).all() for batch in stream)


def test_parameters_belong_to_the_trajectory(train, stream):
    table = {t[k].tobytes(): i for i, t in enumerate(train.states) for k in range(train.frames)}
    for batch in stream[:5]:
        index = [table[window[0].tobytes()] for window in batch.states]
        np.testing.assert_array_equal(batch.parameters, train.parameter_array[index])


@pytest.mark.parametrize("step", [1, 8, 13])
@pytest.mark.parametrize("kind", [WindowFeed, DiskFeed])
def test_a_resumed_feed_goes_on_with_the_same_batches(train, stream, kind, step):
    assert_equal(batches(kind(train, WINDOW, BATCH, seed=5), step, step + 3), stream[step : step + 3])


@pytest.mark.parametrize("threads", [0, 2])
def test_batches_from_disk_are_those_from_memory(train, stream, threads):
    feed = DiskFeed(train, WINDOW, BATCH, seed=5, threads=threads)
    assert_equal(batches(feed, 0, 20), stream)
    assert_equal(batches(feed, 2, 4), stream[2:4])  # going back is allowed
    feed.close()


@pytest.mark.parametrize("threads", [0, 2])
def test_few_files_are_kept_open(burgers_root, stream, threads, monkeypatch):
    monkeypatch.setattr("pdejax.data.store.opened.MOST_OPEN", 2)  # of three
    split = Dataset.open(burgers_root).split("train")
    feed = DiskFeed(split, WINDOW, BATCH, seed=5, threads=threads)
    assert_equal(batches(feed, 0, 5), stream[:5])
    with split._open._lock:  # threads read ahead
        assert len(split._open._files) == 2
    feed.close()


@pytest.mark.long  # a process that imports everything anew; threads read in the same order above
def test_batches_read_by_other_processes_are_the_same(train, stream):
    feed = DiskFeed(train, WINDOW, BATCH, seed=5, workers=1)
    assert_equal(batches(feed, 4, 7), stream[4:7])
    feed.close()


def test_other_seeds_give_other_orders(train, stream):
    other = batches(WindowFeed(train, WINDOW, BATCH, seed=6), 0, 1)
    assert not np.array_equal(other[0].states, stream[0].states)


def test_two_axes_and_no_parameters(plane_set):
    split = plane_set.split("train")
    one, two = (batches(kind(split, 2, 5), 0, 4) for kind in (WindowFeed, DiskFeed))
    assert_equal(one, two)
    assert one[0].states.shape == (5, 2, 16, 12, 2)
    assert one[0].parameters.shape == (5, 0)


@pytest.mark.parametrize("batch_size", [1, 4, 12, 31])
def test_batch_size_does_not_change_the_stream(batch_size):
    order = WindowOrder(4, 5, 3, batch_size, seed=2)
    stream = itertools.chain.from_iterable(order.batch(step).tolist() for step in range(70 // batch_size))
    reference = WindowOrder(4, 5, 3, 1, seed=2)
    assert [tuple(row) for row in stream] == [(*reference.at(p), p) for p in range(70 // batch_size * batch_size)]


def test_row_numbers_stay_in_32_bits():
    batch = WindowOrder(4, 5, 3, 1000).batch(5_000_000)
    assert batch.dtype == np.int32
    assert batch[0, 2] == 5_000_000_000 % 2**31


@pytest.mark.parametrize(("memory", "kind"), [(1 << 30, WindowFeed), (1000, DiskFeed)])
def test_feed_is_chosen_by_memory(train, memory, kind):
    assert isinstance(choose_feed(train, WINDOW, BATCH, memory=memory), kind)


@pytest.mark.parametrize(("name", "kind"), [("device", WindowFeed), ("disk", DiskFeed)])
def test_feed_is_chosen_by_name(train, name, kind):
    assert isinstance(choose_feed(train, WINDOW, BATCH, kind=name), kind)
    with pytest.raises(ValueError, match=r"unknown feed 'disc'\. Did you mean 'disk'"):
        choose_feed(train, WINDOW, BATCH, kind="disc")


def test_a_window_that_does_not_fit_is_refused(train):
    with pytest.raises(
        ValueError, match=r"windows of 9 frame\(s\), as its unroll and history say, and this split has 8 frame"
    ):
        WindowFeed(train, 9, BATCH)


def test_fetch_of_a_part_is_a_part_of_the_batch(train, stream):
    """Each device fetches its own rows, and together they are the batch."""
    feed = WindowFeed(train, WINDOW, 8, seed=5)
    _, item = feed.next(feed.init())
    mesh = jax.make_mesh((8,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
    spec = jax.sharding.PartitionSpec
    parts = jax.shard_map(feed.fetch, mesh=mesh, in_specs=(spec(), spec("data")), out_specs=spec("data"))
    whole = jax.jit(feed.fetch)(feed.arrays, item)
    assert_equal(jax.tree.map(np.asarray, jax.jit(parts)(feed.arrays, item)), jax.tree.map(np.asarray, whole))
