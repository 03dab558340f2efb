"""Fields that linear terms couple: exact at any step where nothing is nonlinear."""

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest

from pdejax.core import Grid, trajectory
from pdejax.equations import Equation
from pdejax.solvers import rhs, spectral_stepper
from pdejax.solvers.spectral.linear import joined, reached
from pdejax.solvers.spectral.phi_blocks import phi_blocks

BOX = 2 * np.pi
WAVE = Equation(["u_t = v", "v_t = c**2*u_xx"], {"c": 1.5})
SCHROEDINGER = Equation(["u_t = -v_xx/2", "v_t = u_xx/2"])
GINZBURG_LANDAU = Equation(
    ["u_t = u + u_xx - b*v_xx - (u**2 + v**2)*(u - c*v)", "v_t = v + v_xx + b*u_xx - (u**2 + v**2)*(v + c*u)"],
    {"b": 0.5, "c": 1.2},
)
MATRICES = {
    "wave": [[0, 1], [-4, 0]],
    "mean of a wave": [[0, 1], [0, 0]],
    "critical damping": [[0, 1], [-1, -2]],
    "stiff and slow": [[-1.0, 0.01], [0.01, -1e-6]],
    "Schroedinger": [[0, 1], [-1, 0]],
    "Ginzburg-Landau": [[1 - 1, 0.5], [-0.5, 1 - 1]],
    "advected": [[0.1j, 1], [-2, 0.3j]],
    "three": [[-1, 2, 0], [0, -3, 1], [1, 0, -2]],
}


def exactly(a):
    """exp, phi_1, phi_2, phi_3 by an exponential of a larger matrix, in fifty digits."""
    n = len(a)
    with mpmath.workdps(50):
        large = mpmath.zeros(4 * n)
        for i in range(n):
            for j in range(n):
                large[i, j] = mpmath.mpmathify(complex(a[i, j]))
            for k in range(3):
                large[n * k + i, n * (k + 1) + i] = 1
        found = mpmath.expm(large)
        part = lambda k: np.array([[complex(found[i, n * k + j]) for j in range(n)] for i in range(n)])
        return [part(k) for k in range(4)]


@pytest.mark.parametrize("norm", [1e-3, 1.0, 40.0, 1e3])
@pytest.mark.parametrize("name", MATRICES)
def test_functions_of_matrices_to_fifty_digits(name, norm):
    a = np.array(MATRICES[name])
    a = a * (norm / np.abs(a).sum(-1).max())
    pairs = [*zip(phi_blocks(a[None])[0], exactly(a), strict=True)]
    pairs += zip(phi_blocks(2 * a[None])[1], exactly(a), strict=True)
    for got, expected in pairs:
        size = max(np.abs(expected).max(), 1e-16)  # what has decayed below rounding is measured in that
        np.testing.assert_allclose(got[0], expected, rtol=0, atol=max(2e-13, 1e-15 * norm) * size)


def test_a_stiff_wave_is_as_exact_as_its_energy():
    """In the norm of the energy, which balancing works in: of k = 1e4 the plain norm is 1e8."""
    k = 1e4
    found = phi_blocks(np.array([[[0.0, 1.0], [-(k**2), 0.0]]]) * 0.01)[0][0][0]
    turn = 0.01 * k
    expected = np.array([[np.cos(turn), np.sin(turn) / k], [-k * np.sin(turn), np.cos(turn)]])
    scale = np.array([[1, 1 / k], [k, 1]])
    np.testing.assert_allclose(found / scale, expected / scale, rtol=0, atol=1e-12)


def test_traced_matrices_have_the_same_functions(x64):
    a = np.array([MATRICES["wave"], MATRICES["critical damping"], 30 * np.array(MATRICES["Schroedinger"])], float)
    stiff = np.array([[-6.7e10, 0.1], [0.1, -1.0]])  # as of fourth derivatives
    a = np.concatenate([a, stiff[None]])
    for got, expected in zip(
        jax.tree.leaves(jax.jit(phi_blocks)(jnp.asarray(a))), jax.tree.leaves(phi_blocks(a)), strict=True
    ):
        np.testing.assert_allclose(got[:3], expected[:3], rtol=1e-12, atol=1e-13)
        np.testing.assert_allclose(got[3], expected[3], rtol=0, atol=1e-4)


@pytest.mark.parametrize("order", [2, pytest.param(4, marks=pytest.mark.long)])
def test_coupled_parameters_are_traced_in_single_precision(order):
    grid, u = Grid((16,), (BOX,)), smooth(Grid((16,), (BOX,))).astype(jnp.float32)
    one = lambda c, dt: spectral_stepper(WAVE, grid, dt, order=order, parameters={"c": c})(u)
    expected = one(1.5, 0.4)
    np.testing.assert_allclose(jax.jit(one)(1.5, 0.4), expected, rtol=0, atol=1e-5)
    many = jax.jit(jax.vmap(one, (0, None)))(jnp.array([1.0, 1.5], jnp.float32), 0.4)
    np.testing.assert_allclose(many[1], expected, rtol=0, atol=1e-5)
    loss = lambda c: jnp.sum(one(c, 0.4) ** 2)
    slope = (loss(1.52) - loss(1.48)) / 0.04
    assert float(jax.jit(jax.grad(loss))(1.5)) == pytest.approx(float(slope), rel=1e-2)


def test_what_is_not_finite_is_told():
    with pytest.raises(ValueError, match="the linear part has coefficients that are not finite"):
        phi_blocks(np.array([[[np.nan, 0.0], [1.0, 0.0]]]))


def test_which_fields_share_a_matrix():
    assert joined(4, [(0, 0), (2, 0), (1, 1), (3, 3)]) == [(0, 2), (1,), (3,)]
    assert reached((0, 1, 2), [(0, 1), (1, 2)]) == [(0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)]
    form = spectral_stepper(GINZBURG_LANDAU, Grid((8,), (BOX,)), 0.1).form
    assert form.linear.blocks == [(0, 1)]


def modes(grid, u):
    return np.fft.rfft(np.asarray(u), axis=0), np.arange(grid.shape[0] // 2 + 1)


def smooth(grid):
    x = grid.axes()[0]
    return jnp.asarray(np.stack([np.exp(np.sin(x)), 0.3 + np.cos(2 * x)], -1))


def test_a_wave_is_exact_over_any_step(x64):
    """d'Alembert per mode; the mean, whose matrix has one eigenvector, moves as u + v t."""
    grid, t, c = Grid((32,), (BOX,)), 10.0, 1.5
    u = smooth(grid)
    found = jax.jit(spectral_stepper(WAVE, grid, t))(u)
    spectrum, k = modes(grid, u)
    omega = np.where(k == 0, 1.0, c * k)
    sine = np.where(k == 0, t, np.sin(omega * t) / omega)
    expected = np.stack([np.cos(c * k * t) * spectrum[:, 0] + sine * spectrum[:, 1],
                         -np.where(k == 0, 0, omega) * np.sin(omega * t) * spectrum[:, 0]
                         + np.cos(c * k * t) * spectrum[:, 1]], -1)  # fmt: skip
    np.testing.assert_allclose(found, np.fft.irfft(expected, 32, axis=0), rtol=0, atol=2e-12)
    stepped = jax.jit(spectral_stepper(WAVE, grid, t / 1000, substeps=1000))(u)
    np.testing.assert_allclose(stepped, found, rtol=0, atol=2e-11)


def test_a_wave_keeps_its_energy(x64):
    grid = Grid((32,), (BOX,))
    stepper = spectral_stepper(WAVE, grid, 0.7)
    frames = np.asarray(jax.jit(lambda u: trajectory(stepper, u, 200))(smooth(grid)))
    spectrum = np.fft.rfft(frames, axis=1)
    k = np.arange(17)
    energy = (np.abs(spectrum[..., 1]) ** 2 + (1.5 * k * np.abs(spectrum[..., 0])) ** 2)[:, 1:-1].sum(1)
    np.testing.assert_allclose(energy, energy[0], rtol=1e-12)


def test_schroedinger_turns_every_mode(x64):
    grid, t = Grid((32,), (BOX,)), 7.0
    u = smooth(grid)
    found = np.asarray(jax.jit(spectral_stepper(SCHROEDINGER, grid, t))(u))
    psi = np.fft.fft(np.asarray(u[:, 0]) + 1j * np.asarray(u[:, 1]))
    expected = np.fft.ifft(psi * np.exp(-0.5j * np.fft.fftfreq(32, 1 / 32) ** 2 * t))
    np.testing.assert_allclose(found[:, 0] + 1j * found[:, 1], expected, rtol=0, atol=2e-12)


def test_first_derivatives_couple_by_imaginary_symbols(x64):
    """Sound in one dimension: what runs to the right is shifted."""
    sound, grid, t = Equation(["p_t = -q_x", "q_t = -p_x"]), Grid((32,), (BOX,)), 3.0
    wave = lambda x: np.exp(np.sin(x))
    x = grid.axes()[0]
    u = jnp.asarray(np.stack([wave(x)] * 2, -1))
    found = jax.jit(spectral_stepper(sound, grid, t))(u)
    np.testing.assert_allclose(found, np.stack([wave(x - t)] * 2, -1), rtol=0, atol=1e-11)


def test_one_way_couplings_are_exact(x64):
    """`v` is driven by `u` and not the other way round: the mode's matrix is triangular."""
    equation, grid, t = Equation(["u_t = u_xx", "v_t = 2*v_xx + u"]), Grid((16,), (BOX,)), 1.3
    x = grid.axes()[0]
    u = jnp.asarray(np.stack([np.cos(x), 0 * x], -1))
    found = jax.jit(spectral_stepper(equation, grid, t))(u)
    expected = np.stack([np.exp(-t) * np.cos(x), (np.exp(-t) - np.exp(-2 * t)) * np.cos(x)], -1)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-13)


@pytest.mark.parametrize("order", [2, 4])
def test_order_with_products(order, x64):
    grid, end, steps = Grid((32,), (BOX,)), 2.0, np.array([20, 40, 80])
    u = 0.5 * smooth(grid)
    run = lambda n, order: jax.jit(spectral_stepper(GINZBURG_LANDAU, grid, end / n, order=order, substeps=n))(u)
    exact = run(1280, 4)
    errors = [float(jnp.linalg.norm(run(int(n), order) - exact)) for n in steps]
    assert abs(-np.diff(np.log(errors))[-1] / np.log(2) - order) < 0.2


def test_coupled_parameters_of_a_batch_and_their_gradient(x64):
    grid, t = Grid((16,), (BOX,)), 0.8
    u = smooth(grid)
    one = lambda c: spectral_stepper(WAVE, grid, t, parameters={"c": c})(u)
    both = spectral_stepper(WAVE, grid, t, parameters={"c": np.array([1.0, 2.0])})(jnp.stack([u, u]))
    for row, c in zip(both, (1.0, 2.0), strict=True):
        np.testing.assert_allclose(row, one(c), rtol=0, atol=1e-13)
    loss = jax.jit(lambda c: jnp.sum(one(c) ** 3))
    slope = (loss(1.5 + 1e-5) - loss(1.5 - 1e-5)) / 2e-5
    assert float(jax.grad(loss)(1.5)) == pytest.approx(float(slope), rel=1e-7)


def test_right_hand_side_has_the_couplings(x64):
    grid = Grid((32,), (BOX,))
    x = grid.axes()[0]
    u = jnp.asarray(np.stack([np.sin(x), np.cos(2 * x)], -1))
    expected = np.stack([np.cos(2 * x), -(1.5**2) * np.sin(x)], -1)
    np.testing.assert_allclose(rhs(WAVE, u, grid), expected, rtol=0, atol=1e-12)
