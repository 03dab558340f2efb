import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pdejax.core import registered
from pdejax.networks import Perceptron

SHAPES = [(), (5,), (3, 4), (2, 3, 2)]
# a point is a point in any dimension
FEW = [(), (3, 4)]
every_dimension = pytest.mark.parametrize(
    "shape", [s if s in FEW else pytest.param(s, marks=pytest.mark.long) for s in SHAPES], ids=lambda s: f"{len(s)}D"
)


@pytest.fixture
def build(drawn):
    return lambda ndim, **options: drawn(lambda key: Perceptron(2, 3, ndim, **{"width": 6} | options, key=key))


@eqx.filter_jit
def run(network, x, condition=None):
    return network(x, condition=condition)


def by_hand(network, x, condition):
    """The perceptron in NumPy, point after point."""
    out = np.zeros((*x.shape[:-1], 3))
    for point in np.ndindex(*x.shape[:-1]):
        y = np.asarray(x[point])
        for i, layer in enumerate(network.layers):
            weight, bias = np.asarray(layer.weight), np.asarray(layer.bias)
            y = np.concatenate([np.tanh(y) if i else y, condition[point[0]]]) @ weight + bias
        out[point] = y
    return out


@every_dimension
@pytest.mark.parametrize("depth", [1, 3])
def test_it_is_the_perceptron_of_each_point_and_the_condition(shape, depth, build, noise, x64):
    network = build(len(shape), depth=depth, condition_features=2)
    x, condition = noise(3, *shape, 2), noise(3, 2, seed=1)
    y = run(network, x, condition)
    assert y.shape == (3, *shape, 3)
    np.testing.assert_allclose(y, by_hand(network, x, np.asarray(condition)), atol=1e-12)


@every_dimension
def test_without_a_condition(shape, build, noise, x64):
    network, x = build(len(shape)), noise(3, *shape, 2)
    np.testing.assert_allclose(run(network, x), by_hand(network, x, np.zeros((3, 0))), atol=1e-12)


@every_dimension
def test_a_point_depends_on_itself_alone(shape, build, noise):
    network, x = build(len(shape), condition_features=2), noise(2, *shape, 2)
    here = (1, *(n - 1 for n in shape))
    direction = np.zeros(x.shape, np.float32)
    direction[here] = 1
    call = lambda x: network(x, condition=jnp.ones((2, 2)))
    change = np.array(jax.jit(lambda x, to: jax.jvp(call, (x,), (to,))[1])(x, direction))
    assert np.min(np.abs(change[here])) > 1e-3
    change[here] = 0
    assert np.max(np.abs(change)) == 0


def test_every_layer_sees_the_condition(build, noise):
    network = build(0, depth=2, condition_features=1)
    rows = lambda network: tuple(layer.weight for layer in network.layers)
    blind = lambda keep: eqx.tree_at(
        rows, network, tuple(w if i == keep else w.at[-1].set(0) for i, w in enumerate(rows(network)))
    )
    total = lambda c, keep: jnp.sum(blind(keep)(noise(1, 2), condition=c[None, None]))
    changes = jax.jit(lambda c: [jax.grad(total)(c, keep) for keep in range(3)])(0.3)
    assert np.min(np.abs(changes)) > 1e-3


@pytest.mark.parametrize("activation", list(registered("activation")))
def test_what_comes_out_is_about_as_large_as_what_comes_in(activation, key):
    make = lambda key: Perceptron(64, 64, 0, width=128, activation=activation, key=key)
    size = jax.jit(lambda key: jnp.std(make(key)(jax.random.normal(key, (500, 64)))))(key)
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
    with pytest.raises(ValueError, match=r"should be of shape .* \(4, 2\), got \(4, 1\)"):
        fields(noise(4, 3, 3, 2), condition=noise(4, 1))


def test_options_that_do_not_fit_are_named(build):
    with pytest.raises(ValueError, match="0 to 3 space axes, got 4"):
        build(4)
    with pytest.raises(ValueError, match="depth should be greater than or equal to 1, got 0"):
        build(0, depth=0)
    with pytest.raises(ValueError, match="Did you mean 'tanh'"):
        build(0, activation="tan")
