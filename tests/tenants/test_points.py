"""Random weighted points as a domain."""

import equinox as eqx
import jax
import numpy as np
import pytest

import pdejax
from pdejax.core import Grid, PointCloud
from pdejax.data import Dataset, SplitSize, generate
from tests.tenants.points import DECAY, cloud, simulate


def test_a_cloud_is_generated_and_read(tmp_path):
    generate(DECAY, simulate, tmp_path / "decay", {"train": SplitSize(3, 4)}, shard_size=2, batch_size=2)
    dataset = Dataset.open(tmp_path / "decay")
    assert dataset.domain == DECAY.domain
    assert dataset.family == DECAY
    states = dataset.split("train").states
    assert states.shape == (3, 4, 50, 1)
    rate = 1 + DECAY.domain.coordinates()[:, 0]
    expected = states[:, :1] * np.exp(-DECAY.times.frames(4)[:, None] * rate)[..., None]
    np.testing.assert_allclose(states, expected, rtol=1e-5)


def test_a_model_learns_and_is_judged_on_points(tmp_path):
    """What decays at each point for itself is learned by a network of points; errors count by the weights."""
    generate(DECAY, simulate, tmp_path / "decay", {"train": SplitSize(64, 2), "test": SplitSize(4, 3)})
    dataset = Dataset.open(tmp_path / "decay")
    feed = pdejax.ArrayFeed(dataset, batch_size=16)
    begin = pdejax.fit(pdejax.Supervised(), "perceptron", feed, steps=1, devices=1, show=False)
    model = pdejax.fit(pdejax.Supervised(), "perceptron", feed, steps=200, devices=1, show=False, learning_rate=3e-3)
    error = lambda m: pdejax.evaluate(m, dataset, baselines=False, price=False).document["systems"]["model"]["metrics"]
    name = "one_step_nrmse"
    assert error(model)[name]["value"] < 0.5 * error(begin)[name]["value"]

    states, weights = dataset.split("test").states.astype(np.float64), DECAY.domain.measure()[:, None]
    size = lambda u: np.sqrt((weights * u**2).sum((-2, -1)) / weights.sum())
    predicted = np.stack([eqx.filter_jit(model)(frame) for frame in states[:, 0].astype(np.float32)])
    expected = np.mean(size(predicted - states[:, 1]) / size(states[:, 1]))
    assert error(model)[name]["value"] == pytest.approx(expected, rel=1e-4)
    plain = np.mean(np.sqrt(((predicted - states[:, 1]) ** 2).mean((-2, -1)) / (states[:, 1] ** 2).mean((-2, -1))))
    assert abs(plain / expected - 1) > 1e-3  # without weights it is another number


def test_a_network_of_grids_is_refused_on_points():
    data = pdejax.Arrays(np.ones((2, 2, 50, 1), np.float32), step=0.1, domain=cloud())
    with pytest.raises(ValueError, match="FNO needs a grid, and the data live at 50 scattered points"):
        pdejax.fit(pdejax.Supervised(), "fno", pdejax.ArrayFeed(data, batch_size=2), steps=1, show=False)


def test_weights_make_means_those_of_the_square():
    points = cloud(20000)
    x, weights = points.coordinates()[:, 0], points.measure()
    mean = (x * weights).sum() / weights.sum()
    assert abs(mean - 0.5) < 0.01
    assert abs(x.mean() - 0.5) > 0.05


def test_fields_of_a_grid_are_taken_to_points():
    grid, bounded = Grid((64, 64), (1.0, 1.0)), Grid((9, 9), (1.0, 1.0), "value")
    points = cloud(30)
    x, y = points.coordinates().T
    wave = lambda p: np.sin(2 * np.pi * p[..., :1]) * np.cos(2 * np.pi * p[..., 1:])
    found = grid.transfer(wave(grid.coordinates()).astype(np.float32), points)
    np.testing.assert_allclose(found[:, 0], np.sin(2 * np.pi * x) * np.cos(2 * np.pi * y), atol=5e-3)
    plane = bounded.coordinates().astype(np.float32) @ np.array([[2.0], [-1.0]], np.float32)
    np.testing.assert_allclose(bounded.transfer(plane, points)[:, 0], 2 * x - y, atol=1e-5)
    with pytest.raises(ValueError, match="30 scattered points cannot be taken to another domain"):
        points.transfer(found, grid)


@pytest.mark.parametrize(("points", "weights"), [([1.0], None), ([[0.0, 1.0]], [0.0]), ([[0.0, 1.0]], [1.0, 2.0])])
def test_impossible_clouds_are_refused(points, weights):
    with pytest.raises(ValueError, match="of a PointCloud"):
        PointCloud(points, weights)


def test_fields_go_between_grids_of_a_box(x64):
    """Trigonometric along the periodic axis, exact thinning and linear interpolation along the bounded one."""
    box = lambda *shape: Grid(shape, (1.0, 2.0), ["periodic", "value"])
    field = lambda grid: np.cos(2 * np.pi * grid.coordinates()[..., :1]) * (3 - grid.coordinates()[..., 1:])
    fine = field(box(16, 17))
    for shape in ((8, 17), (16, 9), (24, 5), (12, 11), (20, 33)):
        other = box(*shape)
        taken = jax.jit(lambda u, other=other: box(16, 17).transfer(u, other))(fine)
        np.testing.assert_allclose(taken, field(other), atol=1e-12)
    with pytest.raises(ValueError, match="grids of the same box"):
        box(16, 17).transfer(fine, Grid((8, 8), (1.0, 1.0)))
