"""Learning rates as functions of the update.

A schedule that is told the number of updates has made its course when they are done: only the others can go on.
"""

from collections.abc import Callable
from typing import Annotated, Any

import optax

from pdejax.core import Given, register

Schedule = Callable[[Any], Any]
Rate = Annotated[float, Given()]
Updates = Annotated[int, Given()]


@register("schedule", "constant")
def constant(learning_rate: Rate) -> Schedule:
    """The same rate for ever."""
    return optax.constant_schedule(learning_rate)


@register("schedule", "cosine")
def cosine(learning_rate: Rate, steps: Updates, final_learning_rate: Rate = 0.0) -> Schedule:
    """Half a cosine from the rate down to the final one.

    **Raises:** `ValueError` for a final rate above the first one.
    """
    if final_learning_rate > learning_rate:
        raise ValueError(
            f"train.final_learning_rate should be at most train.learning_rate={learning_rate:g} with schedule=cosine, "
            f"got {final_learning_rate:g}"
        )
    return optax.cosine_decay_schedule(learning_rate, steps, final_learning_rate / learning_rate)


@register("schedule", "exponential")
def exponential(learning_rate: Rate, steps: Updates, final_learning_rate: Rate = 0.0) -> Schedule:
    """By the same factor in every update.

    **Raises:** `ValueError` for a final rate that is zero or above the first one.
    """
    if not 0 < final_learning_rate <= learning_rate:
        raise ValueError(
            f"train.schedule=exponential needs 0 < train.final_learning_rate <= train.learning_rate={learning_rate:g}, "
            f"got {final_learning_rate:g}"
        )
    return optax.exponential_decay(learning_rate, steps, final_learning_rate / learning_rate)


def warmed(schedule: Schedule, learning_rate: float, warmup: int) -> Schedule:
    """The schedule after a linear rise to the learning rate."""
    if warmup == 0:
        return schedule
    ramp = optax.linear_schedule(learning_rate / warmup, learning_rate, warmup)
    return optax.join_schedules([ramp, schedule], [warmup])
