"""Gases with friction, four gases that meet in a point, and a shock that runs into waves."""

import numpy as np
import pytest

from pdejax.equations import read_equation
from pdejax.solvers import volume_stepper
from tests.solvers.volumes.laws import EULER, FLAT, by_heun, cells, flow, gas, rate_of

GAMMA = 5 / 3
TUBE = read_equation("compressible_navier_stokes", {"eta": 0.03, "zeta": 0.01}, 1)
VISCOUS = read_equation("compressible_navier_stokes", {"eta": 0.05, "zeta": 0.02}, 2)
FOUR = {(1, 1): (1.5, 0, 0, 1.5), (0, 1): (0.5323, 1.206, 0, 0.3), (1, 0): (0.5323, 0, 1.206, 0.3),
        (0, 0): (0.138, 1.206, 1.206, 0.029)}  # fmt: skip


def test_shear_decays_by_the_viscosity(x64):
    """v = sin(k x) e^(-eta k^2 t) for so little of it that its heat is nothing; two waves, one twice as long."""
    n = 32
    grid = cells(n, 4, lengths=(1.0, 4 / n))
    wave = np.array([np.sin(2 * np.pi * m * grid.axes()[0]) * np.sinc(m / n) for m in (1, 2)])
    v = 1e-4 * wave[..., None] + np.zeros((2, n, 4))
    start = gas(np.stack([1 + 0 * v, 0 * v, v, 0 * v + 1 / GAMMA], -1), GAMMA)
    form = volume_stepper(VISCOUS, grid, 0.1, riemann="hllc").form
    found = by_heun(form, start, 0.1, 40)[..., 2]
    exact = v * np.exp(-0.05 * (2 * np.pi * np.array([1, 2])) ** 2 * 0.1)[:, None, None]
    error = np.abs(found - exact).mean((1, 2)) / 1e-4
    assert error[1] < 0.013
    assert error[0] < error[1] / 3  # of order two: of decays by 0.2 and 0.79 a quarter and less


@pytest.mark.long
def test_sound_is_damped_by_both_viscosities(x64):
    """A standing wave cos(k x) of the damped frequency, by (4/3 eta + zeta) k^2/2; Landau and Lifshitz (1987), 79."""
    k, errors = 2 * np.pi, []
    decay = (4 / 3 * 0.03 + 0.01) * k**2 / 2
    turn = np.sqrt(k**2 - decay**2) * 0.4
    amplitude = np.exp(-0.4 * decay) * (np.cos(turn) + decay * 0.4 / turn * np.sin(turn))
    for n in (16, 32):
        wave = 1e-4 * np.cos(k * (np.arange(n) + 0.5) / n) * np.sinc(1 / n)
        start = gas(np.stack([1 + wave, 0 * wave, 1 / GAMMA + wave], -1), GAMMA)
        found = flow(TUBE, cells(n), start, 0.4, reconstruction="weno5", riemann="hllc")
        errors.append(np.abs(found[:, 0] - 1 - amplitude * wave).mean() / 1e-4)
        np.testing.assert_allclose(found.sum(0), start.sum(0), atol=1e-12)
    assert errors[1] < 2e-3
    assert np.log2(errors[0] / errors[1]) > 1.8


@pytest.mark.long
def test_friction_is_that_of_the_stress_tensor(x64):
    """Against spectral derivatives of the velocities, mixed ones too, beside the same gas without friction."""
    n = 48
    grid = cells(n, n)
    x, y = 2 * np.pi * np.moveaxis(grid.coordinates(), -1, 0)
    rho, p = 1 + 0.2 * np.sin(x + y), 0.6 + 0.05 * np.cos(x - y)
    velocity = [0.3 * np.sin(x + 2 * y), 0.2 * np.cos(2 * x - y)]
    k = 2j * np.pi * np.fft.fftfreq(n, 1 / n)
    d = lambda f, i: np.fft.ifft2([k[:, None], k[None]][i] * np.fft.fft2(f)).real
    spread = d(velocity[0], 0) + d(velocity[1], 1)
    stress = [[0.05 * (d(velocity[i], j) + d(velocity[j], i) - (i == j) * 2 / 3 * spread) + (i == j) * 0.02 * spread
               for j in range(2)] for i in range(2)]  # fmt: skip
    work = sum(d(sum(velocity[i] * stress[i][j] for i in range(2)), j) for j in range(2))
    expected = np.stack([0 * rho, *(d(stress[i][0], 0) + d(stress[i][1], 1) for i in range(2)), work], -1)
    u = gas(np.stack([rho, *velocity, p], -1), GAMMA)
    friction = rate_of(VISCOUS, grid, u) - rate_of(read_equation("euler", {"gamma": GAMMA}, 2), grid, u)
    np.testing.assert_allclose(friction[..., 0], 0, atol=1e-12)
    sizes = np.abs(expected).mean((0, 1))[1:]
    assert np.all(np.abs(friction - expected).mean((0, 1))[1:] < 0.03 * sizes)


def four(n):
    """Averages of configuration 3 of Lax and Liu (1998)."""
    x, y = np.moveaxis(cells(n, n).coordinates(), -1, 0)
    parts = [((x > 0.5) == right) & ((y > 0.5) == upper) for right, upper in FOUR]
    return gas(sum(part[..., None] * np.array(w, float) for part, w in zip(parts, FOUR.values(), strict=True)))


def test_four_gases_meet_as_on_both_sides_of_the_diagonal(x64):
    grid = cells(24, 24, ends="outflow")
    form = volume_stepper(FLAT, grid, 1.0, riemann="hllc").form
    found = by_heun(form, four(24), 0.1, 16)
    assert np.abs(found - four(24)).max() > 0.5
    np.testing.assert_allclose(found[..., [0, 2, 1, 3]], found.swapaxes(0, 1), atol=1e-12)


@pytest.mark.long
def test_four_gases_meet_as_on_finer_cells(x64):
    end = lambda n: flow(FLAT, cells(n, n, ends="outflow"), four(n), 0.3, riemann="hllc")
    truth = end(256)[..., 0]
    error = [np.abs(end(n)[..., 0] - truth.reshape(n, 256 // n, n, 256 // n).mean((1, 3))).mean() for n in (32, 64)]
    assert error[1] < 0.02
    assert np.log2(error[0] / error[1]) > 0.6
    np.testing.assert_allclose(truth, truth.T, atol=1e-9)


def shu_osher(n):
    grid = cells(n, lengths=(10.0,), ends="outflow")
    edges = np.linspace(-5, 5, n + 1)
    rho = 1 - 0.04 * np.diff(np.cos(5 * edges)) * n / 10
    behind = (grid.axes()[0] < 1.0)[:, None]
    start = np.where(behind, (3.857143, 2.629369, 10.33333), np.stack([rho, 0 * rho, 1 + 0 * rho], -1))
    return flow(EULER, grid, gas(start), 1.8, riemann="hllc")[:, 0]


@pytest.mark.long
@pytest.mark.parametrize(("n", "error"), [(200, 0.78), (400, 0.59)])
def test_a_shock_runs_into_waves(n, error, x64):
    """Shu and Osher (1989), section 8: errors of the density as of a hand-written program."""
    assert 10 * np.abs(shu_osher(n) - shu_osher(6400).reshape(n, -1).mean(1)).mean() < 1.2 * error
