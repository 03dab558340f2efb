"""Constrained transport across a grid and in space: what waves lose and what stays without a divergence."""

import numpy as np
import pytest

from pdejax.equations import read_equation
from tests.solvers.volumes.laws import cells, flow
from tests.solvers.volumes.test_plasma import LINE, alfven, divergence, plasma, total


def across_a_grid(n, reconstruction):
    """The Alfven wave at an angle to both axes, `n` cells long along y, and what it is after one period; its field is
    of a potential at corners, Toth (2000), section 6.3.1."""
    equation = read_equation({"kind": "magnetohydrodynamics", "components": 3}, None, 2)
    lengths = (np.sqrt(5.0), np.sqrt(5.0) / 2)  # the wave is of length one along (1, 2)/sqrt(5)
    grid = cells(2 * n, n, lengths=lengths)
    place = lambda x, y: 2 * np.pi * (x + 2 * y) / np.sqrt(5.0)
    x, y = np.moveaxis(grid.coordinates(), -1, 0)
    corner = [np.linspace(0, one, m + 1) for one, m in zip(lengths, grid.shape, strict=True)]
    potential = 0.1 / (2 * np.pi) * np.cos(place(*np.meshgrid(*corner, indexing="ij")))
    hx, hy = grid.spacing
    bx = (np.diff(potential, axis=1)[1:] + np.diff(potential, axis=1)[:-1]) / (2 * hy) + 1 / np.sqrt(5)
    by = -(np.diff(potential, axis=0)[:, 1:] + np.diff(potential, axis=0)[:, :-1]) / (2 * hx) + 2 / np.sqrt(5)
    across, out = 0.1 * np.sin(place(x, y)), 0.1 * np.cos(place(x, y))
    velocity = (-2 * across / np.sqrt(5), across / np.sqrt(5), out)
    start = plasma(1.0, velocity, 0.1, (bx, by, out), (0, 1, 2))
    return start, flow(equation, grid, start, 1.0, riemann="hlld", reconstruction=reconstruction)


@pytest.mark.long
def test_waves_across_a_grid_have_order_two(x64):
    """Of the reconstruction that does not clip what is largest, since on so few cells the others' order is below."""
    errors = []
    for n in (12, 24):
        start, found = across_a_grid(n, "weno5")
        assert divergence(found[..., :-1]) < 1e-13
        errors.append(np.abs(found - start)[..., 1:].mean())
    assert np.log2(errors[0] / errors[1]) > 1.7


@pytest.mark.long
def test_waves_across_a_grid_lose_what_they_lose_along_it(x64):
    """What a limiter clips of a wave 12 cells long, and nothing by the induction: of the field out of the plane."""
    n = 12
    start, found = across_a_grid(n, "van_leer")
    along = flow(LINE, cells(n), alfven(n), 1.0, riemann="hlld")
    lost, wanted = np.abs(found - start)[..., -1].mean(), np.abs(along - alfven(n))[..., -1].mean()
    assert 0.8 * wanted < lost < 1.2 * wanted


@pytest.mark.long
def test_a_magnetic_field_in_space_keeps_without_a_divergence(x64):
    """In three dimensions, of a field each component of which is the same along its own axis; few steps."""
    n = 8
    x, y, z = np.moveaxis(cells(n, n, n).coordinates(), -1, 0)
    wave = lambda x: np.sin(2 * np.pi * x)
    field = (0.5 + 0.3 * wave(y + z), 0.4 * wave(z - x), 0.2 + 0.3 * wave(x + 2 * y))
    rho = 1 + 0.2 * wave(x + y + z)
    start = plasma(rho, (wave(z), 0.5 * wave(x), wave(y)), 1.0, field, (0, 1, 2))
    equation = read_equation({"kind": "magnetohydrodynamics", "components": 3}, None, 3)
    found = flow(equation, cells(n, n, n), start, 0.05, riemann="hlld")
    change = lambda b, axis: b - np.roll(b, 1, axis)
    mean = lambda b, axis: (b + np.roll(b, 1, axis)) / 2
    left = sum(mean(mean(change(found[..., i - 3], i), (i + 1) % 3), (i + 2) % 3) for i in range(3))
    assert np.abs(left).max() < 1e-14
    assert np.abs(found - start)[..., 5:].max() > 0.05
    assert np.all(np.abs(total(found) - total(start)) < 1e-12 * np.abs(start).reshape(-1, 8).sum(0))
