"""Feeds that solve as training goes on: they hand out solutions, of the numbers and as often as they say."""

import collections

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pdejax.config import resolve
from pdejax.core import Grid
from pdejax.data import Counting, OutsideFeed, PoolFeed, Recipe, Rows, Simulated, StreamFeed, Turns, part_of, windowed
from pdejax.data.feeds.simulated import certified
from pdejax.equations import Equation, Family, Times
from pdejax.solvers import ETDRK, Function
from pdejax.training import Layout

HEAT = Family(
    "heat",
    Equation("u_t = nu*u_xx", {"nu": 0.02}),
    Grid((16,), (1.0,)),
    {"u": {"kind": "truncated_fourier", "cutoff": 3}},
    {"nu": (0.01, 0.03)},
    Times(0.1),
)


def decayed(u, nu, times):
    """Diffusion, exactly: `(batch, 16)` at times `(time,)`, `(batch, time, 16)`."""
    k = 2 * np.pi * np.arange(9.0)
    rates = np.asarray(nu, float)[:, None, None] * k[None, None] ** 2
    return np.fft.irfft(np.exp(-rates * times[None, :, None]) * np.fft.rfft(np.asarray(u, float))[:, None], 16)


def on_the_host(family, fields, parameters, times):
    """A solver that JAX cannot trace."""
    return decayed(fields["u"], parameters["nu"], times)[..., None]


HOST = Function("tests.data.feeds.test_online:on_the_host", outside=True)


@pytest.fixture(scope="module")
def source():
    return Simulated(HEAT, ETDRK(), 4, calibration=8)


def check_solutions(batch, frames=1):
    """Whether later frames of a batch follow from the first ones, each with its own parameter."""
    nu, states = batch.parameters[:, 0], np.asarray(batch.states)[..., 0]
    found = decayed(states[:, 0], nu, 0.1 * np.arange(1.0 + frames))
    np.testing.assert_allclose(states, found, atol=2e-6)
    assert len(np.unique(np.asarray(nu))) > 1


def test_a_stream_hands_out_solutions_each_with_its_parameter(source):
    feed = windowed(StreamFeed(source, 8, windows=2, seed=3), 3)
    state, first = feed.next(feed.init())
    state, item = feed.next(state)
    batch = jax.jit(feed.fetch)(feed.arrays, item)
    check_solutions(batch, frames=2)
    assert batch.mask.sum() == 8
    assert item[:, 2].tolist() == [*range(8, 16)]
    # each is the certified solution of its number, bit for bit, at the frame that was drawn
    truth = certified(source.recipe, np.arange(4, 8), 3)
    for row, (number, start, _) in enumerate(item.tolist()):
        np.testing.assert_array_equal(batch.states[row], truth.states[number - 4, start : start + 3])
    assert {*first[:, 0].tolist()} == {*range(4)}
    assert all(len({*item[2 * i : 2 * i + 2, 1].tolist()}) == 2 for i in range(4))  # two different windows
    assert feed.counts(state) == {"solved": 8.0, "reuse": 2.0, "age": 0.0}


@pytest.mark.parametrize(
    "problem",
    [
        "shock_tube",
        *(pytest.param(p, marks=pytest.mark.long) for p in ("rayleigh_benard", "orszag_tang", "heated_rod")),
    ],
)
def test_solvers_with_loops_of_their_own_are_divided_over_devices(problem):
    """What their loops carry is told apart by device; nothing is compiled."""
    recipe = Recipe.of(resolve([f"problem={problem}"]).problem.spec())
    feed, layout = StreamFeed(Simulated(recipe.family, recipe.simulator), 2), Layout.over(2)
    items = np.stack([feed.next({"step": step})[1] for step in range(2)])
    fetch = lambda items: jax.lax.map(lambda item: feed.fetch(feed.arrays, item).states, items)
    divided = jax.shard_map(fetch, mesh=layout.mesh, in_specs=layout.items, out_specs=layout.items)
    assert jax.eval_shape(divided, items).shape == (2, 2, 2, *recipe.family.domain.shape, len(recipe.family.fields))


def test_a_part_of_a_stream_holds_the_same_rows(source):
    feed = StreamFeed(source, 8, seed=3)
    whole = feed.next({"step": 5})[1]
    parts = [part_of(feed, rows).next({"step": 5})[1] for rows in (slice(0, 4), slice(4, 8))]
    np.testing.assert_array_equal(np.concatenate(parts), whole)


@pytest.mark.parametrize(("rows", "depth", "reuse"), [(3, 4, 1), (2, 1, 5), (3, 5, 4)])
def test_every_solution_is_seen_exactly_as_often_as_said_before_another_takes_its_place(rows, depth, reuse):
    turns, chunks = Turns(rows, depth, reuse, starts=3, seed=1), 4
    place = [dict(enumerate(range(depth))) for _ in range(rows)]  # of each row, the block in every slot
    seen = collections.Counter()
    for step in range(chunks * depth * reuse):
        if step % reuse == 0:  # a refresh, as the loop makes one
            block = depth + step // reuse
            for held in place:
                if (gone := held.get(block % (2 * depth))) is not None:
                    assert seen[gone] == rows * reuse
                held[block % (2 * depth)] = block
        turn = turns.at(step)
        for row in range(rows):
            block = place[row][turn.slot[row]]
            assert turn.number[row] == block * rows + row
            assert turn.age[row] == step - max(0, block - depth) * reuse
            seen[block] += 1
    assert [*seen.values()] == [rows * reuse] * (chunks * depth)
    assert turns.counts(depth * reuse, depth)["reuse"] == reuse


def test_solutions_of_one_half_are_seen_in_another_order_each_time():
    turns = Turns(2, 8, 3)
    orders = [[int(turns.at(8 * epoch + i).slot[row]) for i in range(8)] for epoch in range(3) for row in range(2)]
    assert all(sorted(order) == [*range(8)] for order in orders)
    assert len({*map(tuple, orders)}) == 6


def test_a_pool_holds_what_its_turns_say(source):
    feed = windowed(PoolFeed(source, 4, capacity=16, reuse=2, seed=5), 2)
    refresh, fetch = jax.jit(feed.refresh), jax.jit(feed.fetch)
    position, state, numbers, batches = feed.init(), feed.state(), [], []
    assert isinstance(state, Rows)
    assert all(x.shape[0] == 4 for x in jax.tree.leaves(state))
    for step in range(9):
        if step % feed.every == 0:
            state = refresh(state, None, jax.random.key(step))
        numbers.append(feed.turns.at(step))
        position, item = feed.next(position)
        batches.append(fetch(feed.arrays, item, state))
    truth = certified(source.recipe, np.arange(24), 5)
    for turn, batch in zip(numbers, batches, strict=True):
        for row in range(4):
            start = turn.start[row]
            np.testing.assert_array_equal(batch.states[row], truth.states[turn.number[row], start : start + 2])
            assert batch.parameters[row, 0] == np.float32(truth.parameters["nu"][turn.number[row]])
        assert batch.mask.sum() == 4
    check_solutions(batches[-1])
    assert {*np.concatenate([t.number for t in numbers[4:8]]).tolist()} <= {*range(8, 24)} | {*range(8)}
    assert isinstance(feed, Counting)
    assert feed.counts(position)["solved"] == 4 * (2 + 5)


def test_processes_of_the_host_solve_ahead_and_a_later_start_sees_the_same():
    source = Simulated(HEAT, HOST, 3, calibration=4)
    feed = OutsideFeed(source, 4, processes=1, queue=2, reuse=2, seed=7)
    position, items = feed.init(), []
    for _ in range(6):
        position, item = feed.next(position)
        items.append(item)
    counts = feed.counts(position)
    feed.close()
    assert counts["solved"] in (16.0, 20.0, 24.0)  # the batches seen, and as many ahead as are ready
    assert counts["waited"] > 0
    seen = collections.Counter(n for step in range(4) for n in feed.turns.at(step).number.tolist())
    assert seen == dict.fromkeys(range(8), 2)
    for item in items:
        batch = feed.fetch(feed.arrays, item)
        check_solutions(batch)
    part = part_of(OutsideFeed(source, 4, processes=1, queue=2, reuse=2, seed=7), slice(2, 4))
    _, again = part.next({"step": 5})  # in the middle of a chunk, half of the rows
    part.close()
    for name, array in again.items():
        np.testing.assert_array_equal(array, items[5][name][2:])


def test_moments_are_those_of_certified_solutions_and_others_are_learned_from(source):
    found = source.calibration
    assert found.states.shape == (8, 4, 16, 1)
    assert np.all(found.self_difference <= source.recipe.tolerance)
    np.testing.assert_allclose(source.statistics["std"], found.states.std(), rtol=1e-6)
    learned = certified(source.recipe, np.arange(8), source.recipe.seed)
    assert not np.any(learned.states[:, 0] == found.states[:, 0])
    other = Simulated(HEAT, ETDRK(order=2), 4, calibration=8)
    assert source.fingerprint != other.fingerprint
    assert source.fingerprint == Simulated(HEAT, ETDRK(), 4, calibration=8).fingerprint


@pytest.mark.long  # tests of `generate` do the same
def test_a_solver_that_is_too_coarse_is_refused():
    steep = Family(
        "steep",
        Equation("u_t = -u*u_x + nu*u_xx", {"nu": 1e-3}),
        Grid((16,), (1.0,)),
        {"u": {"kind": "truncated_fourier", "cutoff": 3}},
        times=Times(0.5),
    )
    with pytest.raises(ValueError, match="was rejected 8 times"):
        Simulated(steep, ETDRK(substeps=4), calibration=2).statistics  # noqa: B018


def broken(family, fields, parameters, times):
    """Diffusion that is lost where the first value is positive."""
    k = 2 * jnp.pi * jnp.arange(9.0)
    decay = jnp.exp(-parameters["nu"][:, None, None] * k[None, None] ** 2 * jnp.asarray(times)[None, :, None])
    states = jnp.fft.irfft(decay.astype(complex) * jnp.fft.rfft(fields["u"])[:, None], 16)
    return jnp.where(fields["u"][:, None, :1] > 0, jnp.nan, states)[..., None]


SIZE = 0.975  # of fields drawn, half are larger


def far_from_zero(family, states, parameters):
    """What a tolerance bounds in the test below."""
    return jnp.max(jnp.abs(states), axis=(1, 2, 3))


def test_what_is_not_finite_does_not_count_and_holds_numbers():
    source = Simulated(HEAT, Function("tests.data.feeds.test_online:broken"), calibration=4)
    feed = StreamFeed(source, 32)
    batch = jax.jit(feed.fetch)(feed.arrays, feed.next(feed.init())[1])
    assert 0 < batch.mask.sum() < 32
    assert np.all(np.isfinite(batch.states))
    kept = batch.mask > 0
    assert np.all(batch.states[kept][:, 0, 0] <= 0)
    check_solutions(jax.tree.map(lambda x: x[np.asarray(kept)], batch))


def test_all_can_be_certified():
    checked = Function("tests.data.feeds.test_online:broken", checked_by="tests.data.feeds.test_online:far_from_zero")
    source = Simulated(HEAT, checked, calibration=4, tolerance=SIZE)
    masks = {}
    for certify in ("first", "all"):
        feed = StreamFeed(source, 32, certify=certify)
        batch = jax.jit(feed.fetch)(feed.arrays, feed.next(feed.init())[1])
        masks[certify] = np.asarray(batch.mask)
        if certify == "all":
            assert np.all(np.abs(batch.states[masks[certify] > 0]) <= SIZE)
    assert masks["all"].sum() < masks["first"].sum()


def test_what_cannot_be_is_said(source):
    with pytest.raises(ValueError, match=r"capacity should be a multiple of 16, .* got 40, the nearest is 32"):
        PoolFeed(source, 8, capacity=40, reuse=2)
    with pytest.raises(ValueError, match="is code that JAX cannot trace, which a stream needs: take kind outside"):
        StreamFeed(Simulated(HEAT, HOST, 3))
    still = Recipe.of(resolve(["problem=poisson", "method=steady"]).problem.spec())
    with pytest.raises(ValueError, match="'poisson' is steady, and a stream solves what evolves in time"):
        StreamFeed(Simulated(still.family, still.simulator))
    with pytest.raises(ValueError, match=r"learns from windows of 5 frame.*, and 4 frame.* are solved"):
        windowed(StreamFeed(source, 8), 5)
    with pytest.raises(ValueError, match="windows should be at most 3, the places of a window of 2"):
        StreamFeed(source, 8, windows=4)
    with pytest.raises(ValueError, match="batch_size should be a multiple of windows=3, got 8"):
        StreamFeed(source, 8, windows=3)
    with pytest.raises(ValueError, match=r"reuse should be greater than or equal to 1, got 0"):
        PoolFeed(source, 8, capacity=16, reuse=0)
    feed = StreamFeed(source, 8, windows=2)
    with pytest.raises(ValueError, match="part of a batch, 1 windows, should be a multiple of the windows=2"):
        jax.eval_shape(feed.fetch, feed.arrays, feed.next(feed.init())[1][:1])
