"""Families on boxes with ends: shipped problems against solutions that are known, and what is refused."""

import dataclasses
import json
from types import SimpleNamespace

import jax
import numpy as np
import pytest

from pdejax.cli import main
from pdejax.config import resolve
from pdejax.config._assemble import recipe_of
from pdejax.core import Grid, build, describe
from pdejax.data import Dataset, SplitSize, generate
from pdejax.equations import EQUATIONS, Equation, Expression, Family, SteadyEquation, Times, TruncatedFourier
from pdejax.evaluation.baselines.stepping import solver_large_step
from pdejax.solvers import Bounded, Doubling, Simulator, Varied

SINES = {"u": Expression("a*sin(pi*x)", {"a": (0.5, 1.0)})}
COLD = Family("cold", EQUATIONS["diffusion"], Grid((33,), (1.0,), "value"), SINES, times=Times(0.5))


def solved(name, frames, *words, **changes):
    """The recipe of a shipped problem, with changes to its family, and states of its first trajectories."""
    recipe = recipe_of(resolve([f"problem={name}", *words]))
    family = dataclasses.replace(recipe.family, **changes)
    with jax.enable_x64(True):
        domain = recipe.simulator.domain(family)
        fields, parameters = jax.vmap(lambda i: family.draw(0, i, domain))(np.arange(2))
        run = jax.jit(lambda f, p: recipe.simulator(family, f, p, family.times.frames(frames)))
        found = run(fields, parameters)
    states = np.asarray(found.states, float)
    return family, states, np.asarray(found.record["tail"])


def test_a_rod_whose_end_is_warmed(x64):
    family, states, tail = solved("heated_rod", 11)
    x, t, nu, omega = family.domain.axes()[0], 0.1 * np.arange(11), 0.05, 2 * np.pi
    modes = np.arange(1, 400)
    rates = nu * (modes * np.pi) ** 2
    waves = np.sin(np.pi * np.outer(modes, x))
    start = 2 / 64 * np.einsum("mx,bx->bm", waves, states[:, 0, :, 0])
    start[:, 60:] = 0
    # of 1 - x, which is lifted by (1 - cos(omega t))/2, whose rate is omega sin(omega t)/2
    pushed = -(omega / 2) * 2 / (modes * np.pi)
    angle, cooled = omega * t[:, None], np.exp(-rates * t[:, None])
    sent = rates * np.sin(angle) - omega * np.cos(angle) + omega * cooled
    series = start[:, None] * cooled + pushed * sent / (rates**2 + omega**2)
    exact = series @ waves + np.outer((1 - np.cos(omega * t)) / 2, 1 - x)
    np.testing.assert_allclose(states[..., 0], exact, atol=2e-6)
    assert np.all(tail < 1e-4)


def test_a_front_of_its_own_width_keeps_it(x64):
    draws = {"u": Expression("0.5 - 0.5*tanh((x - s)/0.04)", {"s": (0.25, 0.4)})}
    family, states, tail = solved("burgers_front", 6, draws=draws)
    x, t = family.domain.axes()[0], 0.04 * np.arange(6)
    with jax.enable_x64(True):
        middle = [float(x[0] + np.trapezoid(np.asarray(u[0, :, 0]), x)) for u in states]
    exact = [0.5 - 0.5 * np.tanh((x - s - t[:, None] / 2) / 0.04) for s in middle]
    np.testing.assert_allclose(states[..., 0], exact, atol=5e-5)
    assert np.all(tail < 1e-2)


def test_a_dish_that_nothing_leaves(x64):
    words = ["problem.domain.shape=[33,33]"]
    pure = Equation("u_t = d*lap(u) + rate*(u - u**3)", {"d": 0.02, "rate": 0.0}, ndim=2)
    modes = {"u": Expression("a*cos(2*pi*x)*cos(pi*y)", {"a": (0.5, 1)})}
    _, states, _ = solved("reaction_diffusion", 4, *words, equation=pure, draws=modes, vary={})
    decay = np.exp(-0.02 * np.pi**2 * (2**2 + 1) * 0.1 * np.arange(4))
    np.testing.assert_allclose(states, decay[:, None, None, None] * states[:, :1], atol=1e-7)


@pytest.mark.long
def test_a_dish_where_all_is_alike_follows_the_reaction(x64):
    even = {"u": Expression("a", {"a": (0.2, 0.6)})}
    _, states, _ = solved("reaction_diffusion", 4, "problem.domain.shape=[33,33]", draws=even, vary={})
    first, grown = states[:, :1], np.exp(2 * 0.1 * np.arange(4))[:, None, None, None]
    np.testing.assert_allclose(states, first * np.sqrt(grown / (1 + first**2 * (grown - 1))), rtol=1e-6)


def test_the_energy_of_waves_in_a_room_is_kept(x64):
    wide = {"u": Expression("exp(-((x - a)**2 + (y - 0.5)**2)/0.02)", {"a": (0.45, 0.55)}), "v": Expression()}
    family, states, _ = solved("waves_in_a_room", 9, "problem.domain.shape=[33,33]", draws=wide)
    x = family.domain.coordinates()[..., 0]
    weights = family.domain.measure()
    images = lambda u: np.block([[u, u[:, -2:0:-1]], [u[-2:0:-1], u[-2:0:-1, -2:0:-1]]])
    k = 2 * np.pi * np.fft.fftfreq(64, 1 / 32)

    def energy(state):
        spectrum = np.fft.fft2(images(state[..., 0]))
        slopes = [np.fft.ifft2(1j * q * spectrum).real[:33, :33] for q in (k[:, None], k[None, :])]
        rate = state[..., 1] / (1 + 0.2 * np.cos(2 * np.pi * x))
        return float(np.sum(weights * (rate**2 + slopes[0] ** 2 + slopes[1] ** 2)))

    found = np.array([[energy(frame) for frame in one] for one in states])
    np.testing.assert_allclose(found, found[:, :1] * np.ones(9), rtol=1e-4)
    assert np.abs(states[:, -1] - states[:, 0]).max() > 0.5


def test_it_is_a_simulator_that_doubles_and_is_described(x64):
    for basis in ("fourier", "chebyshev"):
        made = Bounded(basis, substeps=2)
        assert isinstance(made, Simulator)
        assert isinstance(made, Doubling)
        assert isinstance(made, Varied)
        assert build("simulator", json.loads(json.dumps(describe(made)))) == made
        made.validate(COLD)
        assert {one.setting["order"] for one in made.variants(COLD)} == {2, 4}
    assert Bounded("fourier").domain(COLD, coarser=2).shape == (17,)
    assert Bounded("fourier").finer(COLD).shape == (65,)
    assert Bounded("chebyshev").domain(COLD).shape == (33,)
    fields, parameters = COLD.draw(0, 0, COLD.domain)
    coarse = Bounded("fourier").stepper(COLD, parameters, coarser=2)
    half = fields["u"][::2, None]
    np.testing.assert_allclose(coarse(half), np.exp(-1e-2 * np.pi**2 * 0.5) * half, atol=1e-12)
    # on points that are none of the family's
    fine, whole = Bounded("fourier", shape=(50,)).stepper(COLD, parameters), fields["u"][:, None]
    np.testing.assert_allclose(fine.at(1.0)(whole), np.exp(-1e-2 * np.pi**2 * 0.5) * whole, atol=1e-12)
    np.testing.assert_allclose(fine(whole, tendency=lambda t, u: 0 * u), fine(whole), atol=1e-12)


BAD = {"u": TruncatedFourier(cutoff=3)}
POISSON = Family("still", SteadyEquation("-lap(u) = f", ndim=1), COLD.domain, {"f": TruncatedFourier(cutoff=2)})


@pytest.mark.parametrize(
    ("changes", "simulator", "words"),
    [
        (
            {"draws": BAD},
            Bounded("fourier"),
            "initial states contradict the ends: 'u' has the value .* at the low side",
        ),
        ({"draws": BAD}, Bounded("chebyshev"), "contradict the ends"),
        ({"domain": Grid((33,), (1.0,), "slope")}, Bounded("fourier"), "'u' has the slope -.* where 0 is given"),
        (
            {"domain": Grid((33,), (1.0,))},
            Bounded("chebyshev"),
            "needs a grid with ends, got periodic ones",
        ),
        ({}, Bounded("fourier", shape=(32,)), r"at least domain\.shape=\[33\], got \[32\]"),
        ({}, Bounded("chebyshev", shape=(200,)), "at most 128 Chebyshev points"),
        ({}, Bounded("chebyshev", shape=(16, 16)), r"one number for each axis of domain\.shape=\[33\]"),
        ({"equation": EQUATIONS["advection"]}, Bounded("fourier"), "problem 'cold': u is odd about the low side of x"),
        (
            {"equation": Equation("u_t = -u_xx")},
            Bounded("chebyshev"),
            "problem 'cold': .* no solution forwards",
        ),
    ],
)
def test_families_that_do_not_fit_are_refused(changes, simulator, words):
    with pytest.raises(ValueError, match=words):
        simulator.validate(dataclasses.replace(COLD, **changes))


def test_steady_families_are_refused():
    with pytest.raises(ValueError, match="this one is steady; the kind elliptic takes it"):
        Bounded("fourier").validate(POISSON)


def test_words_of_the_solver_are_checked():
    with pytest.raises(ValueError, match=r"basis.*'fourier'"):
        resolve(["problem=heated_rod", "problem.solver.basis=furier"])


@pytest.mark.long
def test_too_few_points_are_rejected_and_enough_certified(tmp_path):
    recipe = recipe_of(resolve(["problem=burgers_front"]))
    make = lambda name, simulator, tolerance: generate(
        recipe.family, simulator, tmp_path / name, {"train": SplitSize(2, 4)}, batch_size=2, space_tolerance=tolerance
    )
    few = dataclasses.replace(recipe.simulator, shape=(24,))
    with pytest.raises(ValueError, match=r"raise solver\.shape of the problem from \[24\] to \[48\]"):
        make("few", few, 1e-3)
    root = make("enough", recipe.simulator, 1e-3)
    assert Dataset.open(root).split("train").states.shape == (2, 4, 129, 1)


@pytest.mark.long
def test_a_network_learns_a_shipped_problem(tmp_path, monkeypatch):
    """From the words of the command line to an evaluated run, beside the solver itself."""
    monkeypatch.chdir(tmp_path)
    small = ["problem=heated_rod", *(f"problem.splits.{name}={{trajectories: 2, frames: 5}}" for name in SPLITS)]
    assert main(["generate", *small]) == 0
    network = ["network=fno", "network.width=4", "network.modes=[4]", "network.depth=1"]
    assert main(["train", *small, *network, "train.steps=4", "train.batch_size=8", "name=tiny"]) == 0
    assert main(["evaluate", "runs/tiny"]) == 0
    found = json.loads((tmp_path / "runs" / "tiny" / "evaluation.json").read_text())
    assert found["systems"]["solver"]["metrics"]["relative_l2"]["value"] < 1e-5
    assert found["price"]["floor"]["relative_l2"]["median"] < 1e-5


SPLITS = ("train", "valid", "test")


def test_steps_that_are_not_stable_are_no_variants_and_no_baseline():
    waves = Equation(["u_t = v", "v_t = (1 + 0.2*cos(2*pi*x))**2*u_xx"])
    draws = {"u": Expression("cos(2*pi*x)"), "v": Expression()}
    family = Family("w", waves, Grid((33,), (1.0,), "slope"), draws, times=Times(0.1))
    solver = Bounded("fourier", substeps=8)
    counts = {one.setting["steps"] for one in solver.variants(family) if one.setting["points"] == [33]}
    assert counts == {8, 4}  # with two a wave grows
    data = SimpleNamespace(family=family, simulator=solver, domain=family.domain, step=0.1)
    with pytest.raises(ValueError, match="beyond the limit of the terms with coefficients that vary"):
        solver_large_step(data)
