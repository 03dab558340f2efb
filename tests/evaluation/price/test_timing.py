"""Timing with clocks of one's own, so that no test depends on the machine."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pdejax.evaluation.price.timing import CLOCKS, SHORTEST, Clocks, Compiled, interleaved, quickest, usual_currency


class FakeMachine:
    """Clocks that calls move on: two threads work, so that CPU time runs twice as fast as the wall clock."""

    def __init__(self, shortest=0.0):
        self.wall, self.order = 0.0, []
        self.clocks = Clocks({"cpu": lambda: 2 * self.wall, "wall": lambda: self.wall}, shortest)

    def call(self, name, seconds):
        """A call that takes so many wall seconds; of a list one after the other."""
        rest = iter(seconds) if isinstance(seconds, list) else None

        def run():
            self.wall += seconds if rest is None else next(rest)
            self.order.append(name)

        return run


def test_repeats_take_turns():
    machine = FakeMachine()
    taken = interleaved({"a": machine.call("a", 1.0), "b": machine.call("b", 3.0)}, repeats=3, clocks=machine.clocks)
    assert machine.order == ["a", "a", "b", "b", *"ababab"]  # two each to begin with, which do not count
    np.testing.assert_allclose(taken["a"]["wall"], [1.0, 1.0, 1.0])
    np.testing.assert_allclose(taken["b"]["cpu"], [6.0, 6.0, 6.0])


def test_a_slow_first_call_does_not_count():
    machine = FakeMachine()
    taken = interleaved({"a": machine.call("a", [50.0, 1.0, 1.0, 2.0])}, repeats=2, clocks=machine.clocks)
    np.testing.assert_allclose(taken["a"]["wall"], [1.0, 2.0])


def test_short_calls_are_repeated_until_a_clock_can_tell():
    machine = FakeMachine(shortest=1.0)
    taken = interleaved({"a": machine.call("a", 0.125)}, repeats=2, clocks=machine.clocks)
    assert len(machine.order) == 2 + 2 * 8  # of the wall clock
    np.testing.assert_allclose(taken["a"]["wall"], [0.125, 0.125])


def test_the_quickest_call_is_a_guess():
    machine = FakeMachine()
    found = quickest(machine.call("a", [4.0, 1.0, 9.0]), machine.clocks)
    assert found == {"cpu": 2.0, "wall": 1.0}[usual_currency()]


def test_a_compiled_call_takes_other_arrays():
    class Times(eqx.Module):
        factor: jax.Array
        name: str = eqx.field(static=True)

        def __call__(self, x):
            return self.factor * x

    call = Compiled(lambda f, x, none: f(x), Times(jnp.asarray(2.0), "a"), jnp.arange(3.0), None)
    np.testing.assert_array_equal(call(), [0.0, 2.0, 4.0])
    other = Times(jnp.asarray(3.0), "b")  # what is no array is that of the first one
    np.testing.assert_array_equal(call(other, jnp.ones(3), None), [3.0, 3.0, 3.0])
    with pytest.raises(TypeError):
        call(other, jnp.ones(4), None)


def test_the_clocks_are_those_of_the_process():
    assert list(CLOCKS) == ["cpu", "wall"]
    before = Clocks().read()
    sum(i * i for i in range(200_000))
    assert (Clocks().read() > before).all()


def test_a_clock_that_is_wound_in_ticks_tells_short_calls():
    """A system adds up every 4 ms what the threads of a process have worked; a call takes a third of that."""
    machine = FakeMachine()
    clocks = Clocks({"cpu": lambda: 4e-3 * (machine.wall // 4e-3), "wall": lambda: machine.wall}, SHORTEST)
    taken = interleaved({"a": machine.call("a", 1.3e-3), "b": machine.call("b", 3.1e-3)}, clocks=clocks)
    np.testing.assert_allclose(np.median(taken["a"]["cpu"]), 1.3e-3, rtol=0.1)
    np.testing.assert_allclose(np.median(taken["b"]["cpu"]), 3.1e-3, rtol=0.1)
