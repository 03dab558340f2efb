"""The convolutional networks: what each promises beside what all networks do."""

import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pdejax.networks import ConvNeXtUNet, DilatedResNet, UNet

NETWORKS = {
    "unet": (UNet, {"width": 4, "multipliers": (1, 2, 3), "depth": 1}),
    "dilated_resnet": (DilatedResNet, {"width": 4, "depth": 1, "dilations": (1, 2)}),
    "convnext_unet": (ConvNeXtUNet, {"width": 4, "stages": 2, "depth": 1, "kernel_size": 3}),
}
QUICK = {"xla_backend_optimization_level": 0}  # LLVM's optimisations take longer than the networks
every_network = pytest.mark.parametrize("kind", NETWORKS)


@pytest.fixture
def build(drawn):
    def make(kind, ndim=1, in_channels=2, out_channels=3, **options):
        network, small = NETWORKS[kind]
        return drawn(lambda key: network(in_channels, out_channels, ndim, **small | options, key=key))

    return make


@eqx.filter_jit
def compiled(network, x, condition):
    return network(x, condition=condition)


def run(network, x, condition=None):
    """The result in NumPy, where nothing that is done with it has to be compiled."""
    return np.asarray(compiled(network, jnp.asarray(x), condition))


SHAPES, CHANNELS = [(1,), (13,), (5, 9), (3, 5, 7), (2, 1, 6)], [(1, 4), (5, 2)]
FEW = [((1,), (1, 4)), ((5, 9), (5, 2)), ((2, 1, 6), (1, 4))]
GRIDS = [
    pytest.param(*pair, marks=[] if pair in FEW else pytest.mark.long) for pair in itertools.product(SHAPES, CHANNELS)
]


@every_network
@pytest.mark.parametrize(("shape", "channels"), GRIDS)
def test_any_grid_and_any_channels(kind, shape, channels):
    i, o = channels
    make, small = NETWORKS[kind]

    def whole(key, x, condition):
        network = make(i, o, len(shape), **small, condition_features=3, key=key)
        return network(x, condition=condition)

    single = lambda *shape: jax.ShapeDtypeStruct(shape, jnp.float32)
    out = eqx.filter_eval_shape(whole, jax.random.key(0), single(2, *shape, i), single(2, 3))
    assert out.shape == (2, *shape, o)


@every_network
def test_shifts_along_the_periodic_axis_only(kind, build, noise):
    network, x = build(kind, 2, periodic=(True, False)), noise(2, 8, 8, 2)
    y = run(network, x)
    size = np.max(np.abs(y))
    along, across = (run(network, np.roll(x, 4, axis)) for axis in (1, 2))
    np.testing.assert_allclose(along, np.roll(y, 4, 1), atol=1e-5 * size)
    assert np.max(np.abs(across - np.roll(y, 4, 2))) > 0.01 * size


@pytest.mark.parametrize(("kind", "commutes"), [("unet", False), ("convnext_unet", False), ("dilated_resnet", True)])
def test_shifts_by_a_single_point(kind, commutes, build, noise):
    # halved grids know where their points are: without this the test of longer shifts would say little
    network, x = build(kind), noise(2, 16, 2)
    y = run(network, x)
    difference = np.max(np.abs(run(network, np.roll(x, 1, 1)) - np.roll(y, 1, 1))) / np.max(np.abs(y))
    assert (difference < 1e-5) == commutes
    assert commutes or difference > 0.01


@pytest.mark.parametrize("periodic", [True, False])
def test_the_receptive_field_wraps_around_periodic_ends_only(periodic, build, noise):
    network, x = build("dilated_resnet", periodic=periodic, activation="gelu"), noise(1, 32, 2)
    at_first = jax.jit(jax.grad(lambda x: jnp.sum(network(x)[0, 0])))(x)
    reach = 1 + (1 + 2) + 1  # of the first convolution, the block and the last one
    behind = set(range(reach + 1))
    before = {32 - i for i in range(1, reach + 1)}
    assert set(np.flatnonzero(np.any(np.asarray(at_first[0]) != 0, -1))) == behind | (before if periodic else set())


@pytest.mark.parametrize("kind", ["dilated_resnet", "convnext_unet"])
@pytest.mark.parametrize("periodic", [True, False])
def test_what_is_near_the_last_point_reaches_the_first_across_a_periodic_end_only(kind, periodic, build, noise):
    network, x = build(kind, periodic=periodic), noise(2, 64, 2)
    y, changed = run(network, x), run(network, x.at[:, 62:].set(0))
    difference = np.max(np.abs(changed - y)[:, :4]) / np.max(np.abs(y))
    assert (difference > 0.01) == periodic
    assert periodic or difference < 1e-6


@every_network
def test_condition_is_asked_for_and_used(kind, build, noise):
    network, x = build(kind, condition_features=2), noise(2, 16, 2)
    y = run(network, x, condition=noise(2, 2))
    assert np.max(np.abs(run(network, x, condition=noise(2, 2, seed=1)) - y)) > 0.01
    with pytest.raises(ValueError, match=r"got no condition, but this \w+ was built with condition_features"):
        network(x)
    with pytest.raises(ValueError, match=r"got a condition, but this \w+ was built without condition_features"):
        build(kind)(x, condition=noise(2, 2))
    with pytest.raises(ValueError, match=r"1 space axes, got a field .* of shape \(2, 8, 8, 2\)"):
        build(kind)(noise(2, 8, 8, 2))


@every_network
def test_sizes_that_do_not_fit_are_named(kind, build):
    with pytest.raises(ValueError, match="depth should be greater than or equal to 1, got 0"):
        build(kind, depth=0)
    with pytest.raises(ValueError, match=r"periodic must be one value or 2, one per axis, got \(True,\)"):
        build(kind, 2, periodic=(True,))
    with pytest.raises(ValueError, match="1 to 3 space axes, got 4"):
        build(kind, 4)


def test_unet_is_zero_at_first_and_learns_nevertheless(key, noise):
    x = noise(2, 8, 2)

    def start(key):
        network = UNet(2, 1, 1, width=4, multipliers=(1, 2), depth=1, key=key)
        last = lambda network: network.projection.weight
        loss = lambda weight: jnp.sum(eqx.tree_at(last, network, weight)(x))
        return network(x), jax.grad(loss)(last(network))

    y, gradient = jax.jit(start, compiler_options=QUICK)(key)
    assert np.max(np.abs(y)) == 0
    assert np.max(np.abs(gradient)) > 0.01


def test_groups_of_a_unet_are_equal(key):
    with pytest.raises(ValueError, match="groups should divide width=6, got 4"):
        UNet(1, 1, 1, width=6, groups=4, key=key)


def test_a_conditioned_paper_unet_has_the_size_of_the_published_one():
    build = lambda: UNet(2, 1, 1, width=64, multipliers=(1, 2, 4, 16), condition_features=1, key=jax.random.key(0))
    count = sum(leaf.size for leaf in jax.tree.leaves(eqx.filter_eval_shape(build)) if hasattr(leaf, "size"))
    # theirs only shifts by the condition, and goes up by transposed convolutions of four points, not of three
    blocks = 2 * (64 + 128 + 256 + 1024) + 2 * 1024 + 2 * (1024 + 256 + 128 + 64) + (256 + 128 + 64 + 64)
    assert count - 257 * blocks + (256**2 + 128**2 + 64**2) == pytest.approx(53.9e6, rel=0.005)
