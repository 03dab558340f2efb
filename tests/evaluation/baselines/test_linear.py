import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pdejax.evaluation import fit_linear_propagator

# one program instead of one for every operation
apply = eqx.filter_jit(lambda propagator, u: propagator(u))


def smooth(shape, trajectories, channels=1, seed=0):
    """Random fields without energy in the highest modes, (trajectory, *space, channel)."""
    noise = np.random.default_rng(seed).normal(size=(trajectories, *shape, channels)).astype(np.float32)
    return spectral_map(noise, lambda *k: np.all([4 * abs(m) < n for m, n in zip(k, shape, strict=True)], axis=0))


def spectral_map(u, factor):
    axes = tuple(range(1, u.ndim - 1))
    grids = np.meshgrid(*(np.fft.fftfreq(n, 1 / n) for n in u.shape[1:-1]), indexing="ij")
    return np.fft.ifftn(np.fft.fftn(u, axes=axes) * factor(*grids)[None, ..., None], axes=axes).real.astype(np.float32)


def rows(first, step, frames):
    out = [first]
    for _ in range(frames - 1):
        out.append(step(out[-1]))
    return np.stack(out, axis=1)


@pytest.mark.parametrize("shape", [(32,), (31,), (12, 16), (8, 8, 8)])
@pytest.mark.parametrize("kind", ["diffusion", "advection"])
def test_linear_equations_with_constant_coefficients_are_recovered(shape, kind):
    factor = {
        "diffusion": lambda *k: np.exp(-0.03 * sum(np.square(m) for m in k)),
        "advection": lambda *k: np.exp(-0.37j * sum(k)),
    }[kind]
    step = lambda u: spectral_map(u, factor)
    propagator = fit_linear_propagator(rows(smooth(shape, 24), step, 3))
    fresh = smooth(shape, 4, seed=1)
    np.testing.assert_allclose(apply(propagator, fresh), step(fresh), atol=2e-5)


def test_coupled_channels_of_different_units_are_recovered():
    """The wave equation as (u, 1000 u_t) rotates the two channels of every mode."""

    def step(z):
        hat = np.fft.fft(z, axis=1)
        k = np.abs(np.fft.fftfreq(z.shape[1], 1 / z.shape[1]))[None, :]
        c, s = np.cos(0.3 * k), 0.3 * np.sinc(0.3 * k / np.pi)
        u, v = hat[..., 0], hat[..., 1] / 1000
        out = np.stack([c * u + s * v, 1000 * (-(k**2) * s * u + c * v)], -1)
        return np.fft.ifft(out, axis=1).real.astype(np.float32)

    first = smooth((32,), 30, channels=2) * np.array([1, 1000], np.float32)
    propagator = fit_linear_propagator(rows(first, step, 4))
    fresh = smooth((32,), 3, channels=2, seed=5) * np.array([1, 1000], np.float32)
    error = np.abs(np.asarray(apply(propagator, fresh)) - step(fresh)).max((0, 1))
    assert np.all(error < [1e-4, 1e-1])


def test_a_constant_offset_is_part_of_the_map():
    step = lambda u: np.float32(0.5) * u + np.float32(3.0)
    propagator = fit_linear_propagator(rows(smooth((16,), 8) + np.float32(1), step, 5))
    fresh = smooth((16,), 2, seed=3)
    np.testing.assert_allclose(apply(propagator, fresh), step(fresh), atol=1e-4)


def test_no_other_translation_equivariant_map_fits_the_training_frames_better():
    nonlinear = lambda u: u - np.float32(0.2) * u**3
    states = rows(smooth((16,), 64), nonlinear, 2)
    propagator = fit_linear_propagator(states)
    error = lambda p: float(np.square(np.asarray(apply(p, states[:, 0])) - states[:, 1]).mean())
    best = error(propagator)
    for seed in range(5):
        rng = np.random.default_rng(seed)
        change = 1e-2 * (rng.normal(size=(9, 1, 1)) + 1j * rng.normal(size=(9, 1, 1)))
        changed = jax.tree.map(lambda x: x, propagator)
        object.__setattr__(changed, "matrix", propagator.matrix + jnp.asarray(change, jnp.complex64))
        assert error(changed) > best


def test_translation_equivariance_and_any_batch():
    states = rows(smooth((12, 10), 20), lambda u: u - np.float32(0.1) * u**3, 2)
    propagator = fit_linear_propagator(states)
    u = smooth((12, 10), 6, seed=8).reshape(2, 3, 12, 10, 1)
    found = np.asarray(propagator(jnp.asarray(u)))
    moved = apply(propagator, np.roll(u, (3, -2), axis=(2, 3)))
    np.testing.assert_allclose(moved, np.roll(found, (3, -2), axis=(2, 3)), atol=1e-5)
    np.testing.assert_allclose(apply(propagator, u[1, 2]), found[1, 2], atol=1e-6)


def test_modes_without_energy_map_to_zero_instead_of_noise():
    x = 2 * np.pi * np.arange(16) / 16
    states = np.stack([np.cos(x + p) for p in np.linspace(0, 1, 6)])[:, None, :, None].repeat(2, 1).astype(np.float32)
    out = apply(fit_linear_propagator(states), np.cos(x)[:, None].astype(np.float32))
    np.testing.assert_allclose(out[:, 0], np.cos(x), atol=1e-5)


def test_one_frame_is_not_enough():
    with pytest.raises(ValueError, match="pairs of frames"):
        fit_linear_propagator(np.zeros((3, 1, 8, 1), np.float32))
