import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pdejax.core import (
    StepperPredictor,
    TimedStepper,
    frame_indices,
    nested_checkpoint_scan,
    repeated,
    trajectory,
    unroll,
    wants,
)


class Growth(eqx.Module):
    rate: float

    def __call__(self, u, *, key=None):
        return u * self.rate if key is None else u * self.rate + jax.random.normal(key, u.shape)


class Clock(eqx.Module):
    """du/dt = t by the mid-point rule, exact."""

    step_size: float = 0.5
    time: jax.Array | float = 0.0

    def at(self, time):
        return Clock(self.step_size, time)

    def __call__(self, u, *, key=None):
        return u + self.step_size * (self.time + self.step_size / 2)


def test_trajectory_stores_every_inner_step():
    u = trajectory(Growth(2.0), jnp.ones((3, 1)), 4, inner_steps=2)
    np.testing.assert_array_equal(u[:, 0, 0], [4, 16, 64, 256])


def test_initial_state_comes_first_and_post_is_applied():
    u = trajectory(Growth(2.0), jnp.ones((3, 1)), 2, include_initial=True, post=jnp.sum)
    np.testing.assert_array_equal(u, [3, 6, 12])


def test_repeated_is_the_same_steps():
    np.testing.assert_array_equal(repeated(Growth(3.0), 4)(jnp.ones(1)), [81.0])
    with pytest.raises(ValueError, match="steps should be greater than or equal to 1, got 0"):
        repeated(Growth(3.0), 0)


def test_time_dependent_steppers_are_told_the_time():
    assert isinstance(Clock(), TimedStepper)
    u = trajectory(Clock(), jnp.zeros((1,)), 3, inner_steps=2, start_time=1.0)
    t = 1.0 + np.arange(1, 4)
    np.testing.assert_allclose(u[:, 0], (t**2 - 1) / 2)


def test_repeating_and_setting_the_time_keep_the_clock():
    whole = trajectory(Clock(), jnp.zeros((1,)), 3, inner_steps=2, start_time=1.0)
    np.testing.assert_array_equal(trajectory(repeated(Clock(), 2).at(1.0), jnp.zeros((1,)), 3), whole)
    np.testing.assert_array_equal(trajectory(Clock().at(1.0), jnp.zeros((1,)), 3, inner_steps=2), whole)


def test_random_steps_use_the_step_number():
    key = jax.random.key(3)
    whole = trajectory(Growth(1.0), jnp.zeros((2,)), 4, key=key)
    coarse = trajectory(Growth(1.0), jnp.zeros((2,)), 2, inner_steps=2, key=key)
    np.testing.assert_array_equal(whole[1::2], coarse)


@pytest.mark.parametrize("nesting", [(12,), (3, 4), (2, 3, 2)])
def test_nested_checkpoints_change_memory_not_results(nesting):
    f = lambda u: jnp.sum(trajectory(lambda v, key=None: jnp.sin(v) + v, u, 12, checkpoint=nesting) ** 2)
    u = jnp.linspace(0.1, 1.0, 5)
    plain = lambda u: jnp.sum(trajectory(lambda v, key=None: jnp.sin(v) + v, u, 12) ** 2)
    np.testing.assert_allclose(jax.jit(jax.grad(f))(u), jax.jit(jax.grad(plain))(u), rtol=1e-5)


def test_nesting_stores_fewer_states():
    u = jnp.ones(10_000)
    f = lambda nesting: jax.jit(
        jax.grad(
            lambda u: jnp.sum(trajectory(lambda v, key=None: jnp.sin(v), u, 400, checkpoint=nesting, post=jnp.sum))
        )
    )
    memory = [f(n).lower(u).compile().memory_analysis().temp_size_in_bytes for n in ((400,), (20, 20))]
    assert memory[1] < memory[0] / 5


def test_wrong_nesting_is_refused():
    with pytest.raises(ValueError, match="multiply to 6, expected 5"):
        nested_checkpoint_scan(lambda c, x: (c, x), 0.0, jnp.arange(5), (2, 3))


def test_prediction_at_times():
    predictor = StepperPredictor(lambda p: Growth(p["rate"]), step=0.5).bind({"rate": 2.0})
    u = predictor.predict(jnp.ones((1,)), [1.0, 2.0, 3.0])
    np.testing.assert_allclose(u[:, 0], [4, 16, 64])
    np.testing.assert_allclose(predictor.predict(jnp.ones((1,)), [0.5, 2.0])[:, 0], [2, 16])
    np.testing.assert_array_equal(frame_indices([0.3, 0.6], 0.1), [3, 6])
    with pytest.raises(ValueError, match=r"multiples of the step 0.5"):
        predictor.predict(jnp.ones((1,)), [0.7])


def test_a_function_of_the_state_alone_is_a_stepper():
    u = jnp.arange(3.0)
    np.testing.assert_array_equal(trajectory(lambda u: 2 * u, u, 2), [2 * u, 4 * u])
    np.testing.assert_array_equal(repeated(lambda u: 2 * u, 3)(u), 8 * u)


def test_a_step_that_gives_something_else_is_told():
    with pytest.raises(ValueError, match=r"of float32\[4\] it makes float32\[2\]"):
        trajectory(lambda u: u[:2], jnp.zeros(4), 2)


def test_what_is_no_number_of_steps_and_no_times_is_told():
    for wrong in ("2", 0.5):
        with pytest.raises(ValueError, match="first_step is a whole number of steps from 0, got"):
            unroll(Growth(2.0), jnp.ones(3), 2, first_step=wrong)
    for wrong in (0.5, ["a"], [[0.5]]):
        with pytest.raises(ValueError, match=r"times should be a sequence of numbers, such as \[0.5, 1\], got"):
            frame_indices(wrong, 0.5)


def test_steps_that_equinox_wraps_take_what_is_in_them():
    step, u = lambda u: 2 * u, jnp.ones(3)
    for wrapped in (eqx.filter_jit(step), eqx.Partial(lambda factor, u: factor * u, jnp.asarray(2.0))):
        np.testing.assert_array_equal(trajectory(wrapped, u, 2), [2 * u, 4 * u])
        assert not wants(wrapped, "tendency")
    assert wants(eqx.filter_jit(Growth(2.0)), "key")
    assert not wants(eqx.Partial(lambda u, key: u, key=1), "key")

    class Own(eqx.Module):
        func: object

        def __call__(self, u, **further):
            return u

    assert wants(Own(step), "key")  # a field of that name says nothing of its call


def test_what_is_no_time_is_told():
    for wrong in ("1", [0.0, 1.0]):
        with pytest.raises(ValueError, match="start_time should be a number or an array, got"):
            unroll(Growth(2.0), jnp.ones(3), 2, start_time=wrong)
