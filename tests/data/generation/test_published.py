"""Published data sets by their names: each is a solution of what it says."""

import numpy as np
import pytest

from pdejax.config import resolve
from pdejax.config._assemble import recipe_of
from pdejax.data.generation.solve import solve_batch


def solved(name, frames, count, *words):
    """Stored frames `(trajectory, frame, *space, field)` in float64, parameters of each, and the recipe."""
    recipe = recipe_of(resolve([f"problem={name}", *words]))
    found = solve_batch(
        recipe.family,
        recipe.simulator,
        frames,
        range(count),
        split="train",
        seed=0,
        batch_size=count,
        tolerance=recipe.tolerance,
        space_tolerance=recipe.space_tolerance,
    )
    return np.asarray(found.states, float), found, recipe


def spectral(u, factor):
    return np.fft.irfft(np.fft.rfft(u, axis=-1) * factor, u.shape[-1], axis=-1)


def test_what_is_carried_along_keeps_its_shape():
    u, found, recipe = solved("pdebench_advection", 5, 3, "problem.domain.shape=[512]", "problem.solver.shape=[512]")
    k = 2j * np.pi * np.arange(257)
    for row in range(3):
        c = float(found.parameters["c"][row])
        assert c in (np.float32(0.1), np.float32(0.2), np.float32(0.4), 1, 2, 4)
        for frame in range(5):
            expected = spectral(u[row, 0, :, 0], np.exp(-k * c * recipe.family.times.step * frame))
            np.testing.assert_allclose(u[row, frame, :, 0], expected, atol=2e-6)


def test_fronts_are_those_of_cole_and_hopf():
    words = ("problem.domain.shape=[512]", "problem.solver.shape=[512]", "problem.parameters.nu=0.01")
    u, _, recipe = solved("pdebench_burgers", 4, 2, *words)
    nu, n = 0.01, 4096
    k = 2 * np.pi * np.arange(n // 2 + 1)
    for row in range(2):
        fine = np.fft.irfft(np.pad(np.fft.rfft(u[row, 0, :, 0])[:256], (0, n // 2 - 255)), n) * n / 512
        mean = fine.mean()
        whole = np.fft.irfft(np.where(k > 0, np.fft.rfft(fine) / (1j * np.where(k > 0, k, 1)), 0), n)
        for frame in (1, 3):
            t = recipe.family.times.step * frame
            phi = np.fft.rfft(np.exp(-(whole - whole.min()) / (2 * nu))) * np.exp(-nu * k**2 * t)
            at_rest = mean - 2 * nu * np.fft.irfft(1j * k * phi, n) / np.fft.irfft(phi, n)
            expected = spectral(at_rest, np.exp(-1j * k * mean * t))[:: n // 512]
            np.testing.assert_allclose(u[row, frame, :, 0], expected, atol=1e-6 * np.abs(expected).max())


def test_a_population_that_has_spread_grows_as_in_one_place():
    u, _, recipe = solved("pdebench_reaction", 41, 2, "problem.domain.shape=[64]", "problem.solver.shape=[256]")
    assert u.min() > -1e-6
    assert u.max() < 1 + 1e-6
    at = u[:, 30:, :, 0].mean(-1)
    assert u[:, 30:, :, 0].std(-1).max() < 2e-3
    grown = at[:, :1] / (at[:, :1] + (1 - at[:, :1]) * np.exp(-recipe.family.times.step * np.arange(11)))
    np.testing.assert_allclose(at, grown, atol=1e-6)


def test_a_column_of_water_runs_out_on_all_sides():
    words = ("problem.domain.shape=[16,16]", "problem.solver.shape=[32,32]", "problem.space_tolerance=1.0")
    u, *_ = solved("pdebench_dam_break", 11, 1, *words)
    h, mx, my = np.moveaxis(u[0], -1, 0)
    np.testing.assert_allclose(h.sum((1, 2)), h[0].sum(), rtol=1e-6)  # nothing has reached the sides
    np.testing.assert_allclose(h, h.transpose(0, 2, 1), atol=1e-5)
    np.testing.assert_allclose(mx, -mx[:, ::-1], atol=1e-5)
    np.testing.assert_allclose(mx, my.transpose(0, 2, 1), atol=1e-5)
    assert h[0].max() == pytest.approx(2, abs=0.1)
    assert h[-1].max() < 1.6
