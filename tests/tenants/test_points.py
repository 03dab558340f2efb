"""Random weighted points as a domain."""

import numpy as np
import pytest

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
        np.testing.assert_allclose(box(16, 17).transfer(fine, box(*shape)), field(box(*shape)), atol=1e-12)
    with pytest.raises(ValueError, match="grids of the same box"):
        box(16, 17).transfer(fine, Grid((8, 8), (1.0, 1.0)))
