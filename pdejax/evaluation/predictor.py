"""What can be evaluated: predictors, with physical parameters or without, and plain Steppers."""

from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
import numpy as np
from jax.core import Tracer

from pdejax.core import Key, State, Stepper, predict_by_stepping


class BoundStepper(eqx.Module):
    """A Predictor whose Stepper is made when parameters are bound, outside of any compiled function.

    `core.StepperPredictor` makes it while predicting, where arrays of the Stepper become constants of the program and
    a solver's coefficients are traced, hence computed in the working precision instead of float64.

    **Arguments:** `make`: from parameters, arrays `(batch,)`, to the Stepper; `step`: time of one call; `stepper`:
    made by `bind`.
    """

    make: Callable[[Mapping[str, Any]], Stepper] = eqx.field(static=True)
    step: float = eqx.field(static=True)
    stepper: Any = None

    def bind(self, parameters: Mapping[str, Any]) -> "BoundStepper":
        """The same predictor for these physical parameters."""
        return BoundStepper(self.make, self.step, self.make(parameters))

    def predict(self, initial: State, times: Any, *, key: Key | None = None) -> Any:
        """States at `times`, shape `(time, *batch, *space, channel)`."""
        return predict_by_stepping(self.stepper, initial, times, self.step, key=key)


class FieldMap(eqx.Module):
    """A Predictor of a steady problem, made of a function from parameters to a function of the input fields.

    **Arguments:** `make`: from parameters, arrays `(batch,)`, to the function; `solve`: made by `bind`.
    """

    make: Callable[[Mapping[str, Any]], Callable[..., Any]] = eqx.field(static=True)
    solve: Any = None

    def bind(self, parameters: Mapping[str, Any]) -> "FieldMap":
        """The same predictor for these physical parameters."""
        return FieldMap(self.make, self.make(parameters))

    def predict(self, initial: Any, times: Any, *, key: Key | None = None) -> Any:
        """The solution for the inputs `initial`, as a trajectory of one frame."""
        return self.solve(initial)[None]


def as_predictor(one: Any, step: float | None) -> Any:
    """A predictor as it is; a Stepper, whose call covers a frame, as the predictor that repeats it.

    **Arguments:** `one`; `step`: time between two frames; without one the problem is steady, and a function of its
    input fields becomes the predictor that calls it.

    **Raises:** `ValueError` for what is neither.
    """
    if hasattr(one, "predict"):
        return one
    if not callable(one):
        raise ValueError(f"expected a predictor with `predict` or a Stepper to call, got {type(one).__name__}")
    return BoundStepper(lambda parameters: one, step) if step else FieldMap(lambda parameters: one)


def bound(predictor: Any, parameters: Mapping[str, Any]) -> Any:
    """The predictor for these physical parameters, arrays `(batch,)`; itself if it takes none, or is bound already.

    **Raises:** `ValueError` where it is bound to other numbers.
    """
    if not hasattr(predictor, "bind"):
        return predictor
    table, names = getattr(predictor, "parameters", None), getattr(getattr(predictor, "info", None), "parameters", ())
    if table is None or isinstance(table, Tracer) or not names:
        return predictor.bind(parameters)
    for name, own in zip(names, np.asarray(table).T, strict=True):
        theirs = np.asarray(parameters.get(name, own))
        alike = 1 in (own.size, theirs.size) or own.shape == theirs.shape
        if not (alike and np.allclose(own, theirs, rtol=1e-5, atol=0)):
            shown = [f"{x.flat[0]:g}" if x.size == 1 else f"{x.size} numbers" for x in map(np.unique, (own, theirs))]
            raise ValueError(f"the operator is bound to {name}={shown[0]}, and the data have {name}={shown[1]}: "
                             "evaluate the one that bind() was called of")  # fmt: skip
    return predictor
