"""Steppers made of other Steppers that cover the same time."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from pdejax.core._check import check_key, check_stepper
from pdejax.core._spelt import spelt
from pdejax.core._types import Key, hashed_by_identity


def _calls(stepper: Any) -> float:
    return getattr(stepper, "calls", 1)


def _history(steppers: Sequence[Any]) -> int:
    found = sorted({getattr(stepper, "history", 1) for stepper in steppers})
    if len(found) > 1:
        raise ValueError(f"steppers of one composition see equally many frames, got {found}")
    return found[0]


def _bound(stepper: Any, parameters: Mapping[str, Any]) -> Any:
    return stepper.bind(parameters) if hasattr(stepper, "bind") else stepper


def _check_alike(steppers: Sequence[tuple[str, Any]], wanted: float | None = None) -> None:
    """Whether all that know how much time a call covers say the same.

    **Raises:** `ValueError` that names two.
    """
    known = [("step_size", wanted)] if wanted is not None else []
    for name, stepper in steppers:
        size = getattr(stepper, "step_size", None)
        if size is None or isinstance(size, Tracer | jax.ShapeDtypeStruct) or not np.any(size):
            continue
        if known and not np.allclose(size, known[0][1], rtol=1e-5):
            other, there = known[0]
            raise ValueError(f"the Stepper {name!r} covers {float(np.ravel(size)[0]):g} in a call, {other} is "
                             f"{float(np.ravel(there)[0]):g}: they should be the same")  # fmt: skip
        known.append((f"that of {name!r}", size))


@spelt
@hashed_by_identity
class Alternating(eqx.Module):
    """A Stepper that takes every n-th step with another one, a costly refinement for example: a `TimedStepper`.

    **Arguments:** `usual`: takes all other steps; `seldom`: takes steps `every`, 2 `every`, ...; `step_size`: time
    that one call of either covers; `time`: at which the next call starts.
    """

    usual: Any
    seldom: Any
    every: int = eqx.field(static=True)
    step_size: float = eqx.field(static=True)
    time: Any = 0.0

    def __check_init__(self) -> None:
        check_stepper("usual", self.usual)
        check_stepper("seldom", self.seldom)
        if not isinstance(self.every, int) or self.every < 1:
            raise ValueError(f"every is a whole number of at least 1, got {self.every}")
        if not 0 < self.step_size < math.inf:
            raise ValueError(f"step_size should be positive and finite, got {self.step_size}")
        _check_alike([("usual", self.usual), ("seldom", self.seldom)], self.step_size)

    @property
    def calls(self) -> float:
        """Network calls of a step, the mean over a cycle."""
        return (_calls(self.usual) * (self.every - 1) + _calls(self.seldom)) / self.every

    @property
    def history(self) -> int:
        """Frames that a state holds."""
        return _history((self.usual, self.seldom))

    def bind(self, parameters: Mapping[str, Any]) -> "Alternating":
        """The same Stepper for these physical parameters."""
        usual, seldom = _bound(self.usual, parameters), _bound(self.seldom, parameters)
        return Alternating(usual, seldom, self.every, self.step_size, self.time)

    def at(self, time: Any) -> "Alternating":
        """The same Stepper, its next call starting at this time."""
        return Alternating(self.usual, self.seldom, self.every, self.step_size, time)

    def __call__(self, u: Any, *, key: Key | None = None) -> Any:
        """The state one step later. **Arguments:** `u`: state; `key`: random key, if a Stepper needs one."""
        check_key(key)
        number = jnp.rint(jnp.asarray(self.time) / self.step_size).astype(int) + 1
        # closed over, so that the Steppers see the state as it was given
        return jax.lax.cond(number % self.every == 0, lambda: self.seldom(u, key=key), lambda: self.usual(u, key=key))


@spelt
@hashed_by_identity
class Average(eqx.Module):
    """A Stepper whose step is the mean of those of several Steppers: an ensemble as one model.

    **Arguments:** `steppers`: that cover the same time.
    """

    steppers: tuple[Any, ...]

    def __check_init__(self) -> None:
        if isinstance(self.steppers, Mapping | str) or not isinstance(self.steppers, Sequence):
            raise ValueError(f"steppers should be a sequence of Steppers, got {type(self.steppers).__name__}")
        for stepper in self.steppers:
            check_stepper("each of steppers", stepper)
        if not self.steppers:
            raise ValueError("an average needs at least one Stepper")
        _check_alike([(f"number {i}", one) for i, one in enumerate(self.steppers)])

    @property
    def calls(self) -> float:
        """Network calls of a step."""
        return sum(_calls(stepper) for stepper in self.steppers)

    @property
    def history(self) -> int:
        """Frames that a state holds."""
        return _history(self.steppers)

    def bind(self, parameters: Mapping[str, Any]) -> "Average":
        """The same Stepper for these physical parameters."""
        return Average(tuple(_bound(stepper, parameters) for stepper in self.steppers))

    def __call__(self, u: Any, *, key: Key | None = None) -> Any:
        """The state one step later. **Arguments:** `u`: state; `key`: random key, if a Stepper needs one."""
        check_key(key)
        keys = [None if key is None else jax.random.fold_in(key, i) for i in range(len(self.steppers))]
        steps = [stepper(u, key=k) for stepper, k in zip(self.steppers, keys, strict=True)]
        return jax.tree.map(lambda *x: sum(x) / len(x), *steps)
