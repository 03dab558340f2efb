import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pdejax.networks import LSM, GroupNorm, NeuralSpectralBlock
from pdejax.networks.layers.patches import from_patches, to_patches
from pdejax.networks.layers.pool import linear_upsample, max_pool

# grid, channels in and out, width, patch, padded grid and number of weights of the authors' benchmarks
PUBLISHED = {
    "darcy": ((85, 85), 1, 1, 64, (6, 6), (96, 96), 19_187_457),
    "navier_stokes": ((64, 64), 10, 1, 64, (4, 4), (64, 64), 19_188_033),
    "pipe": ((129, 129), 2, 1, 48, (9, 9), (144, 144), 10_804_913),
    "airfoil": ((221, 51), 2, 1, 32, (14, 4), (224, 64), 4_812_833),
    "elasticity": ((41, 41), 1, 1, 32, (3, 3), (48, 48), 4_812_801),
    "plasticity": ((101, 31, 20), 1, 4, 32, (7, 2, 2), (112, 32, 32), 13_457_828),
}
SIZES = {"width": 8, "heads": 2, "scales": 3, "bases": 3, "projection_width": 8}


def shapes_of(*sizes, **options):
    return eqx.filter_eval_shape(lambda key: LSM(*sizes, **options, key=key), jax.random.key(0))


def weights(module):
    return sum(a.size for a in jax.tree.leaves(module) if isinstance(a, jax.ShapeDtypeStruct))


@pytest.fixture
def small(drawn):
    """A network in which the field is heard as well as the biases: the scales of its norms are about one."""
    is_norm = lambda module: isinstance(module, GroupNorm)
    scales = lambda network: [m.scale for m in jax.tree.leaves(network, is_leaf=is_norm) if is_norm(m)]

    def make(ndim, **options):
        network = drawn(lambda key: LSM(1, 1, ndim, **SIZES | options, key=key))
        return eqx.tree_at(scales, network, replace_fn=lambda scale: jnp.asarray(1 + np.asarray(scale) / 2))

    return make


@eqx.filter_jit
def compiled(module, x, *patch):
    return module(x, *patch)


def run(module, x, *patch):
    """The result in NumPy, where nothing that is done with it has to be compiled."""
    return np.asarray(compiled(module, jnp.asarray(x), *patch))


def softmax_mean(scores, values):
    parts = np.exp(scores) / np.sum(np.exp(scores))
    return sum(part * value for part, value in zip(parts, values, strict=True))


def solved_patch(block, points):
    """The paper's formulas for the points (point, channel) of one patch, head by head and token by token."""
    bases, (count, width) = block.series.shape[1], block.latent.shape
    affine = lambda layer: points @ np.asarray(layer.weight) + np.asarray(layer.bias)
    keys_values, queries = affine(block.keys_values), affine(block.queries)
    out = np.array(points)
    for head in np.split(np.arange(width), block.heads):
        keys, values = keys_values[:, head], keys_values[:, width + head]
        latent = np.asarray(block.latent)[:, head]
        tokens = np.stack([t + softmax_mean(keys @ t, values) for t in latent])
        for token, c in itertools.product(range(count), range(len(head))):
            t, (a, b) = tokens[token, c], np.asarray(block.series)[:, :, head[c]]
            terms = [a[m] * np.sin(np.pi * m * t / bases) + b[m] * np.cos(np.pi * m * t / bases) for m in range(bases)]
            tokens[token, c] = t + sum(terms)
        for i, query in enumerate(queries[:, head]):
            out[i, head] += softmax_mean(tokens @ query, tokens)
    return out


def solved(block, x, patch):
    out = np.zeros_like(x)
    corners = itertools.product(*(range(0, n, p) for n, p in zip(x.shape[1:-1], patch, strict=True)))
    for sample, corner in itertools.product(range(len(x)), corners):
        box = (sample, *(slice(i, i + p) for i, p in zip(corner, patch, strict=True)))
        points = x[box].reshape(-1, x.shape[-1])
        out[box] = solved_patch(block, points).reshape(x[box].shape)
    return out


@pytest.mark.parametrize(("shape", "patch"), [((12,), (3,)), ((6, 8), (3, 2)), ((4, 6, 2), (2, 3, 1))])
def test_a_block_is_what_the_formulas_say(shape, patch, noise, drawn):
    block = drawn(lambda key: NeuralSpectralBlock(12, tokens=3, bases=5, heads=4, key=key))
    x = noise(2, *shape, 12)
    np.testing.assert_allclose(run(block, x, patch), solved(block, np.asarray(x), patch), atol=1e-5)


def test_a_block_is_what_the_formulas_say_in_double_precision(noise, drawn, x64):
    block = drawn(lambda key: NeuralSpectralBlock(16, key=key))
    x = noise(1, 8, 16)
    np.testing.assert_allclose(run(block, x, (4,)), solved(block, np.asarray(x), (4,)), atol=1e-12)


def test_a_patch_is_its_own_affair(noise, drawn):
    block = drawn(lambda key: NeuralSpectralBlock(8, heads=2, key=key))
    x = np.asarray(noise(1, 9, 8, 8))
    other = x.copy()
    other[:, 4, 5] += 1
    changed = run(block, x, (3, 4)) != run(block, other, (3, 4))
    assert np.all(changed[:, 3:6, 4:])
    assert changed.sum() == changed[:, 3:6, 4:].size


def test_points_of_a_patch_have_no_order(noise, drawn):
    block = drawn(lambda key: NeuralSpectralBlock(8, heads=2, key=key))
    x = np.asarray(noise(1, 8, 8))
    np.testing.assert_allclose(run(block, x[:, ::-1], (8,)), run(block, x, (8,))[:, ::-1], atol=1e-5)


def test_tokens_and_series_start_as_published(key):
    block = eqx.filter_jit(lambda key: NeuralSpectralBlock(16, heads=2, key=key))(key)
    for array in (block.latent, block.series):
        assert 0 <= np.min(array) < np.max(array) < 1 / 16
    np.testing.assert_allclose(np.mean(block.series), 0.5 / 16, rtol=0.1)


def test_sizes_of_a_block_fit(key):
    with pytest.raises(ValueError, match=r"needs positive sizes and a width of equal heads, got width 12, .* heads 8"):
        NeuralSpectralBlock(12, key=key)


def test_patches_are_boxes_and_go_back():
    x = np.arange(2 * 4 * 6 * 2, dtype=np.float32).reshape(2, 4, 6, 2)
    cut = lambda x: (patches := to_patches(x, (2, 3)), from_patches(patches, (4, 6), (2, 3)))
    patches, back = map(np.asarray, jax.jit(cut)(x))
    np.testing.assert_array_equal(patches[1], x[0, :2, 3:].reshape(-1, 2))
    np.testing.assert_array_equal(patches[-1], x[1, 2:, 3:].reshape(-1, 2))
    np.testing.assert_array_equal(back, x)


def interpolated(x, axis, wraps):
    """NumPy's interpolation to twice the points."""
    n = x.shape[axis]
    where = (np.arange(2 * n) - 0.5) / 2 if wraps else np.linspace(0, n - 1, 2 * n)
    line = lambda values: np.interp(where, np.arange(n), values, period=n if wraps else None)
    return np.apply_along_axis(line, axis, x)


@pytest.mark.parametrize("periodic", [(False,), (True,), (False, False), (True, False), (False, True, False)])
def test_upsampling_is_linear_interpolation(periodic, noise, x64):
    x = noise(2, *(5, 4, 3)[: len(periodic)], 2)
    expected = np.asarray(x)
    for axis, wraps in enumerate(periodic, start=1):
        expected = interpolated(expected, axis, wraps)
    np.testing.assert_allclose(jax.jit(linear_upsample, static_argnums=1)(x, periodic), expected, atol=1e-14)


def test_pooling_takes_the_largest(noise):
    x = np.asarray(noise(2, 4, 6, 3))
    expected = [[np.max(x[:, i : i + 2, j : j + 2], (1, 2)) for j in (0, 2, 4)] for i in (0, 2)]
    np.testing.assert_array_equal(jax.jit(max_pool)(x), np.moveaxis(np.asarray(expected), 2, 0))


def test_a_pool_with_nan_is_nan():
    x = np.tile(np.arange(8, dtype=np.float32).reshape(1, 2, 4, 1), (8, 1, 1, 1))
    x.reshape(8, 8)[range(8), range(8)] = np.nan  # one point of each sample
    found = np.isnan(jax.jit(max_pool)(x)).reshape(8, 2)
    np.testing.assert_array_equal(found, [[place % 4 < 2, place % 4 >= 2] for place in range(8)])


def test_the_derivative_of_pooling_goes_to_one_point_of_each_box():
    x = np.zeros((1, 4, 4, 1), np.float32)
    x[0, 1, 0] = 1  # three boxes of equal points
    slopes = jax.jit(jax.grad(lambda x: jnp.sum(max_pool(x))))(x)
    boxes = np.asarray(slopes).reshape(2, 2, 2, 2).transpose(0, 2, 1, 3)
    np.testing.assert_array_equal(boxes[0, 0], [[0, 0], [1, 0]])
    np.testing.assert_array_equal(np.sort(boxes.reshape(4, 4)), [[0, 0, 0, 1]] * 4)


@pytest.mark.parametrize("case", PUBLISHED)
def test_weights_and_patches_are_those_published(case):
    shape, inputs, outputs, width, patch, padded, count = PUBLISHED[case]
    network = shapes_of(inputs, outputs, len(shape), width=width)
    assert network.patches(shape) == (patch, padded)
    assert weights(network) == count
    blocks = weights(network.blocks)
    assert blocks < 0.1 * count
    assert weights(shapes_of(inputs, outputs, len(shape), width=width, spectral=False)) == count - blocks


def test_a_patch_size_may_be_fixed():
    network = shapes_of(1, 1, 2, patch_size=2, **SIZES)
    assert network.patches((20, 8)) == ((2, 2), (24, 8))
    assert shapes_of(1, 1, 2, patch_size=(2, 3), **SIZES).patches((20, 20)) == ((2, 3), (24, 24))


def test_padding_is_zeros_behind(noise, small):
    network = small(2, embedding="none")
    network = eqx.tree_at(lambda n: n.lifting.bias, network, jnp.zeros(8))
    x = noise(1, 10, 13, 1)
    whole = run(network, np.pad(x, [(0, 0), (0, 2), (0, 3), (0, 0)]))
    np.testing.assert_allclose(run(network, x), whole[:, :10, :13], atol=1e-5)


def test_a_prediction_knows_no_batch_mates(noise, small):
    network, x = small(1), np.asarray(noise(3, 12, 1))
    np.testing.assert_allclose(run(network, x)[:1], run(network, x[:1]), atol=1e-6)


@pytest.mark.parametrize(("shape", "spectral", "shift"), [((16,), True, 8), ((16, 8), True, 4), ((8, 12), False, 4)])
def test_a_periodic_network_commutes_with_shifts_that_keep_the_patches(shape, spectral, shift, noise, small):
    network, x = small(len(shape), periodic=True, spectral=spectral), noise(2, *shape, 1)
    y = run(network, x)
    # along the last axis alone, and with the first one moved by half of it
    for shifts in ((0,) * (len(shape) - 1) + (shift,), (shape[0] // 2, *(shift,) * (len(shape) - 1))):
        move = lambda a, by=shifts: np.roll(a, by, tuple(range(1, len(shape) + 1)))
        np.testing.assert_allclose(run(network, move(x)), move(y), atol=1e-5)


def test_group_normalisation_hears_the_amplitude_and_instance_normalisation_does_not(noise, small):
    x = np.asarray(noise(1, 16, 1))

    def change(norm):
        network = small(1, norm=norm, periodic=True)
        y = run(network, x)
        return np.max(np.abs(run(network, 10 * x + 10) - y)) / np.std(y)

    assert change("instance") < 1e-3 < 0.1 < change("group")


def test_the_cost_is_linear_in_the_number_of_points(drawn):
    network = drawn(lambda key: LSM(1, 1, 2, width=16, scales=3, key=key))
    lowered = lambda n: jax.jit(lambda x: network(x)).lower(jax.ShapeDtypeStruct((1, n, n, 1), jnp.float32))
    flops = lambda n: lowered(n).cost_analysis()["flops"]
    np.testing.assert_allclose(flops(128) / flops(64), 4, rtol=0.03)


@pytest.mark.parametrize(
    ("options", "shape", "message"),
    [
        ({"periodic": True}, (18,), "a periodic axis of this LSM needs a multiple of 4 points, got 18: try 20"),
        ({"periodic": True, "patch_size": 3}, (16,), r"a multiple of 12 points \(4 patches of 3\), got 16: try 24"),
        ({}, (4,), r"the coarsest of 3 scales of a grid \(4,\) is one point: take fewer scales"),
        ({}, (8, 8), r"1 space axes, got a field \(batch, \*space, channel\) of shape \(1, 8, 8, 1\)"),
    ],
)
def test_grids_that_do_not_fit_are_refused(options, shape, message, small):
    with pytest.raises(ValueError, match=message):
        small(1, **options)(jnp.zeros((1, *shape, 1)))


def test_options_that_do_not_fit_are_refused(small):
    with pytest.raises(ValueError, match=r"unknown embedding 'coordinate'. Did you mean 'coordinates'"):
        small(1, embedding="coordinate")
    with pytest.raises(ValueError, match="patch_size must be one value or 2, one per axis, got"):
        small(2, patch_size=(2, 2, 2))
    with pytest.raises(ValueError, match="scales should be greater than or equal to 1, got 0"):
        small(1, scales=0)
    with pytest.raises(ValueError, match="got a condition, but this LSM was built without condition_features"):
        small(1)(jnp.zeros((1, 8, 1)), condition=jnp.zeros((1, 2)))
