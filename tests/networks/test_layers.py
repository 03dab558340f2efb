import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pdejax.networks import ChannelMLP, FiLM, GroupNorm, Linear, SoftGating, activation
from pdejax.networks.layers.checks import check_condition
from pdejax.networks.layers.coordinates import coordinates, position_features
from pdejax.networks.layers.norm import make_norm
from pdejax.networks.layers.padding import crop_bounded, pad_bounded
from pdejax.networks.layers.skip import make_skip


def test_linear_is_a_matrix_product_at_every_point(drawn, noise, x64):
    layer = drawn(lambda key: Linear(3, 5, key=key))
    x = noise(2, 4, 6, 3)
    y, one = jax.jit(lambda x: (layer(x), layer(x[0, 0, 0])))(x)
    np.testing.assert_allclose(y, np.einsum("bxyi,io->bxyo", x, layer.weight) + np.asarray(layer.bias), atol=1e-14)
    assert one.shape == (5,)


def test_derivatives_of_a_narrowing_linear_map(drawn, noise, x64):
    # its weight's gradient is computed transposed; forward, reverse, second derivatives and vmap must not notice
    layer = drawn(lambda key: Linear(5, 2, key=key))
    x, g, v = (noise(*shape, seed=seed) for seed, shape in enumerate([(3, 7, 5), (3, 7, 2), (5, 2)]))
    run = lambda w, x: jnp.sum(g[: x.shape[0]] * eqx.tree_at(lambda n: n.weight, layer, w)(x) ** 2)
    plain = lambda w, x: jnp.sum(g[: x.shape[0]] * (x @ w + layer.bias[None, None]) ** 2)
    per_sample = lambda f: jax.vmap(jax.grad(lambda w, x: f(w, x[None])), (None, 0))(layer.weight, x)
    second = lambda f: jax.jvp(jax.grad(lambda w: f(w, x)), (layer.weight,), (v,))
    for a, b in jax.jit(lambda: [(second(run), second(plain)), (per_sample(run), per_sample(plain))])():
        np.testing.assert_allclose(a, b, atol=1e-12)


@pytest.mark.parametrize("name", ["gelu", "gelu_exact"])
def test_gelu_and_its_derivatives(name, x64):
    x = np.linspace(-4, 4, 33)
    cdf = np.array([0.5 * (1 + math.erf(v / 2**0.5)) for v in x])
    tolerance = 1e-12 if name == "gelu_exact" else 3e-3
    f = activation(name)
    value, *slopes = jax.jit(lambda x: (f(x), jax.vmap(jax.grad(f))(x), jax.jvp(f, (x,), (jnp.ones(33),))[1]))(x)
    np.testing.assert_allclose(value, x * cdf, atol=tolerance)
    for slope in slopes:
        np.testing.assert_allclose(slope, cdf + x * np.exp(-(x**2) / 2) / (2 * np.pi) ** 0.5, atol=tolerance)


def test_linear_and_channel_mlp_keep_the_variance(key, noise):
    x = noise(1000, 64)
    linear, mlp = jax.jit(lambda key: (Linear(64, 32, key=key)(x), ChannelMLP(64, 64, 128, key=key)(x)))(key)
    assert 0.85 < np.var(linear) < 1.15
    assert 0.7 < np.mean(np.asarray(mlp) ** 2) < 1.2


@pytest.mark.parametrize("groups", [1, 2, 6])
def test_group_norm_matches_its_definition(groups, noise, x64):
    x = 3 + 2 * np.asarray(noise(2, 5, 7, 6))
    y = np.asarray(jax.jit(lambda x: GroupNorm(6, groups, epsilon=0.0)(x))(x)).reshape(2, 35, groups, -1)
    z = np.asarray(x).reshape(2, 35, groups, -1)
    expected = (z - z.mean((1, 3), keepdims=True)) / z.std((1, 3), keepdims=True)
    np.testing.assert_allclose(y, expected, atol=1e-13)


def test_norms_know_no_batch_mates(noise):
    norms = [make_norm(kind, 4) for kind in ("none", "instance", "group")]
    for together, alone in jax.jit(lambda x: [(norm(x)[:1], norm(x[:1])) for norm in norms])(noise(3, 8, 4)):
        np.testing.assert_allclose(together, alone, atol=1e-6)


def test_film_scales_and_shifts(drawn, noise, x64):
    film = drawn(lambda key: FiLM(3, 4, key=key))
    x, embedding = noise(2, 5, 6, 4), noise(2, 3)
    affine = np.asarray(embedding) @ np.asarray(film.linear.weight) + np.asarray(film.linear.bias)
    scale, shift = np.split(affine, 2, -1)
    expected = np.asarray(x) * (1 + scale[:, None, None]) + shift[:, None, None]
    np.testing.assert_allclose(jax.jit(lambda *a: film(*a))(x, embedding), expected, atol=1e-14)


def test_a_condition_is_a_vector_for_each_sample():
    check_condition(jnp.zeros((3, 2)), 2, 3, network="UNet")
    for shape in ((1, 2), (3, 1), (2,)):
        with pytest.raises(ValueError, match=r"condition of this UNet should be of shape .* = \(3, 2\), got"):
            check_condition(jnp.zeros(shape), 2, 3, network="UNet")


def test_sizes_of_a_linear_map_are_named(key):
    with pytest.raises(ValueError, match="in_channels must be positive, got 0"):
        Linear(0, 3, key=key)


def test_skips_are_the_identity_but_for_the_linear_one(key):
    x = jax.random.normal(key, (2, 5, 4))
    np.testing.assert_array_equal(make_skip("identity", 4, key=key)(x), x)
    np.testing.assert_array_equal(SoftGating(4)(x), x)
    assert make_skip("linear", 4, key=key).bias is None
    with pytest.raises(ValueError, match=r"unknown skip 'soft_gate'. Did you mean 'soft_gating'"):
        make_skip("soft_gate", 4, key=key)


def test_coordinates_are_smooth_across_periodic_ends_and_reach_both_bounded_ones():
    positions = ("circle", "interval")
    where = np.asarray(coordinates((8, 5), positions, jnp.float32))
    assert where.shape == (8, 5, position_features(positions)) == (8, 5, 3)
    np.testing.assert_allclose(where[:, 0, 0] ** 2 + where[:, 0, 1] ** 2, 1, atol=1e-6)
    np.testing.assert_allclose(where[0, :, 2], [-1, -0.5, 0, 0.5, 1])
    assert coordinates((8, 5), ("none", "interval"), jnp.float32).shape == (8, 5, 1)
    np.testing.assert_allclose(coordinates((4, 5), ("fraction", "none"), jnp.float32)[:, 2, 0], [0, 0.25, 0.5, 0.75])


def test_padding_adds_zeros_beyond_bounded_axes_only(noise):
    def there_and_back(x):
        padded = pad_bounded(x, 1 / 3, (True, False))
        return padded, crop_bounded(padded, (8, 10), (True, False))

    x = noise(2, 8, 10, 3)
    padded, back = jax.jit(there_and_back)(x)
    assert padded.shape == (2, 8, 12, 3)
    assert np.sum(np.abs(padded)) == pytest.approx(np.sum(np.abs(x)), rel=1e-6)
    np.testing.assert_array_equal(back, x)


@pytest.mark.parametrize("n", [43, 71, 211])
def test_padded_period_is_the_same_on_grids_that_share_the_ends(n):
    padded = jax.eval_shape(lambda x: pad_bounded(x, 1 / 7, (False,)), jax.ShapeDtypeStruct((1, n, 1), jnp.float32))
    assert padded.shape[1] / (n - 1) == pytest.approx(8 / 7)
