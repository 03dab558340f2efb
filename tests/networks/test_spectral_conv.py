import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pdejax.core import resample
from pdejax.networks import SpectralConv

KERNELS = ["fft", "dft"]
every_kernel = pytest.mark.parametrize("kernel", KERNELS)
resampled = jax.jit(resample, static_argnums=1)


@pytest.fixture
def convolution(drawn):
    def make(modes, channels, kernel="auto", use_bias=False):
        return drawn(lambda key: SpectralConv(*channels, modes, kernel=kernel, use_bias=use_bias, key=key))

    return make


@pytest.fixture
def identity(convolution):
    """One at the diagonal of every mode's matrix."""

    def make(modes, channels, kernel):
        conv = convolution(modes, (channels, channels), kernel)
        one = jnp.asarray(np.broadcast_to(np.eye(channels), conv.weight_re.shape), conv.weight_re.dtype)
        return eqx.tree_at(lambda c: (c.weight_re, c.weight_im), conv, (one, jnp.asarray(np.zeros_like(one))))

    return make


@eqx.filter_jit
def compiled(conv, x, shape):
    return conv(x, shape=shape)


def run(conv, x, shape=None):
    """The result in NumPy, where nothing that is done with it has to be compiled."""
    return np.asarray(compiled(conv, jnp.asarray(x), shape))


def long(*cases):
    """More of the same, for the long run."""
    return [pytest.param(*case, marks=pytest.mark.long) for case in cases]


@eqx.filter_jit
@functools.partial(eqx.filter_value_and_grad, has_aux=True)
def sine_loss(args):
    conv, x = args
    y = conv(x)
    return jnp.sum(jnp.sin(y)), y


def relative(a, b):
    return float(np.linalg.norm(a - b) / np.linalg.norm(b))


@every_kernel
@pytest.mark.parametrize("shape", [(16,), (17,), (12, 11), *long([(12, 12)], [(11, 13)], [(7, 8, 8)], [(8, 7, 9)])])
def test_unit_weights_keep_a_band_limited_field_on_odd_and_even_grids(shape, kernel, trigonometric, identity, x64):
    x = jnp.asarray(trigonometric(len(shape), 3, 2)(shape))
    np.testing.assert_allclose(run(identity((4,) * len(shape), 2, kernel), x), x, atol=1e-13)


# every axis finer and coarser on its own, and together; from and to odd and even sizes
@every_kernel
@pytest.mark.parametrize(
    ("shape", "new"),
    [
        *[((16,), (33,)), ((17,), (8,)), ((15, 12), (8, 21)), ((8, 9, 7), (7, 12, 8))],
        *long(((16, 16), (32, 32)), ((16, 16), (16, 32)), ((16, 16), (8, 8)), ((9, 8), (25, 8))),
        *long(((9, 8), (9, 7)), ((8, 8, 8), (8, 15, 8))),
    ],
)
def test_another_output_grid_samples_the_same_function(shape, new, kernel, trigonometric, identity, x64):
    field = trigonometric(len(shape), 4, 2)
    y = run(identity((5,) * len(shape), 2, kernel), jnp.asarray(field(shape)), new)
    np.testing.assert_allclose(y, field(new), atol=1e-13)


@every_kernel
@pytest.mark.parametrize(
    ("shape", "new"),
    [((8,), (8,)), ((8,), (12,)), ((9, 8), (6, 4)), *long(((4, 6), (8, 5)), ((4, 3, 2), (6, 2, 4)))],
)
def test_with_all_modes_unit_weights_interpolate_any_field_nyquist_included(shape, new, kernel, noise, identity, x64):
    x = noise(2, *shape, 1)
    y = run(identity((9,) * len(shape), 1, kernel), x, new)
    np.testing.assert_allclose(y, resampled(x, new), atol=1e-13)


@pytest.mark.parametrize(
    ("shape", "modes", "double"),
    [
        *[((16,), 5, False), ((8,), 9, True), ((9,), 9, True), ((8, 7), 3, True)],
        *long(*(((8, 7), 3, False), ((8,), 9, False), ((9,), 9, False), ((16,), 5, True))),
        *long(*((shape, n, p) for shape, n in (((5, 6), 9), ((5, 4, 6), 3), ((4, 3, 5), 9)) for p in (False, True))),
    ],
)
def test_fft_and_dft_agree_in_values_and_gradients(shape, modes, double, noise, convolution):
    with jax.enable_x64(double):
        results = []
        for kernel in KERNELS:
            conv = convolution((modes,) * len(shape), (3, 5), kernel)
            (_, y), gradient = sine_loss((conv, noise(2, *shape, 3)))
            results.append([y, gradient[1], gradient[0].weight_re, gradient[0].weight_im])
        assert max(map(relative, *results)) < (1e-13 if double else 1e-6)


def test_kernels_agree_when_the_grid_changes(noise, convolution):
    x = noise(2, 12, 9, 2)
    a, b = (run(convolution((5, 4), (2, 2), kernel), x, (7, 16)) for kernel in KERNELS)
    assert relative(a, b) < 1e-6


@pytest.mark.parametrize("shape", [(15, 18), *long([(24,)], [(9, 10, 12)])])
def test_weights_belong_to_no_resolution(shape, trigonometric, convolution, x64):
    field, ndim = trigonometric(len(shape), 3, 2), len(shape)
    conv = convolution((4,) * ndim, (2, 3))
    coarse, fine = (run(conv, jnp.asarray(field(s))) for s in ((8,) * ndim, shape))
    np.testing.assert_allclose(resampled(fine, (8,) * ndim), coarse, atol=1e-13)


@every_kernel
def test_a_grid_too_coarse_for_all_modes_uses_those_it_holds(kernel, trigonometric, convolution, x64):
    # frequencies up to 2 fit on five points, and the same weights act on them there as on a fine grid
    field, conv = trigonometric(2, 3, 2), convolution((7, 6), (2, 2), kernel)
    fine, coarse = (run(conv, jnp.asarray(field(shape))) for shape in ((20, 21), (5, 5)))
    np.testing.assert_allclose(resampled(fine, (5, 5)), coarse, atol=1e-13)


@pytest.mark.parametrize("shape", [(9, 8), (12, 7)])
def test_matches_the_sum_over_modes(shape, noise, convolution, x64):
    conv = convolution((3, 4), (2, 3), use_bias=True)
    x = np.asarray(noise(2, *shape, 2))
    weights = np.asarray(conv.weight_re) + 1j * np.asarray(conv.weight_im)
    spectrum = np.fft.fft2(x, axes=(1, 2)) / np.prod(shape)
    grid = np.meshgrid(*(np.arange(n) / n for n in shape), indexing="ij")
    expected = np.zeros((2, *shape, 3)) + np.asarray(conv.bias)
    for i, k1 in enumerate([0, 1, 2, -1, -2]):
        for k2 in range(4):
            wave = np.exp(2j * np.pi * (k1 * grid[0] + k2 * grid[1]))[None, ..., None]
            term = (spectrum[:, k1, k2] @ weights[i, k2])[:, None, None] * wave
            expected += (1 if k2 == 0 else 2) * term.real  # +k2 and -k2 are conjugate
    np.testing.assert_allclose(run(conv, jnp.asarray(x)), expected, atol=1e-13)


def test_number_of_parameters(convolution):
    conv = convolution((5, 4, 3), (2, 7), use_bias=True)
    assert sum(a.size for a in jax.tree.leaves(conv)) == 2 * (9 * 7 * 3) * 2 * 7 + 7


@every_kernel
def test_derivatives_match_finite_differences(kernel, noise, convolution, x64):
    conv = convolution((3, 3), (2, 2), kernel)
    x, direction = noise(2, 2, 6, 7, 2)
    towards = jax.tree.map(lambda w: noise(*w.shape, seed=1), conv)
    loss = lambda s: jnp.sum(jnp.sin(jax.tree.map(lambda w, d: w + s * d, conv, towards)(x + s * direction)))
    value = jax.jit(loss)
    difference = (value(1e-5) - value(-1e-5)) / 2e-5
    backward, forward = jax.jit(lambda s: (jax.grad(loss)(s), jax.jacfwd(loss)(s)))(0.0)
    np.testing.assert_allclose(backward, difference, rtol=1e-8)
    np.testing.assert_allclose(forward, difference, rtol=1e-8)


def test_initial_weights_keep_the_variance_of_a_band_limited_field(trigonometric, key):
    x = jnp.asarray(trigonometric(2, 4, 64, batch=4)((16, 16)), jnp.float32)
    y = run(eqx.filter_jit(lambda key: SpectralConv(64, 32, (4, 4), key=key))(key), x)
    assert 0.8 < float(np.var(y) / np.var(x)) < 1.25


def test_refuses_what_it_cannot_do(convolution):
    with pytest.raises(ValueError, match=r"unknown kernel 'ftt'. Did you mean 'fft'"):
        convolution((4,), (1, 1), "ftt")
    with pytest.raises(ValueError, match="modes must be positive"):
        convolution((4, 0), (1, 1))
    with pytest.raises(ValueError, match="needs 2 space axes"):
        convolution((4, 4), (1, 1))(jnp.zeros((1, 8, 1)))
    with pytest.raises(ValueError, match=r"shape should be 2 positive numbers of points, one per axis, got \(8,\)"):
        convolution((4, 4), (1, 1))(jnp.zeros((1, 8, 8, 1)), shape=(8,))
