"""What the network's output is added to: the present state, the mean, or a coarse solver that it corrects."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from pdejax.core import Grid, Key, State, per_sample, trajectory
from pdejax.data import Batch
from pdejax.equations import Equation
from pdejax.methods import DataCard, Supervised, load_model, save_model, why_unsaved
from pdejax.solvers import spectral_stepper
from tests.methods._drawn import drawn, normal

GRID = Grid((32,), (2 * np.pi,))
BURGERS = Equation("u_t = -u*u_x + nu*u_xx", parameters={"nu": 0.1})
NETWORK = {"kind": "fno", "modes": 4, "width": 4, "depth": 1}
CARD = DataCard(
    shape=GRID.shape, lengths=GRID.lengths, step=0.4, field_names=("u",), parameter_names=(), periodic=(True,),
    statistics={"mean": [0.0], "std": [0.7], "rms_delta": [0.2], "rms_residual": [0.01]},
)  # fmt: skip


class Decay(eqx.Module):
    """A base whose rate is a physical parameter."""

    rate: jnp.ndarray

    def bind(self, parameters):
        return Decay(parameters["nu"])

    def __call__(self, u: State, *, key: Key | None = None) -> State:
        return u * jnp.exp(-self.rate).reshape((-1,) + (1,) * (u.ndim - 1))


class Keyed(eqx.Module):
    """A network as a Stepper."""

    network: eqx.Module

    def __call__(self, u: State, *, key: Key | None = None) -> State:
        return self.network(u)


def silent(method, card=CARD):
    """The model with a network that gives nothing."""
    return drawn(method, NETWORK, card, scale=0.0)


@pytest.fixture(scope="module")
def coarse():
    """One step of second order where the truth takes sixteen of fourth order."""
    return spectral_stepper(BURGERS, GRID, 0.4, order=2)


@pytest.fixture(scope="module")
def pairs():
    fine = spectral_stepper(BURGERS, GRID, 0.4 / 16, substeps=16)
    x, phases = GRID.axes()[0], np.random.default_rng(0).uniform(0, 2 * np.pi, (32, 2))
    start = np.sin(x[None] + phases[:, :1]) + 0.5 * np.sin(2 * x[None] + phases[:, 1:])
    run = jax.jit(lambda u: jnp.moveaxis(trajectory(fine, u, 2, include_initial=True), 0, 1))
    frames = run(jnp.asarray(start[..., None], jnp.float32))
    size = len(frames)
    return Batch(
        frames, jnp.zeros((size, 32, 0)), jnp.zeros((size, 0)), jnp.arange(size, dtype=jnp.int32), jnp.ones(size)
    )


def test_a_silent_network_leaves_the_base(coarse, pairs):
    corrected, alone, of_states = map(silent, (Supervised(base=coarse), Supervised(), Supervised(predict="state")))
    u = pairs.states[:, 0]
    run = jax.jit(lambda u: (corrected(u), coarse(u), alone(u), of_states(u)))
    corrected, base, alone, of_states = run(u)
    np.testing.assert_array_equal(corrected, base)
    np.testing.assert_array_equal(alone, u)
    np.testing.assert_array_equal(of_states, np.zeros_like(u))


def test_the_base_is_not_trained(coarse):
    method = Supervised(base=coarse)
    model = drawn(method, NETWORK, CARD)
    assert not any(jax.tree.leaves(method.trainable(model).base))
    assert len(jax.tree.leaves(model.base)) > 0


@pytest.mark.long
def test_a_corrected_solver_beats_a_network_alone_after_as_many_updates(coarse, pairs, key):
    def error(method):
        model, optimiser = drawn(method, NETWORK, CARD, scale=0.1), optax.adam(3e-3)
        params, static = eqx.partition(model, method.trainable(model))
        keys = jax.random.split(key, len(pairs.states))
        loss = lambda p: jnp.mean(method.loss(eqx.combine(p, static), pairs, keys)[0])

        def update(carry, _):
            params, state = carry
            steps, state = optimiser.update(jax.grad(loss)(params), state)
            return (optax.apply_updates(params, steps), state), None

        with jax.numpy_dtype_promotion("standard"):  # of Adam
            (params, _), _ = jax.jit(lambda p: jax.lax.scan(update, (p, optimiser.init(p)), length=30))(params)
        return float(jax.jit(loss)(params) * jnp.mean(model.output_scale**2))  # each has its own unit

    corrected, alone = error(Supervised(base=coarse)), error(Supervised())
    assert corrected < 0.5 * alone


def test_a_base_is_bound_with_the_operator(key):
    card = DataCard(
        shape=(16,), lengths=(2.0,), step=0.5, field_names=("u",), parameter_names=("nu",), periodic=(True,),
        statistics={"mean": [0.0], "std": [1.0], "rms_delta": [1.0], "rms_residual": [1.0],
                    "parameter_mean": [1.0], "parameter_std": [1.0]},
    )  # fmt: skip
    method = Supervised(base=Decay(jnp.zeros(1)))
    model, u = silent(method, card), jnp.ones((2, 16, 1))
    rates = np.array([0.5, 2.0], np.float32)
    states = jnp.stack([u, u * jnp.exp(-rates)[:, None, None]], 1)
    batch = Batch(
        states, jnp.zeros((2, 16, 0)), jnp.asarray(rates[:, None]), jnp.arange(2, dtype=jnp.int32), jnp.ones(2)
    )
    run = jax.jit(lambda u, batch, keys: (model.bind({"nu": rates})(u), method.loss(model, batch, keys)[0]))
    decayed, loss = run(u, batch, jax.random.split(key, 2))
    np.testing.assert_allclose(decayed[:, 0, 0], np.exp(-rates), rtol=1e-6)
    np.testing.assert_allclose(loss, 0, atol=1e-12)


def test_a_saved_correction_holds_its_base(key, tmp_path):
    base = per_sample(eqx.nn.Conv1d(1, 1, 3, padding="SAME", key=key))
    model, u = drawn(Supervised(base=Keyed(base)), NETWORK, CARD), normal(2, 32, 1)
    save_model(tmp_path, model)
    with pytest.raises(ValueError, match="which a file may not import by itself"):
        load_model(tmp_path)
    again = load_model(tmp_path, [Keyed.__module__.partition(".")[0]])
    assert eqx.tree_equal(again, model)
    np.testing.assert_array_equal(*jax.jit(lambda u: (again(u), model(u)))(u))


def test_a_solver_that_no_file_can_hold_says_so_before_training(coarse):
    assert "cannot be saved" in why_unsaved(drawn(Supervised(base=coarse), NETWORK, CARD))


def test_impossible_bases_are_refused(coarse, key):
    with pytest.raises(ValueError, match="base needs predict=increment"):
        Supervised(base=coarse, predict="state")
    wrong = eqx.nn.Lambda(lambda u, *, key=None: u[:, ::2])
    with pytest.raises(ValueError, match=r"base Lambda gives \(2, 16, 1\) for a state \(2, 32, 1\)"):
        Supervised(base=wrong).build(NETWORK, CARD, key=key)
