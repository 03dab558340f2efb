"""The optimiser that settings ask for, and which of them it reads."""

from collections.abc import Collection, Mapping
from typing import Any

import optax

from pdejax._suggest import meant
from pdejax.core import build, factory_of, options_of
from pdejax.training.optimisers.gradient import GradientDescent
from pdejax.training.optimisers.objective import Optimiser
from pdejax.training.optimisers.schedules import Schedule, warmed
from pdejax.training.settings import TrainSettings

# of the loop's settings, those that belong to optimisers of gradients
_OWN = ("learning_rate", "weight_decay", "clip", "rates")
OPTIONAL = (*_OWN, "schedule", "warmup", "final_learning_rate")


def _arguments(group: str, given: Any) -> Collection[str]:
    """What the factory of a name or mapping takes; nothing of an object, which is ready."""
    kind: Any = given.get("kind") if isinstance(given, Mapping) else given
    return options_of(factory_of(group, kind)) if isinstance(given, Mapping | str) else ()


def reads(optimiser: Any, schedule: Any = "cosine") -> frozenset[str]:
    """Which of the settings `OPTIONAL` an optimiser and a schedule read.

    **Arguments:** both a name, a mapping or an object, see `TrainSettings`.
    """
    found = {name for name in _OWN if name in _arguments("optimiser", optimiser)}
    if "learning_rate" not in found:
        return frozenset(found)
    if not isinstance(schedule, Mapping | str):
        return frozenset(found - {"learning_rate"} | {"schedule"})
    return frozenset(found | {"schedule", "warmup"} | ({"final_learning_rate"} & {*_arguments("schedule", schedule)}))


def check_read(given: Collection[str], optimiser: Any, schedule: Any = "cosine") -> None:
    """**Raises:** `ValueError` for a setting that was given and has no effect."""
    found = reads(optimiser, schedule)
    for name in OPTIONAL:
        if name in given and name not in found:
            raise ValueError(f"{name} has no effect, since {unread(name, optimiser, schedule)} does not read it: "
                             "leave it out")  # fmt: skip


def unread(name: str, optimiser: Any, schedule: Any = "cosine") -> str:
    """Who does not read a setting, in words: the schedule, of one that is about it, or else the optimiser."""
    of_rate = name in ("learning_rate", "warmup", "final_learning_rate") and "schedule" in reads(optimiser, schedule)
    return _called("schedule", schedule) if of_rate else _called("optimiser", optimiser)


def _called(group: str, given: Any) -> str:
    kind = given.get("kind") if isinstance(given, Mapping) else given
    return f"{group} {kind!r}" if isinstance(kind, str) else f"the {group} given as an object"


def ends(settings: TrainSettings) -> bool:
    """Whether the learning rate makes its course in the given number of updates, so that none can follow."""
    follows = "schedule" in reads(settings.optimiser, settings.schedule)
    return follows and "steps" in _arguments("schedule", settings.schedule)


def build_schedule(settings: TrainSettings) -> Schedule | None:
    """The learning rate by update; none if the optimiser finds the lengths of its steps itself.

    **Raises:** `ValueError` for an unknown schedule, or numbers that do not fit.
    """
    if "schedule" not in reads(settings.optimiser, settings.schedule):
        return None
    if not isinstance(settings.schedule, Mapping | str):
        return settings.schedule
    schedule = build(
        "schedule",
        settings.schedule,
        learning_rate=settings.learning_rate,
        steps=settings.steps - settings.warmup,
        final_learning_rate=settings.final_learning_rate,
    )
    return warmed(schedule, settings.learning_rate, settings.warmup)


def build_optimiser(settings: TrainSettings) -> Optimiser:
    """The optimiser of a name or mapping with the settings it reads; an object as it is.

    **Raises:** `ValueError` for an unknown name or option, or an object that is no optimiser.
    """
    for name in settings.optimiser if isinstance(settings.optimiser, Mapping) else ():
        if own := {name, *meant(name)} & {*_OWN}:
            raise ValueError(f"{name!r} is no option of an optimiser: {min(own)} stands beside it, train.{min(own)} or "
                             f"fit(..., {min(own)}=...)")  # fmt: skip
    context = {name: getattr(settings, name) for name in _OWN}
    made = build("optimiser", settings.optimiser, **{**context, "learning_rate": build_schedule(settings)})
    if isinstance(made, optax.GradientTransformation):
        return GradientDescent(made)
    if not isinstance(made, Optimiser) and getattr(made, "__module__", "").startswith("optax"):
        name = getattr(made, "__name__", "optimiser")
        raise ValueError(f"optimiser is the function {name} of optax: call it, optax.{name}(1e-3)")
    if not isinstance(made, Optimiser):
        raise ValueError(
            "an optimiser is a name, a mapping with a 'kind', an optax.GradientTransformation or an object with init, "
            f"step, check and finish, got {made!r}"
        )
    return made


def optimiser_for(settings: TrainSettings, method: Any, model: Any) -> Optimiser:
    """The optimiser of the settings, balanced if they say so, that can work on this method and model.

    **Raises:** `ValueError` saying why it cannot, before anything is compiled.
    """
    optimiser = build_optimiser(settings)
    optimiser.check(method, model)
    balance: Any = settings.balance
    return optimiser if balance is None else balance.around(optimiser, method, model)
