import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pdejax.core import build
from pdejax.methods.supervised.losses import RelativeL2, check_loss, nrmse


def _wave(m, n=32, length=2 * np.pi):
    x = length * jnp.arange(float(n)) / n
    return jnp.cos(2 * jnp.pi * m * x / length)[None, :, None]


@pytest.mark.parametrize("order", [-2.0, -1.0, 0.0, 1.0, 2.0])
@pytest.mark.parametrize("m", [0, 1, 5, 16])
def test_sobolev_norm_of_a_single_mode(order, m, x64):
    loss = build("loss", {"kind": "sobolev", "order": order})
    mean_square = 1.0 if m in (0, 16) else 0.5  # a constant and the Nyquist mode are +-1 everywhere
    value = loss(_wave(m), _wave(1), (2 * np.pi,))
    np.testing.assert_allclose(value, [mean_square * (1 + m**2) ** order], rtol=1e-12)


def test_sobolev_order_one_is_error_plus_gradient_in_physical_units(x64):
    length, m = 5.0, 3
    u, k = _wave(m, length=length), 2 * np.pi * m / length
    value = build("loss", {"kind": "sobolev", "order": 1})(u, u, (length,))
    np.testing.assert_allclose(value, [0.5 + 0.5 * k**2], rtol=1e-12)


@pytest.mark.parametrize("shape", [(8,), (9,), (6, 7), (4, 6, 5)])
def test_sobolev_of_order_zero_is_the_mean_square(shape, key, x64):
    u = jax.random.normal(key, (3, *shape, 2))
    args = (u, u, (1.0,) * len(shape))
    np.testing.assert_allclose(
        build("loss", {"kind": "sobolev", "order": 0})(*args), build("loss", {"kind": "mse"})(*args)
    )


def test_relative_l2_ignores_the_scale(key):
    u = jax.random.normal(key, (2, 16, 1))
    loss = build("loss", {"kind": "relative_l2"})
    np.testing.assert_allclose(loss(0.1 * u, u, (1.0,)), [0.1, 0.1], rtol=1e-6)
    np.testing.assert_allclose(loss(0.7 * u, 7 * u, (1.0,)), [0.1, 0.1], rtol=1e-6)


def test_relative_l2_of_nothing_and_of_an_exact_prediction():
    """A state of norm zero makes no infinite loss, and an exact prediction has a gradient of zero."""
    loss, u = build("loss", {"kind": "relative_l2"}), _wave(1)
    assert loss(0 * u, u, (1.0,)) == loss(0 * u, 0 * u, (1.0,)) == 0
    # as if the state were as small as the floor
    np.testing.assert_allclose(loss(0.03 * u, 0 * u, (1.0,)), 0.03 * np.sqrt(0.5) / 0.01, rtol=1e-5)
    np.testing.assert_allclose(loss(0.03 * u, 1e-14 * u, (1.0,)), 0.03 * np.sqrt(0.5) / 0.01, rtol=1e-5)
    slope = jax.grad(lambda error, reference: loss(error, reference, (1.0,)).sum(), argnums=(0, 1))
    for reference in (u, 0 * u):
        assert all(not np.asarray(x).any() for x in slope(0 * u, reference))
    assert np.isfinite(slope(u, 0 * u)[0]).all()
    with pytest.raises(ValueError, match="floor should be greater than or equal to 0"):
        build("loss", {"kind": "relative_l2", "floor": -1.0})


def test_training_metrics_of_a_state_that_is_zero_are_numbers():
    """One sample that has decayed to nothing does not make the mean of a log line infinite."""
    truth = jnp.concatenate([2 * _wave(1), 0 * _wave(1)])
    error = jnp.concatenate([_wave(1), _wave(1)])
    np.testing.assert_allclose(nrmse(error, truth), [0.5, np.linalg.norm(_wave(1))], rtol=1e-6)
    assert nrmse(0 * error, truth).tolist() == [0, 0]


def test_unknown_loss_names_the_nearest():
    with pytest.raises(ValueError, match=r"unknown loss 'mze'. Did you mean 'mse'"):
        build("loss", {"kind": "mze"})


@pytest.mark.parametrize("error", [lambda error, truth, lengths: error, "l2", None, 0.5])
def test_what_is_no_loss_is_told(error):
    with pytest.raises(ValueError, match=r"error is an object such as pdejax\.methods\.RelativeL2\(\), your own of a"):
        check_loss(error)
    check_loss(RelativeL2())
