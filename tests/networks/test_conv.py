"""Convolutions and changes of scale against direct sums, and the form of their derivatives."""

import itertools
import re

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from pdejax.networks import Conv
from pdejax.networks.layers.convolve import convolve
from pdejax.networks.layers.scale import PatchUp, RepeatUp, repeat_points


def run(layer, x, *grid):
    """In one program, and the result in NumPy."""
    return np.asarray(jax.jit(lambda x: layer(x, *grid))(x))


def direct(x, weight, periodic, stride=1, dilation=1):
    """The sum over the kernel's points, each the field rolled, or moved with zeros coming in."""
    kernel, y = weight.shape[:-2], 0.0
    for point in itertools.product(*map(range, kernel)):
        moved = x
        for axis, (p, size, wraps) in enumerate(zip(point, kernel, periodic, strict=True), start=1):
            by = p * dilation - dilation * (size - 1) // 2
            index = np.arange(x.shape[axis]) + by
            inside = wraps | ((index >= 0) & (index < x.shape[axis]))
            along = (1,) * axis + (-1,) + (1,) * (x.ndim - axis - 1)
            moved = np.take(moved, index % x.shape[axis], axis) * inside.reshape(along)
        y = y + moved @ weight[point]
    return y[(slice(None), *(slice(None, None, stride),) * len(kernel))]


CASES = [
    ((10,), (True,), {}),
    ((11,), (False,), {"stride": 2}),
    ((11,), (True,), {"stride": 2, "kernel_size": 2}),
    ((5,), (True,), {"dilation": 8}),
    ((2,), (True,), {"kernel_size": 7}),
    ((6, 7), (True, False), {}),
    ((8, 6), (True, True), {"stride": 2}),
    ((9, 8), (False, True), {"dilation": 2}),
    ((4, 5, 6), (True, False, True), {}),
    ((4, 5, 6), (True, True, True), {"stride": 2}),
    ((4, 5, 4), (False, True, False), {"dilation": 2}),
]


@pytest.mark.parametrize(("shape", "periodic", "options"), CASES)
def test_convolution_is_the_direct_sum(shape, periodic, options, noise, drawn, x64):
    options = {"kernel_size": 3, **options}
    conv = drawn(lambda key: Conv(3, 4, ndim=len(shape), periodic=periodic, key=key, **options))
    x = noise(2, *shape, 3)
    options.pop("kernel_size")
    expected = direct(np.asarray(x), np.asarray(conv.weight), periodic, **options) + np.asarray(conv.bias)
    assert np.all(np.asarray(conv.bias) != 0)
    np.testing.assert_allclose(run(conv, x), expected, atol=1e-13)


@pytest.mark.parametrize(("shape", "periodic", "options"), [c for c in CASES if "stride" not in c[2]])
def test_depthwise_convolution_is_the_direct_sum(shape, periodic, options, noise, drawn, x64):
    options = {"kernel_size": 3, **options}
    conv = drawn(lambda key: Conv(3, 3, ndim=len(shape), periodic=periodic, depthwise=True, key=key, **options))
    x = noise(2, *shape, 3)
    each = np.asarray(conv.weight) * np.eye(3)
    expected = direct(np.asarray(x), each, periodic, dilation=options.get("dilation", 1)) + np.asarray(conv.bias)
    np.testing.assert_allclose(run(conv, x), expected, atol=1e-13)


@pytest.mark.parametrize(("shape", "stride", "dilation"), [((9,), 2, 1), ((6, 7), 1, 2), ((5, 5, 6), 2, 2)])
def test_derivatives_agree_with_differences(shape, stride, dilation, noise, x64):
    x, weight = noise(1, *shape, 2), noise(*(3,) * len(shape), 2, 1)
    square = jax.jit(lambda x, weight: convolve(x, weight, stride, dilation) ** 2)
    check_grads(square, (x, weight), 1, modes=["fwd", "rev"])


@pytest.mark.parametrize("shape", [(9,), (6, 7)])
def test_second_derivatives_agree_with_differences(shape, noise, x64):
    x, weight = noise(1, *shape, 1), noise(*(3,) * len(shape), 1, 1)
    check_grads(jax.jit(lambda x, weight: convolve(x, weight, 2) ** 2), (x, weight), 2, modes=["fwd", "rev"])


@pytest.mark.parametrize("shape", [(8,), (6, 8), (4, 4, 4)])
def test_derivatives_have_the_axes_that_are_fast_in_loops(shape, noise):
    # XLA's CPU compiler mends the order of axes outside of loops only: 50 times the time of a gradient inside one
    x, weight = noise(2, *shape, 3), noise(*(3,) * len(shape), 3, 4)
    gradient = jax.grad(lambda x, w: jnp.sum(convolve(x, w) ** 2), (0, 1))
    text = jax.jit(gradient).lower(x, weight).as_text()
    numbers = re.findall(r"dim_numbers = (\S.*?), window", text)
    space = ", ".join(map(str, range(len(shape) if len(shape) < 3 else 2)))
    assert len(numbers) >= 3
    assert set(numbers) == {f"[b, {space}, f]x[{space}, i, o]->[b, {space}, f]"}


def test_a_derivative_in_one_argument_costs_two_convolutions(noise):
    x, weight = noise(2, 9, 3), noise(3, 3, 4)
    loss = lambda x, weight: jnp.sum(convolve(x, weight) ** 2)
    text = lambda which: str(jax.make_jaxpr(jax.grad(loss, which))(x, weight))
    assert [text(which).count(" conv_general_dilated[") for which in (0, 1, (0, 1))] == [2, 2, 3]

    def each_way(x, weight):
        both = jax.grad(loss, (0, 1))
        alone = jax.grad(loss)(x, weight), jax.grad(loss, 1)(x, weight)
        mapped = jax.vmap(lambda one: jax.grad(loss)(one[None], weight)[0])(x)
        return both(x, weight), alone, mapped

    (by_x, by_weight), alone, mapped = jax.jit(each_way)(x, weight)
    for found, expected in ((alone[0], by_x), (alone[1], by_weight), (mapped, by_x)):
        np.testing.assert_allclose(found, expected, atol=1e-5 * np.max(np.abs(expected)))


def test_convolution_keeps_the_variance(key, noise):
    x = noise(4, 16, 16, 32)
    for depthwise in (False, True):
        make = lambda key, depthwise=depthwise: Conv(32, 32, 3, 2, periodic=(True, True), depthwise=depthwise, key=key)
        assert 0.85 < np.var(run(eqx.filter_jit(make)(key), x)) < 1.15


def test_mistakes_are_named(key):
    with pytest.raises(ValueError, match="one flag for each, got 2 and"):
        Conv(1, 1, 3, 2, periodic=(True,), key=key)
    sizes = {"in_channels": 1, "out_channels": 1, "kernel_size": 3, "stride": 1, "dilation": 1}
    for name in sizes:
        with pytest.raises(ValueError, match=f"{name} must be positive, got 0"):
            Conv(**sizes | {name: 0}, ndim=1, periodic=(True,), key=key)
    with pytest.raises(ValueError, match="keeps channels and grid, got 2 to 4 channels with stride 1"):
        Conv(2, 4, 3, 1, periodic=(True,), depthwise=True, key=key)


@pytest.mark.parametrize("fine", [(6, 8, 10), (5, 7, 9)])
def test_points_are_repeated(fine, noise):
    x = noise(2, 3, 4, 5, 1)
    index = np.ix_(*(np.arange(n) // 2 for n in fine))
    np.testing.assert_array_equal(repeat_points(x, fine), np.asarray(x)[(slice(None), *index)])


@pytest.mark.parametrize("shape", [(8,), (4, 6), (4, 2, 6)])
def test_the_way_down_and_up_shifts_by_one_coarse_point(shape, noise, drawn, x64):
    ndim, fine = len(shape), tuple(2 * n for n in shape)
    down = drawn(lambda key: Conv(2, 3, 3, ndim, periodic=(True,) * ndim, stride=2, key=key))
    x, axes = noise(2, *fine, 2), tuple(range(1, ndim + 1))
    y, moved = run(down, x), run(down, np.roll(x, (2,) * ndim, axes))
    np.testing.assert_allclose(moved, np.roll(y, (1,) * ndim, axes), atol=1e-14)
    ways = (lambda key: RepeatUp(3, periodic=(True,) * ndim, key=key), lambda key: PatchUp(3, 2, ndim, key=key))
    for up in map(drawn, ways):
        shifted = run(up, np.roll(y, (1,) * ndim, axes), fine)
        np.testing.assert_allclose(shifted, np.roll(run(up, y, fine), (2,) * ndim, axes), atol=1e-14)


def test_patches_are_a_transposed_convolution(noise, drawn, x64):
    up, x = drawn(lambda key: PatchUp(3, 2, 2, key=key)), noise(2, 4, 5, 3)
    weight = np.asarray(up.linear.weight).reshape(3, 2, 2, 2)
    bias = np.asarray(up.linear.bias).reshape(1, 2, 1, 2, 2)
    expected = (np.einsum("bxyi,ipqo->bxpyqo", x, weight) + bias).reshape(2, 8, 10, 2)
    np.testing.assert_allclose(run(up, x, (8, 10)), expected, atol=1e-14)
    np.testing.assert_allclose(run(up, x, (7, 9)), expected[:, :7, :9], atol=1e-14)
