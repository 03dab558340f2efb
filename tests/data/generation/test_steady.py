"""Data sets of steady problems."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pdejax.cli._inspect import draw
from pdejax.core import Grid
from pdejax.data import Dataset, DiskFeed, SplitSize, WindowFeed, generate, overview, read_problem
from pdejax.data.generation.solve import split_seed
from pdejax.solvers import solve_elliptic

SPEC = {
    "name": "darcy",
    "equation": "darcy",
    "vary": {"f": [0.5, 2.0]},
    "domain": {"shape": [9, 9], "lengths": [1.0, 1.0]},
    "solver": {"shape": [17, 17]},
    "input": {"kind": "neumann_random_field", "map": "threshold", "cutoff": 8},
}
SPLITS = {"train": SplitSize(6), "test": SplitSize(2)}


@pytest.fixture(scope="module")
def problem():
    return read_problem(SPEC)


@pytest.fixture(scope="module")
def root(problem, tmp_path_factory):
    folder = tmp_path_factory.mktemp("darcy")
    return generate(*problem, folder / "darcy", SPLITS, shard_size=4, batch_size=4, tolerance=1e-8, space_tolerance=0.5)


def test_stored_solutions_solve_the_equation(problem, root, x64):
    split = Dataset.open(root).split("train")
    assert split.states.shape == (6, 1, 9, 9, 1)
    assert split.inputs.shape == (6, 9, 9, 1)
    family, simulator = problem
    drawn = lambda *where: family.draw(*where, simulator.domain(family))
    assert set(np.unique(split.inputs)) == {3.0, 12.0} == set(np.unique(drawn(0, 0)[0]["a"]))
    fields, parameters = drawn(split_seed(0, "train", 0), 3)
    a = fields["a"][..., None]
    np.testing.assert_array_equal(split.inputs[3], np.asarray(a[::2, ::2], np.float32))
    np.testing.assert_allclose(split.parameters["f"][3], parameters["f"], rtol=1e-6)
    grid = Grid((17, 17), (1.0, 1.0), "value")
    u = solve_elliptic(a[None, ..., 0], parameters["f"] + 0 * a[None, ..., 0], grid).u
    np.testing.assert_allclose(split.states[3, 0, ..., 0], u[0, ::2, ::2], rtol=1e-5)


def test_residuals_are_recorded(root):
    manifest = Dataset.open(root).manifest
    assert manifest["check"] == "relative residual of the discrete equations"
    assert 0 < manifest["self_difference"]["train"]["max"] < 1e-9
    assert manifest["inputs"] == ["a"]


def test_an_unreachable_residual_is_refused(problem, tmp_path):
    with pytest.raises(ValueError, match="relative residual of the discrete equations above tolerance"):
        generate(*problem, tmp_path / "darcy", {"train": SplitSize(1)}, tolerance=1e-20)


def test_statistics_of_inputs(root):
    dataset = Dataset.open(root)
    inputs, states = dataset.split("train").inputs, dataset.split("train").states
    np.testing.assert_allclose(dataset.statistics["input_mean"], inputs.mean((0, 1, 2)), rtol=1e-5)
    np.testing.assert_allclose(dataset.statistics["input_std"], inputs.std((0, 1, 2)), rtol=1e-5)
    np.testing.assert_allclose(dataset.statistics["std"], states.std((0, 1, 2, 3)), rtol=1e-4)
    assert dataset.statistics["rms_delta"] == 0


def test_both_feeds_pair_inputs_with_their_solutions(root):
    split = Dataset.open(root).split("train")
    device, disk = (kind(split, 1, 3, seed=1) for kind in (WindowFeed, DiskFeed))
    states = [device.init(), disk.init()]
    for _ in range(3):
        (states[0], item), (states[1], other) = device.next(states[0]), disk.next(states[1])
        batch, same = device.fetch(jax.device_put(device.arrays), jnp.asarray(item)), disk.fetch(disk.arrays, other)
        for name in ("states", "inputs", "parameters", "row"):
            np.testing.assert_array_equal(getattr(batch, name), getattr(same, name))
        np.testing.assert_array_equal(batch.inputs, split.inputs[item[:, 0]])
        np.testing.assert_array_equal(batch.states[:, 0], split.states[item[:, 0], 0])
    disk.close()


def test_more_than_one_frame_is_refused(problem, tmp_path):
    with pytest.raises(ValueError, match="problem 'darcy' is steady: a split holds 1 frame, got 3"):
        generate(*problem, tmp_path / "darcy", {"train": SplitSize(2, 3)})


def test_description_and_picture_show_the_input(root, tmp_path):
    text = str(overview(root))
    assert "constant in time" in text
    assert "Relative residual of the discrete equations" in text
    assert draw(root, tmp_path / "darcy.png", None, 0).stat().st_size > 10_000


def test_a_coefficient_that_changes_sign_is_refused(tmp_path):
    signed = read_problem({**SPEC, "input": {**SPEC["input"], "map": "identity"}})
    with pytest.raises(ValueError, match="was rejected 8 times, at last for not finite"):
        generate(*signed, tmp_path / "darcy", {"train": SplitSize(1)}, tolerance=1e-8)


def test_one_sample_in_one_dimension_needs_no_batch(x64):
    line = {
        "equation": "poisson",
        "domain": {"shape": [17], "lengths": [1.0]},
        "input": {"kind": "neumann_random_field"},
    }
    family, simulator = read_problem(line)
    found = simulator.solve(family, jnp.ones((17, 1)))
    x = np.linspace(0, 1, 17)
    np.testing.assert_allclose(found.u, x * (1 - x) / 2, atol=1e-12)
