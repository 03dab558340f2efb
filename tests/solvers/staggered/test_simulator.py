"""Families of flows between walls: what is generated is certified and is the flow, and what does not fit is refused."""

import dataclasses

import h5py
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pdejax.config import resolve
from pdejax.config._assemble import recipe_of
from pdejax.core import Grid, trajectory
from pdejax.data import Dataset, SplitSize, generate
from pdejax.equations import EQUATIONS, Expression, Family, Times
from pdejax.solvers import ETDRK, FiniteVolume, Staggered
from tests.solvers.staggered.flows import FLOW, cells, lid, value

CAVITY = Family("c", FLOW, lid(16), {"u, v": Expression(channels=2)}, {"nu": (0.01, 0.02)}, Times(0.5))


@pytest.mark.long
def test_the_certificate_is_about_the_error(tmp_path, x64):
    def made(name, shape=None):
        sizes, allowed = {"train": SplitSize(2, 4)}, {"tolerance": 1e-3, "space_tolerance": 0.2}
        return generate(CAVITY, Staggered(shape=shape), tmp_path / name, sizes, batch_size=2, **allowed)

    root = made("coarse")
    states, truth = (Dataset.open(one).split("train").states for one in (root, made("fine", (64, 64))))
    with h5py.File(next(root.glob("data/*/*.hdf5"))) as file:
        told = file["provenance"]["space_error"][:]
        assert np.all(file["provenance"]["self_difference"][:] < 1e-3)
    mean = lambda u: np.abs(u).mean((2, 3)).max(1)
    varies = np.abs(truth - truth.mean((2, 3), keepdims=True)).mean((2, 3)).max(1)
    error = (mean(states - truth) / varies).max(-1)
    assert np.all(error < told)
    assert np.all(error > told / 10)
    family = Dataset.open(root).family
    parameters = {"nu": family.draw(0, 0)[1]["nu"]}
    assert 0.01 <= float(parameters["nu"]) <= 0.02
    assert np.all(states[:, 0] == 0)
    assert np.abs(states[:, -1]).max() > 0.5


def test_frames_are_those_of_the_stepper_on_faces(x64):
    parameters = {"nu": jnp.asarray([0.01, 0.02])}
    stepper = Staggered().stepper(CAVITY, parameters)
    fields = {name: jnp.zeros((2, 16, 16)) for name in "uv"}
    times = dataclasses.replace(CAVITY.times, burn_in=1).frames(3)
    states = jax.jit(lambda f, p: Staggered()(CAVITY, f, p, times).states)(fields, parameters)
    u = jnp.zeros((2, 16, 16, 2))

    def found(stepper, u):
        q = trajectory(stepper.on_faces, stepper.form.to_faces(u), 3)
        return jax.vmap(lambda q: stepper.form.to_state(q, u))(q)

    np.testing.assert_allclose(states, np.moveaxis(jax.jit(found)(stepper, u), 0, 1), atol=1e-6)


@pytest.mark.parametrize(
    ("family", "simulator", "words"),
    [
        (CAVITY, Staggered(shape=(24, 24)), r"solver\.shape should hold whole multiples of domain\.shape=\[16, 16\]"),
        (dataclasses.replace(CAVITY, domain=lid(15)), Staggered(), "should be even, got 15"),
        (dataclasses.replace(CAVITY, domain=lid(6)), Staggered(), r"problem 'c': .* at least 4 cells .* got \[3, 3\]"),
        (dataclasses.replace(CAVITY, vary={"nu": (-0.01, 0.01)}), Staggered(), "problem 'c': .* not be negative"),
        (CAVITY, Staggered(substeps=2), "problem 'c': substeps=2 makes steps of 0.25, .* at least 5"),
        (dataclasses.replace(CAVITY, domain=cells(16, 16, ends=value(1))), Staggered(), "is the velocity through it"),
        (dataclasses.replace(CAVITY, domain=Grid((16, 16), (1.0, 1.0))), Staggered(), r"set domain\.cells=true"),
        (CAVITY, ETDRK(), r"needs domain\.ends periodic"),
        (CAVITY, FiniteVolume(), "finite volumes have no pressure for it, solvers staggered and etdrk have"),
        (
            Family("w", EQUATIONS["inviscid_burgers"], cells(16), {"u": Expression()}, times=Times(0.1)),
            Staggered(),
            r"problem 'w': solver staggered is for an incompressible flow",
        ),
    ],
)
def test_families_that_do_not_fit_are_refused(family, simulator, words):
    with pytest.raises(ValueError, match=words):
        simulator.validate(family)


def test_solvers_of_other_cost_are_parts_of_it():
    variants = Staggered(shape=(32, 32)).variants(CAVITY)
    assert [one.setting["points"] for one in variants] == [[32, 32], [16, 16], [8, 8]]
    assert Staggered().finer(CAVITY).shape == (32, 32)
    assert Staggered().stepper(CAVITY, {}, coarser=2).grid.shape == (8, 8)


SHIPPED = {
    "lid_driven_cavity": ["problem.domain.shape=[16,16]", "problem.space_tolerance=0.5"],
    "rayleigh_benard": ["problem.domain.shape=[16,8]", "problem.solver.shape=[16,8]", "problem.space_tolerance=0.9"],
}


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_problems_generate_flows(name, tmp_path):
    recipe = recipe_of(resolve([f"problem={name}", "problem.tolerance=0.01", *SHIPPED[name]]))
    settings = {"batch_size": 2, "tolerance": recipe.tolerance, "space_tolerance": recipe.space_tolerance}
    root = generate(recipe.family, recipe.simulator, tmp_path, {"train": SplitSize(2, 6)}, **settings)
    states = Dataset.open(root).split("train").states.astype(float)
    u, v = states[..., 0], states[..., 1]
    np.testing.assert_allclose(v.mean((2, 3)), 0, atol=1e-6)  # what rises comes down
    assert np.abs(v[:, -1]).max() > 1e-2
    if name == "lid_driven_cavity":
        np.testing.assert_allclose(u.mean((2, 3)), 0, atol=1e-6)
        energy = (u**2 + v**2).mean((2, 3))
        assert np.all(np.diff(energy) > 0)
    else:
        heat = states[..., 2]
        assert np.abs(heat).max() < 0.5 + 0.05  # that of the plates, as far as there are no limiters
        assert np.all(heat[:, :, :, 0].mean(2) > heat[:, :, :, -1].mean(2) + 0.5)
