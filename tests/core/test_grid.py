import inspect

import jax
import numpy as np
import pytest

from pdejax.core import Grid, Slope, Value
from pdejax.core._ends import _text


def test_periodic_grid_excludes_its_end_point():
    grid = Grid((4,), (2.0,))
    np.testing.assert_allclose(grid.axes()[0], [0.0, 0.5, 1.0, 1.5])


def test_grid_with_walls_includes_both_ends():
    grid = Grid((5,), (2.0,), Value())
    np.testing.assert_allclose(grid.axes()[0], [0.0, 0.5, 1.0, 1.5, 2.0])
    assert not grid.periodic


def test_coordinates_are_channels_last():
    grid = Grid((3, 5), (3.0, 10.0), origin=(1.0, 0.0))
    assert grid.coordinates().shape == (3, 5, 2)
    np.testing.assert_allclose(grid.coordinates()[2, 4], [3.0, 8.0])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (((4, 4), (1.0,)), ["lengths", "[4, 4]"]),
        (((4,), (-1.0,)), ["positive", "-1.0"]),
        (((2, 2, 2, 2), (1.0,) * 4), ["one to three", "(2, 2, 2, 2)"]),
    ],
)
def test_impossible_grids_are_refused_with_what_was_got(arguments, words):
    with pytest.raises(ValueError, match=r"Grid|lengths") as caught:
        Grid(*arguments)
    assert all(word in str(caught.value) for word in words)


def test_ends_have_expressions():
    for end in (Value, Slope):
        with pytest.raises(ValueError, match=f"the expression of a {end.__name__} is no arithmetic expression"):
            end("sin(")
    for wrong in (True, np.bool_(True), None, [1]):
        with pytest.raises(ValueError, match="the expression of a Value is"):
            _text("Value", wrong)
    assert _text("Value", np.float32(0.5)) == Value(0.5).expression == Slope(" 0.5").expression == "0.5"


def test_cells_keep_their_totals(x64):
    """Averages go to any number of cells without a loss, a constant as it is, and there and back to finer ones."""
    grid = Grid((12, 9), (3.0, 2.0), ends="outflow", cells=True)
    u = np.random.default_rng(0).normal(size=(2, 12, 9, 3))
    for shape in ((6, 3), (24, 18), (7, 5), (13, 20), (1, 1)):
        to = grid.with_shape(shape)
        v = np.asarray(grid.transfer(u, to))
        np.testing.assert_allclose(v.mean((1, 2)), u.mean((1, 2)), atol=1e-14)
        np.testing.assert_allclose(grid.transfer(np.ones_like(u), to), 1, atol=1e-14)
    np.testing.assert_allclose(grid.with_shape((24, 18)).transfer(grid.transfer(u, grid.with_shape((24, 18))), grid), u)
    np.testing.assert_allclose(grid.axes()[0], (np.arange(12) + 0.5) / 4)
    assert grid.measure().sum() * grid.size == pytest.approx(6)
    assert not grid.same_box(Grid((12, 9), (3.0, 2.0), ends="outflow"))
    with jax.enable_x64(False):
        many = Grid((4096,), (1.0,), cells=True)
        kept = many.transfer(np.full((4096, 1), 0.1, np.float32), many.with_shape((3000,)))
        assert np.abs(np.asarray(kept) - 0.1).max() < 1e-7


def test_cells_are_a_yes_or_no():
    with pytest.raises(ValueError, match="cells of a Grid should be true or false, got 1"):
        inspect.unwrap(Grid.__init__)(Grid.__new__(Grid), (4,), (1.0,), cells=1)
