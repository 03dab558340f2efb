"""What simulators tell of their own variants, and the programs that serve a whole line of them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pdejax.core import Grid
from pdejax.data import read_problem
from pdejax.equations import EQUATIONS, Family, Times
from pdejax.solvers import ETDRK, Varied

BURGERS = {
    "name": "burgers",
    "equation": "burgers",
    "parameters": {"nu": 0.05},
    "vary": {"nu": [0.04, 0.06]},
    "domain": {"shape": [32], "lengths": [1.0]},
    "initial": {"kind": "truncated_fourier"},
    "time": {"step": 0.05},
    "solver": {"substeps": 8, "shape": [64]},
}
DARCY = {
    "name": "darcy",
    "equation": "darcy",
    "domain": {"shape": [17, 17], "lengths": [1.0, 1.0], "ends": "value"},
    "input": {"kind": "neumann_random_field", "alpha": 2.0, "tau": 3.0, "map": "exponential"},
    "solver": {"shape": [33, 33]},
}


def test_grids_steps_and_orders():
    family, simulator = read_problem(BURGERS)
    assert isinstance(simulator, Varied)
    variants = simulator.variants(family)
    settings = {(v.setting["points"][0], v.setting["steps"], v.setting["order"]) for v in variants}
    assert settings == {(n, s, o) for n in (64, 48, 32, 24, 16) for s in (8, 4, 2, 1) for o in (2, 4)}
    assert len(variants) == len(settings)
    for one in variants:
        assert one.simulator.domain(family).shape == tuple(one.setting["points"])
        assert (one.simulator.substeps, one.simulator.order) == (one.setting["steps"], one.setting["order"])
    lines = {v.line for v in variants}
    assert len(lines) == 10
    for line in lines:  # work rises with what is told apart
        along = sorted((v.setting["steps"], v.work) for v in variants if v.line == line)
        assert [work for _, work in along] == sorted(work for _, work in along)


def test_the_finer_one_has_more_of_both():
    family, simulator = read_problem(BURGERS)
    finer = simulator.finer(family)
    assert (finer.domain(family).shape, finer.substeps, finer.order) == ((96,), 16, 4)


@pytest.mark.parametrize("order", [2, 4])
def test_one_program_serves_all_numbers_of_steps(order):
    family, simulator = read_problem(BURGERS)
    parameters = {"nu": jnp.asarray([0.04, 0.05])}
    variants = [v for v in simulator.variants(family) if v.line == f"(32,) points, order {order}"]
    u = jnp.asarray(np.random.default_rng(0).normal(size=(2, 4, 1)), jnp.float32)
    u = jax.image.resize(u, (2, 32, 1), "linear")
    call = jax.jit(lambda leaves, structure: jax.tree.unflatten(structure, leaves)(u), static_argnums=1)
    structure = None
    for one in variants:
        shared, own = one.shared(family, parameters), one.simulator.stepper(family, parameters)
        leaves, own_structure = jax.tree.flatten(shared)
        structure = structure or own_structure
        np.testing.assert_allclose(call(leaves, structure), own(u), atol=2e-6)
        np.testing.assert_allclose(shared.step_size, own.step_size, rtol=1e-6)
    assert call._cache_size() == 1


def test_steady_grids_are_those_that_inputs_are_stored_on():
    family, simulator = read_problem(DARCY)
    assert isinstance(simulator, Varied)
    variants = simulator.variants(family)
    assert {v.setting["points"][0] for v in variants} == {17, 13, 9, 7, 5}
    assert simulator.finer(family) is None
    inputs = jnp.exp(jnp.asarray(np.random.default_rng(0).normal(size=(2, 9, 9, 1)), jnp.float32))
    line = [v for v in variants if v.line == "(9, 9) points"]
    errors = []
    exact = simulator.stepper(family, {})(inputs)
    for one in sorted(line, key=lambda v: v.work):
        shared, own = one.shared(family, {}), one.simulator.stepper(family, {})
        np.testing.assert_allclose(shared(inputs), own(inputs), atol=1e-6)
        errors.append(float(jnp.abs(own(inputs) - exact).max()))
    assert errors[0] > 10 * errors[-1]  # a looser tolerance is less accurate


def test_a_grid_that_is_too_coarse_is_refused():
    family = Family(
        "c", EQUATIONS["burgers"], Grid((32,), (1.0,)), {"u": {"kind": "sum_of_sines"}},
        times=Times(0.1),
    )  # fmt: skip
    assert ETDRK().domain(family, coarser=8).shape == (4,)
    with pytest.raises(ValueError, match=r"coarser=64 leaves 0 of 32 points .*: coarser is at most 8"):
        ETDRK().domain(family, coarser=64)
