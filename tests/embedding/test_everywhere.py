"""One operator, trained by the command line, in everything that a simulation may be made of."""

import subprocess
import sys

import diffrax
import equinox as eqx
import exponax
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

import pdejax
from pdejax.solvers import rhs
from tests.embedding._hybrid import train
from tests.embedding.test_elsewhere import HIDE

STEP, STEPS = 0.02, 4


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("project")
    train(folder)
    return folder


@pytest.fixture(scope="module")
def operator(project):
    return pdejax.load(project / "runs/hybrid")


@pytest.fixture(scope="module")
def truth(project):
    return np.moveaxis(pdejax.open_data(project / "data/burgers").split("test").states, 1, 0)


@pytest.fixture(scope="module")
def equation(project):
    return pdejax.open_data(project / "data/burgers").family.equation


@pytest.fixture(scope="module")
def states(operator, truth):
    return jax.jit(lambda u: pdejax.trajectory(operator, u, STEPS))(jnp.asarray(truth[0]))


@pytest.mark.long
def test_it_helps_the_solver_that_it_was_trained_with(operator, truth):
    missed = lambda step: jnp.sqrt(jnp.mean((jax.jit(step)(jnp.asarray(truth[:-1])) - truth[1:]) ** 2))
    assert float(missed(operator)) < 0.9 * float(missed(operator.base))


@pytest.mark.long
def test_in_our_stepper(operator, states, truth, equation):
    host = pdejax.spectral_stepper(equation, pdejax.Grid((32,), (1.0,)), STEP / 4, order=2, substeps=4)
    mine = operator.within(host)
    u = jnp.asarray(truth[0])
    np.testing.assert_allclose(jax.jit(lambda u: pdejax.trajectory(mine, u, STEPS))(u), states, rtol=1e-4, atol=1e-5)


def test_in_a_solve_of_diffrax(operator, truth, equation):
    grid, u = pdejax.Grid((32,), (1.0,)), jnp.asarray(truth[0])
    term = diffrax.MultiTerm(diffrax.ODETerm(lambda t, u, _: rhs(equation, u, grid, dealias=2 / 3)), operator.term())
    asked = pdejax.spectral_stepper(equation, grid, STEP / 20, substeps=20)

    @jax.jit
    def both(u):
        solved = diffrax.diffeqsolve(term, diffrax.Tsit5(), 0.0, STEP, STEP / 40, u, max_steps=100)
        return solved.ys[-1], asked(u, tendency=operator.rate)

    np.testing.assert_allclose(*both(u), atol=1e-5)


def test_in_a_rollout_of_exponax(operator, states, truth):
    theirs = jax.jit(jax.vmap(exponax.rollout(pdejax.to_channels_first(operator), STEPS)))
    rolled = theirs(jnp.asarray(truth[0, :, None, :, 0]))
    np.testing.assert_allclose(jnp.moveaxis(rolled, 1, 0)[:, :, 0, :, None], states, rtol=1e-5, atol=1e-6)


def test_in_a_training_step_of_flax(operator, truth):
    u, target = jnp.asarray(truth[0]), jnp.asarray(truth[1])
    loss = lambda step: jnp.mean((step(u) - target) ** 2)
    module = pdejax.as_nnx(operator)
    optimiser = nnx.Optimizer(module, optax.sgd(1e-3), wrt=nnx.Param)

    @nnx.jit
    def update(module, optimiser):
        found, slopes = nnx.value_and_grad(loss)(module)
        optimiser.update(module, slopes)
        return found, slopes

    found, slopes = update(module, optimiser)
    expected, ours = eqx.filter_jit(eqx.filter_value_and_grad(loss))(operator)
    assert float(found) == pytest.approx(float(expected), rel=1e-6)
    ours = eqx.filter(ours, pdejax.trainable(operator))
    named = lambda path: jax.tree_util.keystr(path, simple=True, separator=".")
    flat = {named(path): slope for path, slope in jax.tree_util.tree_leaves_with_path(ours)}
    for name, slope in slopes["weights"].items():
        np.testing.assert_allclose(slope.get_value(), flat[name], rtol=1e-4, atol=1e-9)
    assert float(update(module, optimiser)[0]) < float(found)


def test_gradients_are_those_of_differences(operator, truth):
    u = jnp.asarray(truth[0, :1])
    along = jnp.asarray(np.random.default_rng(0).standard_normal(u.shape), jnp.float32)
    energy = jax.jit(lambda u: jnp.mean(pdejax.trajectory(operator, u, STEPS)[-1] ** 2))
    slope = (energy(u + 1e-2 * along) - energy(u - 1e-2 * along)) / 2e-2
    assert float(jnp.vdot(jax.grad(energy)(u), along)) == pytest.approx(float(slope), rel=1e-2)


@pytest.mark.long
def test_in_a_process_of_jax_alone(operator, states, truth, project):
    folder = project / "elsewhere"
    pdejax.export(operator, folder, formats=("jax",), steps=STEPS)
    np.save(folder / "u.npy", truth[0])
    code = (
        HIDE
        + """
import jax, jax.export, numpy as np
u = np.load("u.npy")
load = lambda name: jax.export.deserialize(bytearray(open(name + ".jaxexport", "rb").read())).call
np.savez("found.npz", states=jax.jit(load("rollout_4"))(u), rate=load("rate")(u),
         slope=jax.grad(lambda u: (load("rollout_4")(u)[-1] ** 2).mean())(u))
"""
    )
    subprocess.run([sys.executable, "-c", code], cwd=folder, check=True)
    with np.load(folder / "found.npz") as file:
        found = dict(file)
    np.testing.assert_allclose(found["states"], states, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found["rate"], operator.rate(0.0, truth[0]), rtol=1e-5, atol=1e-5)
    slope = jax.grad(lambda u: jnp.mean(pdejax.trajectory(operator, u, STEPS)[-1] ** 2))(jnp.asarray(truth[0]))
    np.testing.assert_allclose(found["slope"], slope, rtol=1e-4, atol=1e-8)
