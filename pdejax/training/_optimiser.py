"""Learning-rate schedules and optimisers, by name."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import optax

from pdejax.core import known

Schedule = Callable[[Any], Any]


def build_schedule(
    kind: str, steps: int, *, learning_rate: float, warmup: int = 0, final_learning_rate: float = 0.0
) -> Schedule:
    """The learning rate as a function of the update number.

    **Arguments:** `kind`: `constant`, `cosine` or `exponential`, after a linear warm-up of `warmup` updates;
    `steps`: updates of the whole run; `final_learning_rate`: value at its end.

    **Raises:** `ValueError` for an unknown kind or a warm-up that does not fit.
    """
    if warmup >= steps:
        raise ValueError(f"train.warmup={warmup} must be smaller than train.steps={steps}")
    if kind == "exponential" and not 0 < final_learning_rate <= learning_rate:
        raise ValueError(
            f"train.schedule=exponential needs 0 < train.final_learning_rate <= train.learning_rate={learning_rate:g}, "
            f"got {final_learning_rate:g}"
        )
    rest, floor = steps - warmup, final_learning_rate / learning_rate
    schedules: Mapping[str, Callable[[], Schedule]] = {
        "constant": lambda: optax.constant_schedule(learning_rate),
        "cosine": lambda: optax.cosine_decay_schedule(learning_rate, rest, floor),
        "exponential": lambda: optax.exponential_decay(learning_rate, rest, floor),
    }
    if kind not in schedules:
        raise ValueError(known("schedule", kind, schedules))
    if warmup == 0:
        return schedules[kind]()
    ramp = optax.linear_schedule(learning_rate / warmup, learning_rate, warmup)
    return optax.join_schedules([ramp, schedules[kind]()], [warmup])


def _matrices(params: Any) -> Any:
    """Weight decay is for matrices and spectral weights; biases, gains and scales are left alone."""
    return jax.tree.map(lambda p: p.ndim >= 2, params)


def build_optimiser(
    schedule: Schedule, *, kind: str = "adamw", weight_decay: float = 0.0, clip: float | None = None
) -> optax.GradientTransformation:
    """An optax transformation: clipping by global norm, then `adamw` or `lion` with decoupled decay.

    **Raises:** `ValueError` for an unknown kind.
    """
    kinds = {"adamw": optax.adamw, "lion": optax.lion}
    if kind not in kinds:
        raise ValueError(known("optimiser", kind, kinds))
    core = kinds[kind](schedule, weight_decay=weight_decay, mask=_matrices)
    return core if clip is None else optax.chain(optax.clip_by_global_norm(clip), core)
