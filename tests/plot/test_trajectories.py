"""Pictures of data: they hold the numbers, at their places."""

import numpy as np
import pytest

from pdejax.plot import Drawn, trajectories_figure


def drawn(shape, times=7, constant=(), seed=0):
    rng = np.random.default_rng(seed)
    axes = {name: np.linspace(0.0, 2.0, n) for name, n in zip("xyz", shape, strict=False)}
    fields = {name: rng.normal(size=(times, *shape)) for name in ("u", "v")}
    moments = 0.5 * np.arange(1, times + 1) if times > 1 else np.zeros(1)
    return Drawn(f"trajectory {seed}", moments, axes, fields, {name: rng.random(shape) + 1 for name in constant})


def images(figure):
    """The images of a figure with their arrays, colour limits and edges."""
    found = [(axes, image) for axes in figure.axes for image in axes.get_images()]
    return [(a.get_xlabel(), np.asarray(i.get_array()), i.get_clim(), i.get_extent()) for a, i in found]


def test_space_time_diagram_shows_the_states():
    three = [drawn((5,), seed=i) for i in range(4)]
    figure = trajectories_figure(three, "data, train")
    shown = images(figure)
    assert len(shown) == 2 * 3  # fields, trajectories
    for number, (label, array, limits, extent) in enumerate(shown):
        name, row = "uv"[number // 3], number % 3
        np.testing.assert_array_equal(array, three[row].fields[name])
        np.testing.assert_allclose(extent, (-0.25, 2.25, 0.25, 3.75))
        assert label == "x"
        assert limits[0] == -limits[1]
    assert figure.get_suptitle() == "data, train"


@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 6)])
def test_frames_show_the_states(shape):
    one = drawn(shape)
    figure = trajectories_figure([one], "data")
    assert figure.get_suptitle() == "data" + (", slice through the middle of z" if len(shape) == 3 else "")
    shown = images(figure)
    assert len(shown) == 2 * 5
    for number, (_, array, _, _) in enumerate(shown):
        name, frame = "uv"[number // 5], round(number % 5 * 6 / 4)
        plane = one.fields[name][frame] if len(shape) == 2 else one.fields[name][frame, :, :, 3]
        np.testing.assert_array_equal(array, plane.T)


def test_samples_show_inputs_and_solutions(tmp_path):
    two = [drawn((4, 5), times=1, constant=("a",), seed=i) for i in range(2)]
    figure = trajectories_figure(two)
    shown = images(figure)
    assert len(shown) == 3 * 2
    np.testing.assert_array_equal(shown[1][1], two[1].constant["a"].T)
    np.testing.assert_array_equal(shown[2][1], two[0].fields["u"][0].T)
    figure.savefig(tmp_path / "picture.png")
    assert trajectories_figure([drawn((6,), times=1)]).axes[0].lines
