import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pdejax.core import resample
from pdejax.networks import FNO, FNOBlock


def initial(ndim, key, in_channels=2, out_channels=3, **options):
    options = {"modes": 3, "width": 8, "depth": 2, **options}
    return FNO(in_channels, out_channels, ndim, **options, key=key)


@pytest.fixture
def fno(drawn):
    return lambda ndim, **options: drawn(lambda key: initial(ndim, key, **options))


@eqx.filter_jit
def compiled(net, x, **arguments):
    return net(x, **arguments)


def run(net, x, **arguments):
    """The result in NumPy, where nothing that is done with it has to be compiled."""
    return np.asarray(compiled(net, jnp.asarray(x), **arguments))


resampled = jax.jit(resample, static_argnums=1)


def gelu(x):
    return 0.5 * x * (1 + np.tanh((2 / np.pi) ** 0.5 * (x + 0.044715 * x**3)))


@pytest.mark.parametrize("last", [False, True])
def test_block_matches_an_independent_rendering(last, noise, drawn, x64):
    block = drawn(lambda key: FNOBlock(4, (3,), last=last, key=key))
    x = np.asarray(noise(2, 9, 4))
    weight = np.asarray(block.spectral.weight_re) + 1j * np.asarray(block.spectral.weight_im)
    spectrum = np.zeros((2, 5, 4), complex)
    spectrum[:, :3] = np.einsum("bki,kio->bko", np.fft.rfft(x, axis=1)[:, :3], weight)
    w = jax.tree.map(np.asarray, block)
    a = gelu(np.fft.irfft(spectrum, n=9, axis=1) + w.spectral.bias + x @ w.skip.weight)
    mlp = gelu(a @ w.mlp.hidden.weight + w.mlp.hidden.bias) @ w.mlp.out.weight + w.mlp.out.bias
    expected = mlp + w.mlp_skip.weight * x
    np.testing.assert_allclose(run(block, jnp.asarray(x)), expected if last else gelu(expected), atol=1e-13)


def test_number_of_parameters(fno):
    net = fno(2, modes=(4, 3), width=6, depth=2, condition_features=5)
    lifting, projection = (2 * 12 + 12) + (12 * 6 + 6), (6 * 12 + 12) + (12 * 3 + 3)
    embedding = (5 * 6 + 6) + (6 * 6 + 6)
    spectral, skip, film, mlp, gate = 2 * 7 * 3 * 6 * 6 + 6, 6 * 6, 6 * 12 + 12, (6 * 3 + 3) + (3 * 6 + 6), 6
    total = lifting + projection + embedding + 2 * (spectral + skip + film + mlp + gate)
    assert sum(a.size for a in jax.tree.leaves(net)) == total


@pytest.mark.parametrize(("shape", "shift"), [((16,), (5,)), ((11, 12), (3, 7))])
@pytest.mark.parametrize("options", [{}, {"norm": "instance", "skip": "identity"}])
def test_commutes_with_shifts_of_a_periodic_box(shape, shift, options, noise, fno):
    net = fno(len(shape), **options)
    x = noise(2, *shape, 2)
    axes = tuple(range(1, 1 + len(shape)))
    difference = run(net, np.roll(x, shift, axes)) - np.roll(run(net, x), shift, axes)
    assert np.max(np.abs(difference)) < 1e-5


def test_coordinates_break_the_symmetry_they_are_meant_to(noise, fno):
    net = fno(1, embedding="coordinates")
    x = noise(2, 16, 2)
    assert np.max(np.abs(run(net, np.roll(x, 5, 1)) - np.roll(run(net, x), 5, 1))) > 1e-2


def test_another_resolution_gives_the_same_function(trigonometric, fno):
    # activations create frequencies beyond the grid, whose aliases vanish as it is refined
    field = trigonometric(1, 3, 2)
    net = fno(1)
    coarse, *finer = (run(net, np.float32(field((n,)))) for n in (32, 63, 128))
    fine, finest = (np.asarray(resampled(y, (32,))) for y in finer)
    scale = np.max(np.abs(finer[-1]))
    assert np.max(np.abs(fine - finest)) < 1e-4 * scale
    assert np.max(np.abs(coarse - finest)) < 1e-2 * scale


@pytest.mark.parametrize(("shape", "new"), [((32,), (48,)), ((16, 15), (13, 24))])
def test_output_shape_samples_the_last_block_there(shape, new, trigonometric, fno, x64):
    # with linear skips and the MLP left out the last block is linear: its result on the new grid is the interpolant
    net = fno(len(shape), channel_mlp_ratio=0.0)
    y = jnp.asarray(trigonometric(len(shape), 3, 8)(shape))
    last = net.blocks[-1]
    np.testing.assert_allclose(run(last, y, shape=new), resampled(run(last, y), new), atol=1e-12)
    x = jnp.asarray(trigonometric(len(shape), 3, 2)(shape))
    hidden = run(last, run(net.blocks[0], run(net.lifting, x)), shape=new)
    np.testing.assert_allclose(run(net, x, shape=new), run(net.projection, hidden), atol=1e-12)


def plain(block):
    """The block with unit matrices for kernel and skip, and no bias: what it adds up is twice its input."""
    one = lambda a: jnp.asarray(np.broadcast_to(np.eye(a.shape[-1]), a.shape), a.dtype)
    zero = lambda a: jnp.asarray(np.zeros(a.shape), a.dtype)
    where = lambda b: (b.spectral.weight_re, b.spectral.weight_im, b.spectral.bias, b.skip.weight)
    re, im, bias, skip = where(block)
    return eqx.tree_at(where, block, (one(re), zero(im), zero(bias), one(skip)))


# the first is the peer's own example; then single axes, odd sizes, factors that do not divide, and back again
@pytest.mark.parametrize(
    ("shape", "scaling", "expected"),
    [
        ((16,), [1, 0.5, 1, 2], [(16,), (8,), (8,), (16,)]),
        ((17,), [0.5, 2], [(8,), (17,)]),
        ((16, 16), [2, 0.5], [(32, 32), (16, 16)]),
        ((16, 15), [(1, 2), (1.5, 0.5)], [(16, 30), (24, 15)]),
        ((9, 8), [(0.9, 1), (1, 1.4)], [(8, 8), (8, 11)]),
        ((8, 9, 7), [(1, 1, 2), (0.9, 1.5, 0.5)], [(8, 9, 14), (7, 14, 7)]),
    ],
)
def test_scaling_samples_the_same_function_on_the_new_grid(shape, scaling, expected, trigonometric, fno, x64):
    field = trigonometric(len(shape), 3, 8)
    net = fno(len(shape), depth=len(scaling), scaling=scaling, channel_mlp_ratio=0.0, activation="relu")
    assert net._grids(shape, None) == expected
    last, y = plain(net.blocks[-1]), field(shape)
    for grid in expected:
        y = run(last, jnp.asarray(y), shape=grid) / 2
        np.testing.assert_allclose(y, field(grid), atol=1e-13)


def test_scaling_is_the_blocks_own_change_of_grid(trigonometric, fno, x64):
    net = fno(2, scaling=[(1, 0.5), 1.5], channel_mlp_ratio=0.0)
    x = trigonometric(2, 3, 2)((12, 9))
    y = run(net.blocks[0], run(net.lifting, x), shape=(12, 4))
    for shape in (None, (7, 7)):
        expected = run(net.projection, run(net.blocks[1], y, shape=shape or (18, 7)))
        np.testing.assert_allclose(run(net, x, shape=shape), expected, atol=1e-12)


def test_scaling_of_the_periodic_axis_beside_a_padded_bounded_one(noise, fno):
    net = fno(2, depth=2, periodic=(True, False), padding=0.25, scaling=[(0.5, 1), (3, 1)])
    assert run(net, noise(1, 10, 8, 2)).shape == (1, 15, 8, 3)


def test_the_last_block_may_go_without_its_activation(noise, drawn, x64):
    make = lambda **options: drawn(lambda key: FNOBlock(4, (3,), last=True, key=key, **options))
    x = noise(2, 9, 4)
    block, w = make(final_activation=False), make()
    a = run(w.spectral, x) + run(w.skip, x)
    np.testing.assert_allclose(run(block, x), run(w.mlp, a) + run(w.mlp_skip, x), atol=1e-13)


def test_condition_changes_the_output_and_gets_a_gradient(noise, fno):
    net = fno(1, condition_features=2)
    x, condition = noise(3, 16, 2), jnp.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    base = run(net, x, condition=jnp.zeros((3, 2)))
    change = np.max(np.abs(run(net, x, condition=condition) - base), (1, 2))
    assert change[0] < 1e-6
    assert np.min(change[1:]) > 1e-3
    gradient = jax.jit(jax.grad(lambda c: jnp.sum(net(x, condition=c) ** 2)))(condition)
    assert np.min(np.abs(gradient)) > 0


def test_condition_is_given_exactly_when_the_network_has_one(fno):
    x = jnp.zeros((1, 8, 2))
    with pytest.raises(ValueError, match="got no condition, but this FNO was built with"):
        fno(1, condition_features=2)(x)
    with pytest.raises(ValueError, match="got a condition, but this FNO was built without"):
        fno(1)(x, condition=jnp.zeros((1, 2)))


@pytest.mark.parametrize(
    "options",
    [{"kernel": "fft"}, {"norm": "group", "condition_features": 2}, {"periodic": (True, False), "padding": 0.25}],
)
def test_batch_is_vmap(options, noise, fno, x64):
    net = fno(2, **options)
    x, condition = noise(3, 9, 8, 2), noise(3, 2) if net.embed else None
    one = lambda x, c: net(x[None], condition=None if c is None else c[None])[0]
    np.testing.assert_allclose(jax.jit(jax.vmap(one))(x, condition), run(net, x, condition=condition), atol=1e-12)


def test_jit_is_eager(noise, fno, x64):
    net, x = fno(1, depth=1), noise(2, 16, 2)
    np.testing.assert_allclose(run(net, x), net(x), atol=1e-12)


def test_gradient_matches_finite_differences(noise, fno, x64):
    net = fno(1, norm="instance", condition_features=2)
    x, condition = noise(2, 8, 2), noise(2, 2)
    towards = jax.tree.map(lambda w: noise(*w.shape, seed=1), net)
    loss = lambda s: jnp.sum(jax.tree.map(lambda w, d: w + s * d, net, towards)(x, condition=condition) ** 2)
    value = jax.jit(loss)
    np.testing.assert_allclose(jax.jit(jax.grad(loss))(0.0), (value(1e-5) - value(-1e-5)) / 2e-5, rtol=1e-7)


@pytest.mark.long
@pytest.mark.parametrize(
    "options", [{}, *(pytest.param({"channel_mlp_ratio": r}, marks=pytest.mark.long) for r in (0.0, 1.0))]
)
def test_activations_keep_their_size_through_eight_blocks(options, trigonometric, key):
    x = trigonometric(1, 5, 2, batch=4)((32,))
    x = jnp.asarray(x / x.std(), jnp.float32)

    def growth(key):
        net = initial(1, key, width=64, modes=8, depth=8, **options)
        first = y = net.lifting(x)
        for block in net.blocks:
            y = block(y)
        return jnp.log(jnp.mean(y**2) / jnp.mean(first**2))

    # single networks scatter, since activations have a mean that adds up; what counts is that none of it is systematic
    growths = jax.jit(jax.vmap(growth))(jax.random.split(key, 8))
    assert abs(float(jnp.mean(growths))) < np.log(3)


def test_padding_is_a_wider_box_with_zeros(noise, fno):
    # lifting without biases keeps zeros, so the box may as well be widened before
    options = {"periodic": False, "embedding": "none"}
    unbiased = lambda net: eqx.tree_at(
        lambda n: (n.lifting.hidden.bias, n.lifting.out.bias), net, (jnp.zeros(16), jnp.zeros(8))
    )
    x = noise(2, 16, 2)
    wide = run(unbiased(fno(1, **options)), np.pad(x, [(0, 0), (0, 4), (0, 0)]))
    np.testing.assert_allclose(run(unbiased(fno(1, padding=1 / 3, **options)), x), wide[:, :16], atol=1e-5)


def test_refuses_what_does_not_fit(fno):
    with pytest.raises(ValueError, match="modes must be one value or 2, one per axis"):
        fno(2, modes=(3, 3, 3))
    with pytest.raises(ValueError, match="padding is a part of the bounded axes"):
        fno(1, padding=0.1)
    with pytest.raises(ValueError, match=r"unknown norm 'instanse'. Did you mean 'instance'"):
        fno(1, norm="instanse")
    with pytest.raises(ValueError, match=r"unknown activation 'gelo'. Did you mean 'gelu'"):
        fno(1, activation="gelo")
    with pytest.raises(ValueError, match=r"unknown embedding 'coords'"):
        fno(1, embedding="coords")
    with pytest.raises(ValueError, match="periodic must be one value or 2"):
        fno(2, periodic=(True,))
    with pytest.raises(ValueError, match="an output shape needs periodic axes"):
        fno(1, periodic=False)(jnp.zeros((1, 8, 2)), shape=(16,))
    with pytest.raises(ValueError, match="scaling changes periodic axes only"):
        fno(2, periodic=(True, False), scaling=[1, 0.5])
    with pytest.raises(ValueError, match="one positive factor, or 2, for each of 2 blocks"):
        fno(2, scaling=[1, 0.5, 2])
    with pytest.raises(ValueError, match=r"this FNO has 1 space axes, got a field .* of shape \(1, 8, 8, 2\)"):
        fno(1)(jnp.zeros((1, 8, 8, 2)))
    for shape in ((16,), (16, 0)):
        with pytest.raises(ValueError, match="shape should be 2 positive numbers of points, one per axis, got"):
            fno(2)(jnp.zeros((1, 8, 8, 2)), shape=shape)


def test_numbers_and_flags_of_numpy_are_those_of_python(fno):
    net = fno(2, modes=np.int64(3), width=np.int32(4), periodic=np.bool_(True))
    other = fno(2, modes=[np.int64(3), 3], width=4, periodic=(np.bool_(True), True))
    assert net.periodic == other.periodic == (True, True)
    for one in (net, other):
        assert one.blocks[0].spectral.modes == (3, 3)
        assert {type(m) for m in (*one.blocks[0].spectral.modes, *one.periodic)} == {int, bool}
    with pytest.raises(ValueError, match="width should be greater than or equal to 1, got 0"):
        fno(2, width=np.int64(0))


def test_a_ratio_that_is_not_zero_leaves_a_hidden_channel(fno):
    assert fno(1, width=4, channel_mlp_ratio=0.1).blocks[0].mlp.hidden.weight.shape == (4, 1)
    assert fno(1, width=4, channel_mlp_ratio=0).blocks[0].mlp is None


@pytest.mark.parametrize(
    ("options", "space", "sentence"),
    [
        ({"modes": 5}, (8,), None),  # 0 to the Nyquist frequency
        ({"modes": 6}, (8,), "modes should be at most 5 on an axis of 8 points, .* got 6"),
        ({"modes": [3, 6]}, (16, 8), "modes should be at most 5 on an axis of 8 points, .* got 6"),
        ({"modes": 6, "periodic": False, "padding": 0.25}, (9,), None),  # 10 points with the room behind them
        ({"modes": 6, "periodic": True}, (9,), "modes should be at most 5 on an axis of 9 points"),
        ({"modes": 5, "scaling": [0.5, 2]}, (8,), "modes should be at most 3 on an axis of 4 points, .* got 5"),
        ({"modes": 5, "scaling": [2, 0.5]}, (8,), None),
    ],
)
def test_a_grid_that_would_leave_weights_untrained_is_told(options, space, sentence):
    net = eqx.filter_eval_shape(lambda: initial(len(space), jax.random.key(0), **options))
    if sentence is None:
        return net.check_grid(space)
    with pytest.raises(ValueError, match=sentence):
        net.check_grid(space)


@pytest.mark.parametrize("modes", [5, 6])
def test_check_grid_says_which_weights_have_no_gradient(modes, fno, key):
    net = fno(1, modes=modes, depth=1)
    x = jax.random.normal(key, (2, 8, 2))
    weight = eqx.filter_jit(eqx.filter_grad(lambda net: jnp.sum(net(x) ** 2)))(net).blocks[0].spectral.weight_re
    used = np.asarray(jnp.abs(weight).sum((1, 2)) > 0)
    np.testing.assert_array_equal(used, np.arange(modes) < 5)
