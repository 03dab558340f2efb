"""Learning-rate schedules and optimisers, by name."""

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import jax
import optax

from pdejax.core import known
from pdejax.training.optimisers.gradient import GradientDescent
from pdejax.training.optimisers.groups import grouped
from pdejax.training.optimisers.lattice.newton import LatticeNewton
from pdejax.training.optimisers.least_squares import GaussNewton, LevenbergMarquardt
from pdejax.training.optimisers.objective import Optimiser
from pdejax.training.optimisers.quasi_newton import LBFGS, SSBroyden
from pdejax.training.optimisers.sketched import SketchedGaussNewton
from pdejax.training.optimisers.soap import soap

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


def _clipped(core: optax.GradientTransformation, clip: float | None) -> optax.GradientTransformation:
    return core if clip is None else optax.chain(optax.clip_by_global_norm(clip), core)


# by gradients, with a learning rate; and those that find the length of their steps themselves
GRADIENT: Mapping[str, Callable[..., optax.GradientTransformation]] = {
    "adamw": optax.adamw,
    "lion": optax.lion,
    "soap": soap,
}
STEPS: Mapping[str, Callable[..., Optimiser]] = {
    "lbfgs": LBFGS,
    "ssbroyden": SSBroyden,
    "gauss_newton": GaussNewton,
    "levenberg_marquardt": LevenbergMarquardt,
    "sketched_gauss_newton": SketchedGaussNewton,
    "lattice_newton": LatticeNewton,
}


def _checked(kind: str, make: Callable[..., Any], options: Mapping[str, Any]) -> Mapping[str, Any]:
    names = [n for n in inspect.signature(make).parameters if n not in ("learning_rate", "mask")]
    for name in options:
        if name not in names:
            raise ValueError(known(f"option of optimiser {kind!r}:", name, names))
    return options


def build_optimiser(
    schedule: Schedule,
    *,
    kind: str = "adamw",
    weight_decay: float = 0.0,
    clip: float | None = None,
    rates: Mapping[str, float] | None = None,
    options: Mapping[str, Any] | None = None,
) -> Optimiser:
    """An optimiser by name, see `GRADIENT` and `STEPS`.

    **Arguments:** `schedule`: learning rate by update, `weight_decay`: decoupled, of matrices, `clip`: of the
    gradient's global norm, and `rates`: factor on the learning rate by group of parameters (see `grouped`), all four
    for optimisers of gradients; `options`: further ones of this kind.

    **Raises:** `ValueError` for an unknown kind or option.
    """
    options = dict(options or {})
    if kind in STEPS:
        return STEPS[kind](**_checked(kind, STEPS[kind], options))
    if kind not in GRADIENT:
        raise ValueError(known("optimiser", kind, [*GRADIENT, *STEPS]))
    make = functools.partial(GRADIENT[kind], schedule, weight_decay=weight_decay, mask=_matrices)
    make = functools.partial(make, **_checked(kind, GRADIENT[kind], options))
    return GradientDescent(_clipped(grouped(rates, make) if rates else make(), clip))
