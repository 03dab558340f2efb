"""Steps of own sizes."""

import jax
import jax.numpy as jnp
import numpy as np

from pdejax.solvers._explicit import adaptive_steps


def test_times_of_many_steps_add_up_in_single_precision():
    """The sum of a third of a million equal steps would be 0.3 % off by plain addition, and so would their number."""
    limit, whole = jnp.full(2, 3.3e-6, jnp.float32), jnp.ones(2, jnp.float32)
    count = lambda q, time, dt: q + 1.0
    run = jax.jit(lambda q: adaptive_steps(count, lambda q, time: limit, q, 0.0 * whole, whole))
    steps, arrived = run(jnp.zeros(2, jnp.float32))
    assert np.all(arrived)
    np.testing.assert_allclose(steps, np.ceil(1 / 3.3e-6), atol=2)


def test_whoever_needs_too_many_is_no_longer_waited_for():
    limit, whole = jnp.array([1e-9, 0.25], jnp.float32), jnp.ones(2, jnp.float32)
    run = jax.jit(lambda q: adaptive_steps(lambda q, t, dt: q + dt, lambda q, t: limit, q, 0.0 * whole, whole))
    reached, arrived = run(jnp.zeros(2, jnp.float32))
    np.testing.assert_array_equal(arrived, [False, True])
    assert reached[1] == 1
