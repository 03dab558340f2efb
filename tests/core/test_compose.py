import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pdejax.core import Alternating, Average, trajectory


def times(factor):
    return lambda u, *, key=None: factor * u


def test_every_third_step_is_the_other_one():
    stepper = Alternating(times(2.0), times(5.0), 3, 0.8)
    states = trajectory(stepper, jnp.ones(1), 9)
    factors = np.diff(np.log(np.r_[1.0, np.asarray(states)[:, 0]]))
    np.testing.assert_allclose(np.exp(factors), [2, 2, 5] * 3, rtol=1e-5)
    late = trajectory(stepper.at(1.6), jnp.ones(1), 2)
    np.testing.assert_allclose(late[:, 0], [5, 10], rtol=1e-6)
    assert float(jax.grad(lambda u: stepper.at(1.6)(u).sum())(jnp.ones(1))[0]) == 5


def test_alternating_hands_the_key_on():
    noisy = lambda u, *, key=None: u + jax.random.normal(key, u.shape)
    stepper, u = Alternating(noisy, noisy, 2, 1.0), jnp.zeros(4)
    key = jax.random.key(3)
    np.testing.assert_array_equal(stepper(u, key=key), noisy(u, key=key))


def test_average_of_steps():
    np.testing.assert_allclose(Average((times(2.0), times(5.0)))(jnp.ones(3)), 3.5)
    noisy = lambda u, *, key=None: u + jax.random.normal(key, u.shape)
    many = Average((noisy,) * 16)(jnp.zeros(4000), key=jax.random.key(0))
    assert float(jnp.std(many)) == pytest.approx(0.25, rel=0.1)


class Model(eqx.Module):
    calls: int
    history: int = 1
    factor: float = 1.0

    def bind(self, parameters):
        return Model(self.calls, self.history, parameters["c"])

    def __call__(self, u, *, key=None):
        return self.factor * u


def test_costs_histories_and_parameters_are_those_of_the_parts():
    alternating, average = Alternating(Model(1), Model(4), 4, 1.0), Average((Model(1), Model(4)))
    assert (alternating.calls, average.calls) == (7 / 4, 5)
    for one in (alternating, average):
        assert one.history == 1
        np.testing.assert_allclose(one.bind({"c": 3.0})(jnp.ones(2)), 3.0)
    with pytest.raises(ValueError, match=r"equally many frames, got \[1, 2\]"):
        _ = Average((Model(1), Model(1, 2))).history


def test_impossible_compositions_are_refused():
    with pytest.raises(ValueError, match="at least 1, got 0"):
        Alternating(times(1.0), times(1.0), 0, 1.0)
    with pytest.raises(ValueError, match="at least one"):
        Average(())


class Timed(eqx.Module):
    step_size: float = eqx.field(static=True)

    def __call__(self, u, *, key=None):
        return u


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"step_size": 0.0}, r"step_size should be positive and finite, got 0.0"),
        ({"step_size": -0.1}, "step_size should be positive"),
        ({"every": 0}, "every is a whole number of at least 1, got 0"),
        ({"step_size": 0.2}, r"the Stepper 'usual' covers 0.1 in a call, step_size is 0.2: they should be the same"),
        ({"seldom": Timed(0.2)}, r"the Stepper 'seldom' covers 0.2 in a call, step_size is 0.1"),
    ],
)
def test_steppers_that_are_composed_cover_the_same_time(options, sentence):
    usual = {"usual": Timed(0.1), "seldom": lambda u, key=None: u, "every": 2, "step_size": 0.1}
    Alternating(**usual)
    with pytest.raises(ValueError, match=sentence):
        Alternating(**usual | options)
    Average((Timed(0.1), lambda u, key=None: u, Timed(0.1)))
    with pytest.raises(ValueError, match=r"'number 1' covers 0.2 in a call, that of 'number 0' is 0.1"):
        Average((Timed(0.1), Timed(0.2)))
