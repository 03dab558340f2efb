"""Incompressible flow by its velocity, whose pressure is understood: exact solutions, and the same by the vorticity."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pdejax.core import Grid, Scaling
from pdejax.data import drawn_divergence
from pdejax.equations import SLIGHT, Equation, Expression, Family, Times, TruncatedFourier, divergence_of, read_equation
from pdejax.solvers import ETDRK, discretise, rhs, spectral_stepper, volume_stepper

BOX = Grid((32, 32), (2 * np.pi, 2 * np.pi))
FLAT = read_equation("navier_stokes_velocity", {"nu": 0.1}, 2)


def divergence(u, lengths=None):
    """Of a velocity on a box, by NumPy alone."""
    ndim, total = u.ndim - 1, 0.0
    for axis in range(ndim):
        n = u.shape[axis]
        k = np.fft.fftfreq(n, 1 / n) * 2 * np.pi / (lengths or (2 * np.pi,) * ndim)[axis]
        k[n // 2] = 0
        shape = [-1 if i == axis else 1 for i in range(ndim)]
        total = total + np.fft.ifft(1j * k.reshape(shape) * np.fft.fft(u[..., axis], axis=axis), axis=axis).real
    return total


def test_the_vortices_of_taylor_and_green_decay(x64):
    """Taylor and Green (1937): in two dimensions an exact solution, exp(-2 nu t)."""
    x, y = np.moveaxis(BOX.coordinates(), -1, 0)
    start = np.stack([np.cos(x) * np.sin(y), -np.sin(x) * np.cos(y)], -1)
    found = jax.jit(spectral_stepper(FLAT, BOX, 0.1, substeps=10))(jnp.asarray(start))
    np.testing.assert_allclose(found, np.exp(-0.2) * start, atol=1e-13)


def test_arnold_beltrami_and_childress_decay(x64):
    """Dombre et al. (1986): in three dimensions curl u = u, so that inertia is a gradient; exp(-nu t)."""
    equation, grid = read_equation("navier_stokes_velocity", {"nu": 0.1}, 3), Grid((12, 12, 12), (2 * np.pi,) * 3)
    x, y, z = np.moveaxis(grid.coordinates(), -1, 0)
    flow = [np.sin(z) + 0.5 * np.cos(y), np.sin(x) + np.cos(z), 0.5 * np.sin(y) + np.cos(x)]
    found = jax.jit(spectral_stepper(equation, grid, 0.1, substeps=10))(jnp.asarray(np.stack(flow, -1)))
    np.testing.assert_allclose(found, np.exp(-0.1) * np.stack(flow, -1), atol=1e-13)


def test_velocity_and_vorticity_are_one_flow(key, x64):
    grid = Grid((32, 24), (2.0, 1.5))
    psi = np.asarray(TruncatedFourier(cutoff=3)(key, grid))[..., 0] * 0.1
    kx = np.fft.fftfreq(32, 1 / 32)[:, None] * np.pi
    ky = np.fft.rfftfreq(24, 1 / 24)[None] * 2 * np.pi / 1.5
    back = lambda s: np.fft.irfft2(s, s=(32, 24))
    spectrum = np.fft.rfft2(psi)
    velocity = np.stack([back(1j * ky * spectrum), back(-1j * kx * spectrum)], -1)
    vorticity = back((kx**2 + ky**2) * spectrum)[..., None]
    step = lambda equation: jax.jit(spectral_stepper(equation, grid, 0.01, substeps=40))
    u = step(read_equation("navier_stokes_velocity", {"nu": 0.01}, 2))(jnp.asarray(velocity))
    w = step(read_equation("navier_stokes", {"nu": 0.01}))(jnp.asarray(vorticity))
    along = np.fft.rfft2(np.asarray(u), axes=(0, 1))
    curl = back(1j * kx * along[..., 1] - 1j * ky * along[..., 0])
    np.testing.assert_allclose(curl, np.asarray(w)[..., 0], atol=1e-6)
    assert np.abs(np.asarray(w) - vorticity).max() > 0.5
    assert np.abs(divergence(np.asarray(u), (2.0, 1.5))).max() < 1e-12


def test_what_enters_loses_its_divergence_alone(key, x64):
    u = np.asarray(TruncatedFourier(cutoff=4, channels=2)(key, BOX))
    form = discretise(FLAT, BOX)
    v = np.asarray(form.projected(jnp.asarray(u)))
    assert np.abs(divergence(u)).max() > 1
    assert np.abs(divergence(v)).max() < 1e-12
    np.testing.assert_allclose(form.projected(jnp.asarray(v)), v, atol=1e-14)
    np.testing.assert_allclose((u - v).mean((0, 1)), 0, atol=1e-14)
    assert abs(np.sum((u - v) * v)) < 1e-10 * np.sum(v * v)  # the rest is a gradient, orthogonal to all of these


def test_buoyancy_and_rotation_go_through_the_projection(key, x64):
    """A force that is a gradient moves nothing; the Coriolis force of a flow in a plane is one."""
    boussinesq = Equation(
        ["u_t = -dx(u*u) - dy(u*v) + lap(u)", "v_t = -dx(u*v) - dy(v*v) + lap(v) + T",
         "T_t = -dx(u*T) - dy(v*T) + lap(T)"], ndim=2, solenoidal=("u", "v"),
    )  # fmt: skip
    y = BOX.coordinates()[..., 1]
    layered = jnp.asarray(np.stack([0 * y, 0 * y, np.cos(y)], -1))
    found = jax.jit(spectral_stepper(boussinesq, BOX, 0.05, substeps=5))(layered)
    np.testing.assert_allclose(found[..., :2], 0, atol=1e-14)
    np.testing.assert_allclose(found[..., 2], np.exp(-0.25) * np.cos(y), atol=1e-13)
    turned = Equation(["u_t = -dx(u*u) - dy(u*v) + nu*lap(u) + f*v", "v_t = -dx(u*v) - dy(v*v) + nu*lap(v) - f*u"],
                      {"nu": 0.1, "f": 3.0}, 2, solenoidal=("u", "v"))  # fmt: skip
    u = TruncatedFourier(cutoff=3, channels=2, zero_mean=True)(key, BOX)
    one, other = (jax.jit(spectral_stepper(e, BOX, 0.01, substeps=10))(u) for e in (turned, FLAT))
    np.testing.assert_allclose(one, other, atol=1e-10)


def test_lengths_of_a_batch(key, x64):
    u = TruncatedFourier(cutoff=3, channels=2)(key, BOX)
    lengths = jnp.array([1.0, 1.3])
    batch = jax.jit(lambda s: rhs(FLAT, jnp.stack([u, u]), BOX, scaling=Scaling(s)))(lengths)
    alone = rhs(FLAT, u, Grid((32, 32), (2.6 * np.pi, 2.6 * np.pi)))
    np.testing.assert_allclose(batch[1], alone, atol=1e-12)


@pytest.mark.parametrize(("n", "error"), [(32, 3e-3), pytest.param(64, 1e-4, marks=pytest.mark.long)])
def test_dissipation_of_the_taylor_green_vortex(n, error):
    """Re 1600 at t = 2: 7.07564e-4 of a spectral solution on 512^3 (workshop data of Wang et al., 2013)."""
    equation, grid = read_equation("navier_stokes_velocity", {"nu": 1 / 1600}, 3), Grid((n, n, n), (2 * np.pi,) * 3)
    x, y, z = np.moveaxis(grid.coordinates(), -1, 0)
    wave = [np.sin(x) * np.cos(y) * np.cos(z), -np.cos(x) * np.sin(y) * np.cos(z), 0 * z]
    stepper = spectral_stepper(equation, grid, 0.1, substeps=20)
    u = np.asarray(jax.jit(stepper)(jnp.asarray(np.stack(wave, -1), jnp.float32)), float)
    k = [np.fft.fftfreq(n, 1 / n).reshape([-1 if i == a else 1 for i in range(3)]) for a in range(3)]
    square = np.abs(np.fft.fftn(u, axes=(0, 1, 2))) ** 2
    dissipation = (sum(q**2 for q in k)[..., None] * square).sum() / n**6 / 1600
    assert abs(dissipation / 7.07564e-4 - 1) < error
    assert abs(0.5 * (u**2).mean((0, 1, 2)).sum() / 0.1239168 - 1) < 1e-4
    assert np.abs(divergence(u)).max() < 1e-4


def test_what_does_not_fit_is_told():
    with pytest.raises(ValueError, match="solenoidal should name a velocity, one field for each of two or three axes"):
        Equation(["u_t = -dx(u*u)", "v_t = -dx(u*v)"], ndim=2, solenoidal=("u",))
    with pytest.raises(ValueError, match=r"unknown field of solenoidal: 'w'"):
        Equation(["u_t = -dx(u*u)", "v_t = -dx(u*v)"], ndim=2, solenoidal=("u", "w"))
    with pytest.raises(ValueError, match="a pressure is understood, which fields at points do not know"):
        _ = FLAT.residual
    with pytest.raises(ValueError, match="is incompressible: finite volumes have no pressure for it"):
        volume_stepper(FLAT, Grid((8, 8), (1.0, 1.0), cells=True), 0.1)
    assert r"\partial_x u + \partial_y v = 0" in FLAT.latex()
    assert r"- \partial_y \pi" in FLAT.latex()


def test_terms_that_a_projection_does_not_commute_with_keep_all_modes(x64):
    """A shear flow of a mode above two thirds of the highest decays by the viscosity of its own component."""
    terms = ["u_t = -dx(u*u) - dy(u*v) + a*lap(u)", "v_t = -dx(u*v) - dy(v*v) + b*lap(v)"]
    unequal = Equation(terms, {"a": 0.01, "b": 0.02}, 2, solenoidal=("u", "v"))
    x, y = np.moveaxis(BOX.coordinates(), -1, 0)
    along, across = np.stack([np.sin(13 * y), 0 * y], -1), np.stack([0 * x, np.sin(13 * x)], -1)
    stepper = jax.jit(spectral_stepper(unequal, BOX, 0.01, substeps=10))
    np.testing.assert_allclose(stepper(jnp.asarray(along)), np.exp(-0.01 * 169 * 0.1) * along, atol=1e-8)
    np.testing.assert_allclose(stepper(jnp.asarray(across)), np.exp(-0.02 * 169 * 0.1) * across, atol=1e-8)
    with pytest.raises(ValueError, match="has no solution forwards in time"):
        spectral_stepper(unequal, BOX, 0.01, parameters={"a": -0.01})
    same = Equation([terms[0].replace("a*lap(u)", "a*lap(u)/2 + a*lap(u)/2"), terms[1].replace("b*lap", "a*lap")],
                    {"a": 0.1}, 2, solenoidal=("u", "v"))  # fmt: skip
    assert discretise(same, BOX).beside is None
    assert discretise(unequal, BOX).beside is not None


def flows(grid):
    """One that turns, without divergence, and a gradient, all of whose slopes are in its divergence (by parts)."""
    x, y = np.moveaxis(np.asarray(grid.coordinates()), -1, 0)
    turning = {"u": np.cos(x) * np.sin(y), "v": -np.sin(x) * np.cos(y)}
    return turning, {"u": np.sin(x) * np.cos(y), "v": np.cos(x) * np.sin(y)}


@pytest.mark.parametrize("about", [{}, {"cells": True}, {"cells": True, "ends": "wall"}])
def test_the_size_of_a_divergence_is_measured_beside_that_of_gradients(about):
    grid = Grid((16, 20), (2 * np.pi, 2 * np.pi), **about)
    turning, spreading = flows(grid)
    allowed = 1e-12 if grid.periodic else SLIGHT
    assert divergence_of(FLAT, turning, grid) < allowed
    assert divergence_of(FLAT, spreading, grid) == pytest.approx(1.0, abs=allowed)
    assert divergence_of(Equation("u_t = u_xx"), {"u": turning["u"][:, 0]}, Grid((16,), (1.0,))) == 0.0


@pytest.mark.parametrize(
    ("texts", "share"),
    [
        (("cos(x)*sin(y)", "-sin(x)*cos(y)"), 0.0),
        (("sin(x)*cos(y) + sin(y)", "cos(x)*sin(y)"), (2 / 3) ** 0.5),
    ],
)
def test_the_divergence_that_is_drawn_is_known_before_it_is_projected_away(texts, share):
    draws = {name: Expression(text) for name, text in zip("uv", texts, strict=True)}
    family = Family("f", FLAT, Grid((16, 16), (2 * np.pi, 2 * np.pi)), draws, {}, Times(0.1))
    assert drawn_divergence(family, ETDRK(), "train", 0) == pytest.approx(share, abs=1e-12)
