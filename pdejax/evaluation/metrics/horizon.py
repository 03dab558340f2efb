"""How long a rollout stays correlated with the truth."""

import dataclasses

import numpy as np
from jaxtyping import Bool, Float

from pdejax.evaluation.metrics.errors import AnyArray

THRESHOLDS = (0.8, 0.9)


@dataclasses.dataclass(frozen=True)
class CorrelationTime:
    """A high-correlation time and how much of it is only a lower bound.

    **Arguments:**

    - `value`: in the units of the frame times.
    - `censored`: number of curves that never fell below the threshold and count with the last frame's time.
    """

    value: float
    censored: int


def first_crossing(
    curves: Float[AnyArray, " time *batch"], times: Float[AnyArray, " time"], threshold: float
) -> tuple[Float[np.ndarray, "*batch"], Bool[np.ndarray, "*batch"]]:
    """Time of the first frame at which each curve is below `threshold`.

    There is no interpolation between frames, and a curve that recovers later has crossed all the same (counting the
    frames above the threshold, as pdearena does, gives another, larger number).

    **Arguments:** `curves`; `times` of the frames; `threshold`.

    **Returns:** the times, the last frame's where a curve never falls below, and whether that is the case; what is
    not a number is below.

    **Raises:** `ValueError` where curves and times are not of the same frames.
    """
    times, curves = np.asarray(times, np.float64), np.asarray(curves)
    if not len(times) or len(curves) != len(times):
        raise ValueError(f"curves have a number for each time, of one at least, got {len(curves)} and {len(times)}")
    below = ~(curves >= threshold)
    censored = ~below.any(0)
    first = np.where(censored, len(times) - 1, below.argmax(0))
    return np.asarray(times[first]), np.asarray(censored)


def correlation_time_of_mean(
    correlation: Float[AnyArray, "time trajectory"], times: Float[AnyArray, " time"], threshold: float
) -> CorrelationTime:
    """First crossing of the correlation averaged over trajectories.

    This is the definition of PDE-Refiner (arXiv 2308.05732), up to its counting of frames.
    """
    value, censored = first_crossing(np.asarray(correlation, np.float64).mean(1), times, threshold)
    return CorrelationTime(float(value), int(censored))


def correlation_time_of_each(
    correlation: Float[AnyArray, "time trajectory"], times: Float[AnyArray, " time"], threshold: float
) -> CorrelationTime:
    """Mean over trajectories of the first crossing of each one."""
    values, censored = first_crossing(correlation, times, threshold)
    return CorrelationTime(float(values.mean()), int(censored.sum()))
