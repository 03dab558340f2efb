"""Names of the arrays and callables that travel between the packages."""

from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray, Shaped
from jaxtyping import Key as TypedKey

Scalar = Float[Array, ""]
State = Float[Array, "*batch_and_space channel"]
AnyState = Shaped[Array | np.ndarray, "..."]  # before `as_state` has looked at it
Trajectory = Float[Array, "time *batch_and_space channel"]
Key = PRNGKeyArray
Keys = TypedKey[Array, " batch"]


_Class = TypeVar("_Class", bound=type)


def hashed_by_identity(cls: _Class) -> _Class:
    """Makes `jax.jit(stepper)` work: JAX hashes what it compiles, and arrays inside a module have no hash."""
    for name in ("__hash__", "__eq__"):
        setattr(cls, name, getattr(object, name))
    return cls


@runtime_checkable
class Stepper(Protocol):
    """A pure function that advances a state by one step, in physical units.

    Classical solvers, trained operators and hybrids are all Steppers: pytrees that can be jitted,
    differentiated, vmapped and scanned; the result has the shape and dtype of the argument.
    """

    def __call__(self, u: Any, *, key: Key | None = None) -> Any: ...


STEPPER = "a Stepper, which is a function from a state to the next one"


@runtime_checkable
class TimedStepper(Stepper, Protocol):
    """A Stepper whose right-hand side may depend on time; `at(time)` is the same Stepper set to that time.

    Time and step size are scalars or, where they differ between trajectories, arrays `(batch,)`.
    """

    def at(self, time: Any) -> "TimedStepper": ...

    @property
    def step_size(self) -> Any: ...


@runtime_checkable
class Predictor(Protocol):
    """What evaluation asks of a trained thing: the states at `times`, given the initial one(s)."""

    def predict(self, initial: Any, times: Any, *, key: Key | None = None) -> Any: ...
