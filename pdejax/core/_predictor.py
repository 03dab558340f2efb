"""Prediction by stepping: the bridge from a Stepper to a Predictor."""

from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
import numpy as np

from pdejax.core._scan import trajectory
from pdejax.core._types import Key, Stepper


def frame_indices(times: Any, step: float) -> np.ndarray:
    """The step numbers at which `times` fall.

    **Arguments:** `times`: increasing times after the initial state, shape `(time,)`; `step`: size of one step.

    **Raises:** `ValueError` if a time is not a positive multiple of `step`.
    """
    given = np.asarray(times)
    if given.ndim != 1 or not (np.issubdtype(given.dtype, np.floating) or np.issubdtype(given.dtype, np.integer)):
        raise ValueError(f"times should be a sequence of numbers, such as [{step:g}, {2 * step:g}], got {times!r}")
    ratio = given.astype(np.float64) / step
    index = np.rint(np.where(np.isfinite(ratio), ratio, 0)).astype(int)
    if (
        index.size == 0
        or np.any(np.abs(ratio - index) > 1e-6 * np.maximum(ratio, 1))
        or np.any(np.diff(index) < 1)
        or index[0] < 1
    ):
        raise ValueError(f"times must be increasing positive multiples of the step {step}, got {np.asarray(times)}")
    return index


def predict_by_stepping(stepper: Stepper, initial: Any, times: Any, step: float, *, key: Key | None = None) -> Any:
    """States of `trajectory` at `times`, leading axis time."""
    index = frame_indices(times, step)
    stride = int(np.gcd.reduce(index))
    states = trajectory(stepper, initial, int(index[-1]) // stride, inner_steps=stride, key=key)
    return states if len(states) == len(index) else states[index // stride - 1]


class StepperPredictor(eqx.Module):
    """A Predictor made of Steppers, one per set of physical parameters.

    **Arguments:**

    - `make`: from a mapping of parameter names to arrays `(batch,)` to the Stepper for them.
    - `step`: time one call of the Stepper covers.
    - `history`: number of frames the Stepper's state holds, stacked in its channels, oldest first.
    """

    make: Callable[[Mapping[str, Any]], Stepper] = eqx.field(static=True)
    step: float = eqx.field(static=True)
    parameters: Mapping[str, Any] = eqx.field(default_factory=dict)
    history: int = eqx.field(static=True, default=1)

    def bind(self, parameters: Mapping[str, Any]) -> "StepperPredictor":
        """The same predictor for these physical parameters, arrays `(batch,)`."""
        return StepperPredictor(self.make, self.step, dict(parameters), self.history)

    def predict(self, initial: Any, times: Any, *, key: Key | None = None) -> Any:
        """States at `times`, shape `(time, *batch, *space, channel)`."""
        return predict_by_stepping(self.make(self.parameters), initial, times, self.step, key=key)
