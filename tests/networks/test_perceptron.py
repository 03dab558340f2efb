import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pdejax.core import registered
from pdejax.networks import Perceptron

SHAPES = [(), (5,), (3, 4), (2, 3, 2)]
every_dimension = pytest.mark.parametrize("shape", SHAPES, ids=lambda s: f"{len(s)}D")


@pytest.fixture
def build(drawn):
    return lambda ndim, **options: drawn(lambda key: Perceptron(2, 3, ndim, **{"width": 6} | options, key=key))


def by_hand(network, x, condition):
    """The perceptron in NumPy, point after point."""
    out = np.zeros((*x.shape[:-1], 3))
    for point in np.ndindex(*x.shape[:-1]):
        y = np.asarray(x[point])
        for i, layer in enumerate(network.layers):
            y = np.concatenate([np.tanh(y) if i else y, condition[point[0]]]) @ layer.weight + layer.bias
        out[point] = y
    return out


@every_dimension
@pytest.mark.parametrize("depth", [1, 3])
def test_it_is_the_perceptron_of_each_point_and_the_condition(shape, depth, build, noise, x64):
    network = build(len(shape), depth=depth, condition_features=2)
    x, condition = noise(3, *shape, 2), noise(3, 2, seed=1)
    y = network(x, condition=condition)
    assert y.shape == (3, *shape, 3)
    np.testing.assert_allclose(y, by_hand(network, x, np.asarray(condition)), atol=1e-12)


@every_dimension
def test_without_a_condition(shape, build, noise, x64):
    network, x = build(len(shape)), noise(3, *shape, 2)
    np.testing.assert_allclose(network(x), by_hand(network, x, np.zeros((3, 0))), atol=1e-12)


@pytest.mark.parametrize("shape", SHAPES[1:], ids=lambda s: f"{len(s)}D")
def test_a_point_depends_on_itself_alone(shape, build, noise):
    network, x = build(len(shape), condition_features=2), noise(2, *shape, 2)
    here = (1, *(n - 1 for n in shape))
    direction = jnp.zeros_like(x).at[here].set(1)
    _, change = jax.jvp(lambda x: network(x, condition=jnp.ones((2, 2))), (x,), (direction,))
    assert float(jnp.min(jnp.abs(change[here]))) > 1e-3
    assert float(jnp.max(jnp.abs(change.at[here].set(0)))) == 0


def test_every_layer_sees_the_condition(build, noise):
    network = build(0, depth=2, condition_features=1)
    rows = lambda network: tuple(layer.weight for layer in network.layers)
    blind = lambda keep: eqx.tree_at(
        rows, network, tuple(w if i == keep else w.at[-1].set(0) for i, w in enumerate(rows(network)))
    )
    for keep in range(3):
        change = jax.grad(lambda c, keep=keep: jnp.sum(blind(keep)(noise(1, 2), condition=c[None, None])))
        assert abs(float(change(jnp.array([0.3])[0]))) > 1e-3


@pytest.mark.parametrize("activation", list(registered("activation")))
def test_what_comes_out_is_about_as_large_as_what_comes_in(activation, key):
    network = Perceptron(64, 64, 0, width=128, activation=activation, key=key)
    size = float(jnp.std(network(jax.random.normal(key, (500, 64)))))
    assert 0.5 < size < 1.2


def test_shapes_that_do_not_fit_are_named(build, noise):
    vectors, fields = build(0), build(2, condition_features=2)
    with pytest.raises(ValueError, match=r"has 0 space axes and 2 channels, got a field .* of shape \(4, 5, 2\)"):
        vectors(noise(4, 5, 2))
    with pytest.raises(ValueError, match=r"has 0 space axes and 2 channels, got a field .* of shape \(4, 3\)"):
        vectors(noise(4, 3))
    with pytest.raises(ValueError, match="got a condition, but this Perceptron was built without condition_features"):
        vectors(noise(4, 2), condition=noise(4, 2))
    with pytest.raises(ValueError, match="got no condition, but this Perceptron was built with condition_features"):
        fields(noise(4, 3, 3, 2))
    with pytest.raises(ValueError, match=r"should be of shape \(4, 2\), got \(4, 1\)"):
        fields(noise(4, 3, 3, 2), condition=noise(4, 1))


def test_options_that_do_not_fit_are_named(build):
    with pytest.raises(ValueError, match="0 to 3 space axes, got 4"):
        build(4)
    with pytest.raises(ValueError, match="depth should be greater than or equal to 1, got 0"):
        build(0, depth=0)
    with pytest.raises(ValueError, match="Did you mean 'tanh'"):
        build(0, activation="tan")
