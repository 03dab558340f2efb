"""Feeds that keep arrays on the device: points chosen by the residual, and a pool of online solutions."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array

from pdejax.data import (
    AdaptivePointFeed,
    AdaptivePoints,
    Batch,
    DeviceFeed,
    GridPoints,
    PointFeed,
    UniformPoints,
    keeps_state,
    part_of,
    point_feed,
)
from pdejax.equations import BoundaryValueProblem

SPEC = {
    "equation": {"terms": ["u_t = u_xx"]},
    "domain": {"t": (0.0, 1.0), "x": (0.0, 2.0)},
    "periodic": ["x"],
    "conditions": {"start": {"at": "t=0", "terms": "u = 0"}},
}


class Wrong(eqx.Module):
    """A model whose equation fails in proportion to x."""

    factor: Array

    def residual(self, points):
        return self.factor * points[:, 1:]


def run(feed, model, updates, key):
    """What the loop does with a feed's arrays: refreshed before the updates 0, every, 2 every, ..."""
    refresh, fetch = jax.jit(feed.refresh), jax.jit(feed.fetch)
    position, state, found = feed.init(), feed.state(), []
    for step in range(updates):
        if step % feed.every == 0:
            state = refresh(state, model, jax.random.fold_in(key, step))
        position, item = feed.next(position)
        found.append(fetch(feed.arrays, item, state))
    return found


def adaptive(**options):
    given = {"sampler": UniformPoints(4000, 5), "adaptive": AdaptivePoints(0.5), **options}
    return point_feed(BoundaryValueProblem(**SPEC), **given)


@pytest.mark.parametrize(("power", "offset"), [(1.0, 0.0), (2.0, 0.0), (1.0, 1.0), (0.0, 1.0)])
def test_points_are_as_dense_as_the_residual_is_large(power, offset, key):
    """With a residual x on (0, 2) and uniform candidates the density of x^p / mean + offset is known."""
    feed = adaptive(adaptive=AdaptivePoints(0.5, power, offset))
    (batch,) = run(feed, Wrong(jnp.asarray(3.0)), 1, key)
    x = np.asarray(batch.interior[0, :, 1])
    assert batch.interior.shape == (1, 2000, 2)
    moment = lambda n: 2.0**n / (n + 1)  # of a uniform x
    expected = (moment(power + 1) / moment(power) + offset * moment(1)) / (1 + offset)
    assert abs(x.mean() - expected) < 5 * x.std() / len(x) ** 0.5 + 5 * (1 / 3 / 4000) ** 0.5
    assert np.all((x >= 0) & (x <= 2))


def test_points_are_chosen_among_those_of_the_plain_feed(key):
    feed = adaptive(batch_size=2, redraw=2, seed=5)
    plain = PointFeed(BoundaryValueProblem(**SPEC), UniformPoints(4000, 5), 2, redraw=2, seed=5)
    for step, batch in enumerate(run(feed, Wrong(jnp.asarray(1.0)), 4, key)):
        candidates = jax.jit(plain.fetch)(plain.arrays, plain.next({"step": step})[1]).interior
        for chosen, drawn in zip(batch.interior.tolist(), candidates.tolist(), strict=True):
            assert set(map(tuple, chosen)) <= set(map(tuple, drawn))


def test_points_are_kept_until_they_are_drawn_anew(key):
    feed = adaptive(redraw=3, batch_size=2)
    inside = [np.asarray(batch.interior) for batch in run(feed, Wrong(jnp.asarray(1.0)), 5, key)]
    np.testing.assert_array_equal(inside[0], inside[2])
    np.testing.assert_array_equal(inside[3], inside[4])
    assert not np.array_equal(inside[2], inside[3])
    assert not np.array_equal(inside[0][0], inside[0][1])  # each set has its own


def test_all_but_the_points_inside_is_as_without(key):
    feed = adaptive(batch_size=2)
    plain = PointFeed(BoundaryValueProblem(**SPEC), UniformPoints(4000, 5), 2)
    for step, batch in enumerate(run(feed, Wrong(jnp.asarray(1.0)), 3, key)):
        _, item = plain.next({"step": step})
        expected = jax.jit(plain.fetch)(plain.arrays, item)
        for name in ("faces", "observed", "values", "row", "mask"):
            same = jax.tree.map(np.array_equal, getattr(batch, name), getattr(expected, name))
            assert jax.tree.all(same), name


def test_a_share_of_the_rows_sees_its_own_sets(key):
    feed, model = adaptive(batch_size=4, sampler=UniformPoints(40, 5)), Wrong(jnp.asarray(1.0))
    whole = run(feed, model, 3, key)
    parts = [run(part_of(feed, rows), model, 3, key) for rows in (slice(0, 2), slice(2, 4))]
    joined = [jax.tree.map(lambda *x: np.concatenate(x), *both) for both in zip(*parts, strict=True)]
    assert jax.tree.all(jax.tree.map(np.array_equal, joined, whole))


def test_what_adaptive_points_cannot_do_is_said():
    with pytest.raises(ValueError, match="adaptive chooses among scattered points: take points of kind quasi_random"):
        adaptive(sampler=GridPoints((4, 4)))
    with pytest.raises(ValueError, match="redraw should be 1 or more, got 0"):
        adaptive(redraw=0)
    with pytest.raises(ValueError, match=r"share should be less than or equal to 1, got 1\.5"):
        AdaptivePoints(share=1.5)
    assert isinstance(point_feed(BoundaryValueProblem(**SPEC)), PointFeed)


def test_only_feeds_with_arrays_of_their_own_keep_state():
    assert isinstance(adaptive(), AdaptivePointFeed)
    assert keeps_state(adaptive())
    assert not keeps_state(PointFeed(BoundaryValueProblem(**SPEC), UniformPoints(4, 1)))


# a second tenant: a pool of solutions that goes on while training does


class OnlinePool:
    """Solutions advanced on the device at every refresh, the oldest begun anew; a batch is drawn from all of them."""

    def __init__(self, stepper, draw, size, batch_size, every):
        self.stepper, self.draw, self.size, self.batch_size, self.every = stepper, draw, size, batch_size, every
        self.arrays = ()

    def init(self):
        return {"step": 0}

    def next(self, state):
        row = state["step"] * self.batch_size + np.arange(self.batch_size)
        return {"step": state["step"] + 1}, row.astype(np.int32)

    def state(self):
        now = self.draw(jax.random.split(jax.random.key(0), self.size))
        return {"now": now, "later": self.stepper(now), "age": jnp.zeros(self.size, jnp.int32)}

    def refresh(self, state, model, key):
        place = jnp.argmax(state["age"].astype(float) + jnp.linspace(0, 0.5, self.size))
        now = state["later"].at[place].set(self.draw(jax.random.split(key, 1))[0])
        age = (state["age"] + 1).at[place].set(0)
        return {"now": now, "later": self.stepper(now), "age": age}

    def fetch(self, arrays, item, state):
        index = jax.vmap(lambda row: jax.random.randint(jax.random.key(row), (), 0, self.size, jnp.int32))(item)
        states = jnp.stack([state["now"][index], state["later"][index]], axis=1)
        none = jnp.zeros((len(item), 0))
        return Batch(states, jnp.zeros((*states.shape[:1], *states.shape[2:-1], 0)), none, item, jnp.ones(len(item)))


def heat(u):
    """Exact diffusion of the slowest wave for the time 0.1."""
    return jnp.exp(-0.1) * u


def waves(keys):
    x = 2 * jnp.pi * jnp.arange(16.0) / 16
    phase = jax.vmap(lambda key: jax.random.uniform(key, (), maxval=2 * jnp.pi))(keys)
    return jnp.sin(x[None] + phase[:, None])[..., None]


def test_a_pool_of_online_solutions_goes_on_with_training(key):
    pool = OnlinePool(heat, waves, size=6, batch_size=8, every=2)
    assert isinstance(pool, DeviceFeed)
    batches, ages = run(pool, None, 9, key), []
    for batch in batches:
        np.testing.assert_allclose(batch.states[:, 1], np.exp(-0.1) * batch.states[:, 0], atol=1e-6)
        amplitude = np.sqrt(2 * np.mean(np.square(batch.states[:, 0, :, 0]), axis=1))
        steps = -10 * np.log(amplitude)
        np.testing.assert_allclose(steps, np.round(steps), atol=1e-4)
        ages.append(set(np.round(steps).astype(int).tolist()))
    assert ages[0] | ages[1] == {0, 1}  # one refresh before the first two updates
    assert ages[8] <= set(range(6))
    assert max(ages[8]) >= 3  # some have been in the pool for a while
