"""The grid of steady problems is compared: what is recorded bounds the error, and unresolved waves are refused."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

from pdejax.core import Grid
from pdejax.data import Dataset, SplitSize, generate, read_problem
from pdejax.data.store.well import read_provenance, reading_well
from pdejax.solvers import Elliptic, Resolving

SQUARE = {"lengths": [1.0, 1.0]}
RANDOM = {"kind": "neumann_random_field", "alpha": 2.5, "tau": 7.0, "cutoff": 16}
POISSON = {"name": "poisson", "equation": "poisson", "domain": {"shape": [33, 33], **SQUARE}, "input": RANDOM}


def waves(k, points=33):
    return {**POISSON, "equation": "helmholtz", "parameters": {"k": k}, "domain": {"shape": [points] * 2, **SQUARE}}


def recorded(problem, fields, parameters=None):
    """The solution on the solver's grid, and what is recorded of it."""
    family, simulator = read_problem(problem)
    found = simulator(family, {name: jnp.asarray(x)[None] for name, x in fields.items()}, parameters or {}, np.zeros(1))
    return np.asarray(found.states)[0, 0, ..., 0], float(found.record["space_error"][0])


def relative(u, truth):
    return np.linalg.norm(u - truth) / np.linalg.norm(truth)


@pytest.mark.parametrize(("equation", "k"), [("poisson", 0.0), ("helmholtz", 6.0)])
def test_what_is_recorded_is_three_times_the_error_of_a_smooth_solution(equation, k, x64):
    """u = sin(2 pi x) sin(pi y) + sin(pi x) sin(3 pi y) / 2."""
    x, y = np.moveaxis(Grid((33, 33), (1.0, 1.0), "value").coordinates(), -1, 0)
    modes = [(1.0, 2, 1), (0.5, 1, 3)]
    shapes = [a * np.sin(m * np.pi * x) * np.sin(n * np.pi * y) for a, m, n in modes]
    f = sum(((m**2 + n**2) * np.pi**2 - k**2) * s for s, (_, m, n) in zip(shapes, modes, strict=True))
    given = {**POISSON, "equation": equation, **({"parameters": {"k": k}} if k else {})}
    u, difference = recorded(given, {"f": f})
    assert difference / relative(u, sum(shapes)) == pytest.approx(3.0, abs=0.1)


def test_it_bounds_the_error_where_the_coefficient_jumps(x64):
    """Slabs of two conductivities: -(a u')' = 1 with a jump between points, against the exact profile."""
    jump, low, high = 0.37, 1.0, 8.0
    problem = {"name": "slabs", "equation": "darcy", "domain": {"shape": [65], "lengths": [1.0]}, "input": RANDOM}
    x = Grid((65,), (1.0,), "value").axes()[0]
    # a u' = c - x; u is zero at both ends and continuous
    part = lambda a, b: np.array([b - a, (b**2 - a**2) / 2])
    left, right = part(0, jump) / low, part(jump, 1) / high
    c = (left + right)[1] / (left + right)[0]
    first = (c * x - x**2 / 2) / low
    second = (c * jump - jump**2 / 2) / low + (c * (x - jump) - (x**2 - jump**2) / 2) / high
    u, difference = recorded(problem, {"a": np.where(x < jump, low, high)})
    error = relative(u, np.where(x < jump, first, second))
    assert 1e-3 < error < difference < 4 * error


def test_a_smooth_source_is_resolved_and_what_was_found_is_noted(tmp_path):
    family, simulator = read_problem({**POISSON, "domain": {"shape": [65, 65], **SQUARE}})
    assert isinstance(simulator, Resolving)
    root = generate(family, simulator, tmp_path / "set", {"train": SplitSize(3)}, batch_size=3)
    manifest = Dataset.open(root).manifest
    assert manifest["rejects"] == []
    space = manifest["space"]["train"]
    assert (space["of"], space["judged"], space["compared"], space["tail"]) == (3, 3, 3, None)
    assert 1e-4 < space["max"] < 1e-2
    with reading_well(next(root.glob("data/train/*"))) as file:
        found = read_provenance(file)
    assert (found["space_check"], found["space_tolerance"]) == (Elliptic.grid_checks, 1e-2)
    assert max(found["space_error"]) == space["max"]


def test_waves_on_too_few_points_are_rejected_by_the_setting_to_change(tmp_path):
    """Seven points a wave, and a resonance that half the points move to another place."""
    sentence = r"at last for difference to half as many intervals per axis above tolerance \(.*, tolerance 0.01\): "
    sentence += r"raise solver.shape of the problem from \[33, 33\] to \[65, 65\], or its space_tolerance"
    with pytest.raises(ValueError, match=sentence):
        generate(*read_problem(waves(28.0)), tmp_path / "set", {"train": SplitSize(1)}, batch_size=1)


def test_waves_beyond_the_grid_are_refused_before_anything_is_solved(tmp_path):
    """Both grids would answer -f/k^2, and agree."""
    family, simulator = read_problem(waves(1000.0))
    with pytest.raises(
        ValueError, match=r"has 0.2 points on the grid, and needs 4: raise solver.shape from \[33, 33\]"
    ):
        simulator.validate(family)
    varied = dataclasses.replace(family, vary={"k": (10.0, 60.0)})
    with pytest.raises(ValueError, match=r"a wave with k=60 has 3.4 points on the grid"):
        simulator.validate(varied)
    simulator.validate(dataclasses.replace(family, vary={"k": (10.0, 50.0)}))


def test_an_odd_number_of_intervals_is_not_compared_and_said_to_be_so(tmp_path):
    odd = {**POISSON, "domain": {"shape": [8, 9], **SQUARE}}
    root = generate(*read_problem(odd), tmp_path / "set", {"train": SplitSize(1)}, batch_size=1, space_tolerance=1e-9)
    space = Dataset.open(root).manifest["space"]["train"]
    assert (space["compared"], space["judged"], space["max"]) == (0, 0, None)
