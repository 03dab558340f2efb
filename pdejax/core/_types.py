"""Names of the arrays and callables that travel between the packages."""

from typing import Any, Protocol, runtime_checkable

from jaxtyping import Array, Float, PRNGKeyArray
from jaxtyping import Key as TypedKey

Scalar = Float[Array, ""]
State = Float[Array, "*batch_and_space channel"]
Trajectory = Float[Array, "time *batch_and_space channel"]
Key = PRNGKeyArray
Keys = TypedKey[Array, " batch"]


@runtime_checkable
class Stepper(Protocol):
    """A pure function that advances a state by one step, in physical units.

    Classical solvers, trained operators and hybrids are all Steppers: pytrees that can be jitted,
    differentiated, vmapped and scanned; the result has the shape and dtype of the argument.
    """

    def __call__(self, u: Any, *, key: Key | None = None) -> Any: ...


@runtime_checkable
class TimedStepper(Stepper, Protocol):
    """A Stepper whose right-hand side depends on time; `at(time)` is the same Stepper set to that time."""

    def at(self, time: Scalar) -> "TimedStepper": ...

    @property
    def step_size(self) -> Any: ...


@runtime_checkable
class Predictor(Protocol):
    """What evaluation asks of a trained thing: the states at `times`, given the initial one(s)."""

    def predict(self, initial: Any, times: Any, *, key: Key | None = None) -> Any: ...
