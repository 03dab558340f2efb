import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pdejax.core import resample
from pdejax.networks import SpectralConv

SHAPES = [(16,), (17,), (12, 12), (11, 12), (12, 11), (11, 13), (8, 8, 8), (7, 9, 8), (8, 7, 9)]
KERNELS = ["fft", "dft"]


def relative(a, b):
    return float(jnp.linalg.norm(a - b) / jnp.linalg.norm(b))


def convolution(modes, channels, key, kernel="auto", use_bias=False):
    build = lambda key: SpectralConv(*channels, modes, kernel=kernel, use_bias=use_bias, key=key)
    return eqx.filter_jit(build)(key)


@eqx.filter_jit
def run(conv, x, shape=None):
    return conv(x, shape=shape)


@eqx.filter_jit
@functools.partial(eqx.filter_value_and_grad, has_aux=True)
def sine_loss(args):
    conv, x = args
    y = conv(x)
    return jnp.sum(jnp.sin(y)), y


def identity(modes, channels, key, kernel):
    conv = convolution(modes, (channels, channels), key, kernel)
    one = jnp.broadcast_to(jnp.eye(channels).reshape((1,) * len(modes) + (channels, channels)), conv.weight_re.shape)
    return eqx.tree_at(lambda c: (c.weight_re, c.weight_im), conv, (one, jnp.zeros_like(one)))


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("shape", SHAPES)
def test_unit_weights_keep_a_band_limited_field_on_odd_and_even_grids(shape, kernel, trigonometric, key, x64):
    x = jnp.asarray(trigonometric(len(shape), 3, 2)(shape))
    y = run(identity((4,) * len(shape), 2, key, kernel), x)
    np.testing.assert_allclose(y, x, atol=1e-13)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize(
    ("shape", "new"),
    [
        ((16,), (32,)),
        ((17,), (8,)),
        ((16, 16), (32, 32)),
        ((16, 16), (8, 9)),
        ((15, 12), (8, 21)),
        ((8, 9, 7), (7, 12, 8)),
    ],
)
def test_another_output_grid_samples_the_same_function(shape, new, kernel, trigonometric, key, x64):
    field = trigonometric(len(shape), 4, 2)
    conv = identity((5,) * len(shape), 2, key, kernel)
    y = run(conv, jnp.asarray(field(shape)), new)
    np.testing.assert_allclose(y, field(new), atol=1e-13)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize(
    ("shape", "new"), [((8,), (8,)), ((8,), (12,)), ((9, 8), (6, 4)), ((4, 6), (8, 5)), ((4, 3, 2), (6, 2, 4))]
)
def test_with_all_modes_unit_weights_interpolate_any_field_nyquist_included(shape, new, kernel, key, x64):
    x = jax.random.normal(key, (2, *shape, 1))
    conv = identity((9,) * len(shape), 1, key, kernel)
    np.testing.assert_allclose(run(conv, x, new), jax.jit(resample, static_argnums=1)(x, new), atol=1e-13)


@pytest.mark.parametrize("double", [False, True])
@pytest.mark.parametrize("shape", [(16,), (9,), (12, 10), (9, 7), (6, 7, 8), (7, 6, 5)])
def test_fft_and_dft_agree_in_values_and_gradients(shape, double, key):
    with jax.enable_x64(double):
        for modes in (3, max(shape)):  # the latter more than any axis holds
            results = []
            for kernel in KERNELS:
                conv = convolution((modes,) * len(shape), (3, 5), key, kernel)
                x = jax.random.normal(key, (2, *shape, 3))
                (_, y), gradient = sine_loss((conv, x))
                results.append([y, gradient[1], gradient[0].weight_re, gradient[0].weight_im])
            assert max(map(relative, *results)) < (1e-13 if double else 1e-6)


def test_kernels_agree_when_the_grid_changes(key):
    x = jax.random.normal(key, (2, 12, 9, 2))
    a, b = (run(convolution((5, 4), (2, 2), key, kernel), x, (7, 16)) for kernel in KERNELS)
    assert relative(a, b) < 1e-6


@pytest.mark.parametrize("shape", [(24,), (15, 18), (9, 10, 12)])
def test_weights_belong_to_no_resolution(shape, trigonometric, key, x64):
    field, ndim = trigonometric(len(shape), 3, 2), len(shape)
    conv = convolution((4,) * ndim, (2, 3), key)
    reference = run(conv, jnp.asarray(field((8,) * ndim)))
    np.testing.assert_allclose(
        jax.jit(resample, static_argnums=1)(run(conv, jnp.asarray(field(shape))), (8,) * ndim), reference, atol=1e-13
    )


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_grid_too_coarse_for_all_modes_uses_those_it_holds(kernel, trigonometric, key, x64):
    # frequencies up to 2 fit on five points, and the same weights act on them there as on a fine grid
    field = trigonometric(2, 3, 2)
    conv = convolution((7, 6), (2, 2), key, kernel)
    fine, coarse = (run(conv, jnp.asarray(field(shape))) for shape in ((20, 21), (5, 5)))
    np.testing.assert_allclose(jax.jit(resample, static_argnums=1)(fine, (5, 5)), coarse, atol=1e-13)


@pytest.mark.parametrize("shape", [(9, 8), (12, 7)])
def test_matches_the_sum_over_modes(shape, key, x64):
    conv = convolution((3, 4), (2, 3), key, use_bias=True)
    conv = eqx.tree_at(lambda c: c.bias, conv, jnp.arange(3.0))
    x = np.asarray(jax.random.normal(key, (2, *shape, 2)))
    spectrum = np.fft.fft2(x, axes=(1, 2)) / np.prod(shape)
    grid = np.meshgrid(*(np.arange(n) / n for n in shape), indexing="ij")
    expected = np.zeros((2, *shape, 3))
    for i, k1 in enumerate([0, 1, 2, -1, -2]):
        for k2 in range(4):
            weight = np.asarray(conv.weight_re)[i, k2] + 1j * np.asarray(conv.weight_im)[i, k2]
            wave = np.exp(2j * np.pi * (k1 * grid[0] + k2 * grid[1]))[None, ..., None]
            term = (spectrum[:, k1, k2] @ weight)[:, None, None] * wave
            # +k2 and -k2 are conjugate; of an eight-point axis all of these are below the Nyquist frequency
            expected += (1 if k2 == 0 else 2) * term.real
    np.testing.assert_allclose(run(conv, jnp.asarray(x)), expected + np.arange(3.0), atol=1e-13)


def test_number_of_parameters(key):
    conv = convolution((5, 4, 3), (2, 7), key, use_bias=True)
    assert sum(a.size for a in jax.tree.leaves(conv)) == 2 * (9 * 7 * 3) * 2 * 7 + 7


@pytest.mark.parametrize("kernel", KERNELS)
def test_gradient_matches_finite_differences(kernel, key, x64):
    conv = convolution((3, 3), (2, 2), key, kernel)
    x, direction = jax.random.normal(key, (2, 2, 6, 7, 2))
    towards = jax.tree.map(lambda w: jax.random.normal(jax.random.key(1), w.shape), conv)
    loss = lambda s: jnp.sum(jnp.sin(jax.tree.map(lambda w, d: w + s * d, conv, towards)(x + s * direction)))
    h = 1e-5
    difference = (jax.jit(loss)(h) - jax.jit(loss)(-h)) / (2 * h)
    np.testing.assert_allclose(jax.jit(jax.grad(loss))(0.0), difference, rtol=1e-8)
    np.testing.assert_allclose(jax.jit(jax.jacfwd(loss))(0.0), difference, rtol=1e-8)


def test_keeps_the_variance_of_a_band_limited_field(trigonometric, key):
    x = jnp.asarray(trigonometric(2, 4, 64, batch=4)((16, 16)), jnp.float32)
    y = run(convolution((4, 4), (64, 32), key), x)
    assert 0.8 < float(jnp.var(y) / jnp.var(x)) < 1.25


def test_refuses_what_it_cannot_do(key):
    with pytest.raises(ValueError, match=r"unknown spectral kernel 'ftt'. Did you mean 'fft'"):
        convolution((4,), (1, 1), key, "ftt")
    with pytest.raises(ValueError, match="modes must be a positive number"):
        convolution((4, 0), (1, 1), key)
    with pytest.raises(ValueError, match="needs 2 space axes"):
        convolution((4, 4), (1, 1), key)(jnp.zeros((1, 8, 1)))
