"""Waves of the catalogue against solutions that are known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pdejax.core import Grid, trajectory
from pdejax.equations import EQUATIONS, read_equation
from pdejax.solvers import spectral_stepper

BOX = 2 * np.pi


def test_a_wave_in_a_plane_stands(x64):
    equation, grid, c, t = read_equation("wave", ndim=2), Grid((24, 16), (BOX, BOX / 2)), 1.3, 5.7
    x, y = np.moveaxis(grid.coordinates(), -1, 0)
    shape = np.cos(3 * x) * np.sin(2 * y)
    omega = c * np.sqrt(13)
    u = jnp.asarray(np.stack([shape, 0 * x], -1))
    found = jax.jit(spectral_stepper(equation, grid, t, parameters={"c": c}))(u)
    expected = np.stack([np.cos(omega * t) * shape, -omega * np.sin(omega * t) * shape], -1)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


def test_a_soliton_of_schroedinger_keeps_its_shape(x64):
    """psi = a sech(a (x - s t)) exp(i (s x + (a^2 - s^2) t / 2)), with a speed s that fits the box."""
    grid, a, t = Grid((256,), (32.0,)), 1.5, 2.0
    s, x = 2 * np.pi * 3 / 32, grid.axes()[0] - 12.0
    psi = lambda t: a / np.cosh(a * (x - s * t)) * np.exp(1j * (s * x + (a**2 - s**2) * t / 2))
    pair = lambda psi: jnp.asarray(np.stack([psi.real, psi.imag], -1))
    found = jax.jit(spectral_stepper(EQUATIONS["schroedinger"], grid, t / 800, substeps=800))(pair(psi(0.0)))
    np.testing.assert_allclose(found, pair(psi(t)), rtol=0, atol=1e-7)


def test_schroedinger_keeps_its_mass(x64):
    grid = Grid((128,), (32.0,))
    x = grid.axes()[0]
    u = jnp.asarray(np.stack([np.exp(-(((x - 16) / 2) ** 2)) * np.cos(x), np.exp(-(((x - 10) / 2) ** 2))], -1))
    stepper = spectral_stepper(EQUATIONS["schroedinger"], grid, 0.01, substeps=20)
    frames = np.asarray(jax.jit(lambda u: trajectory(stepper, u, 10, include_initial=True))(u))
    mass = (frames**2).sum((1, 2))
    np.testing.assert_allclose(mass, mass[0], rtol=1e-6)


@pytest.mark.parametrize("mode", [0, 2])
def test_plane_waves_of_ginzburg_and_landau_turn(mode, x64):
    """A = sqrt(1 - k^2) exp(i (k x - w t)) with w = c + (b - c) k^2."""
    b, c, grid, t = 0.7, -0.4, Grid((64,), (32.0,)), 3.0
    k, x = 2 * np.pi * mode / 32, grid.axes()[0]
    wave = lambda t: np.sqrt(1 - k**2) * np.exp(1j * (k * x - (c + (b - c) * k**2) * t))
    pair = lambda wave: jnp.asarray(np.stack([wave.real, wave.imag], -1))
    stepper = spectral_stepper(EQUATIONS["ginzburg_landau"], grid, t / 300, substeps=300, parameters={"b": b, "c": c})
    np.testing.assert_allclose(jax.jit(stepper)(pair(wave(0.0))), pair(wave(t)), rtol=0, atol=1e-8)
