"""Pictures of rollouts: arrows are the vectors at their places, sides of a box are what holds there."""

import numpy as np
import pytest
from matplotlib.quiver import Quiver

from pdejax.plot import frames_figure

LENGTHS = (2.0, 1.0)


def vortex(size):
    x, y = np.meshgrid((np.arange(32) + 0.5) / 16, (np.arange(16) + 0.5) / 16, indexing="ij")
    one = np.stack([size * (y - 0.5), size * (1 - x)], -1)
    return np.stack([one, 2 * one])


@pytest.fixture(scope="module")
def drawn():
    truth, prediction = vortex(1.0), vortex(1.5)
    sizes = [np.linalg.norm(one, axis=-1) for one in (truth, prediction)]
    sides = [("periodic", "periodic"), ("closed", "open")]
    return frames_figure(["a", "b"], LENGTHS, *sizes, sides=sides, arrows=(truth, prediction)).axes[:6]


def test_arrows_are_the_vectors_at_their_places(drawn):
    shown = [next(one for one in axes.get_children() if isinstance(one, Quiver)) for axes in drawn]
    for number, arrows in enumerate(shown):
        factor = (1.0, 1.5, 0.5)[number // 2] * (1, 2)[number % 2]  # truth, prediction, difference; both times
        np.testing.assert_allclose(arrows.U, factor * (arrows.Y - 0.5), atol=1e-12)
        np.testing.assert_allclose(arrows.V, factor * (1 - arrows.X), atol=1e-12)
        assert len(arrows.U) == 8 * 4
    assert len({arrows.scale for arrows in shown}) == 1


def test_sides_are_drawn_as_what_holds_there(drawn):
    for axes in drawn:
        seen = {name: spine.get_visible() for name, spine in axes.spines.items()}
        assert seen == {"left": False, "right": False, "bottom": True, "top": True}
        assert axes.spines["bottom"].get_linestyle() != axes.spines["top"].get_linestyle()
