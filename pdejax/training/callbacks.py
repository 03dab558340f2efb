"""What may look at a training between its updates, and end it."""

import dataclasses
import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from pdejax.core import Count, NotNegative, check_options, known, register
from pdejax.training.store.record import CLOCK

Lines = Sequence[Mapping[str, Any]]


@runtime_checkable
class Callback(Protocol):
    """Anything that is called whenever metrics were measured.

    **Arguments:** `training`: see `Training`, with its `step` and `model`; `lines`: all metrics so far, also those from
    before a run was continued, so that a callback needs no memory of its own: `step` and numbers by name, None where
    one was not finite.

    **Returns:** None, or a sentence that says why training ends here.
    """

    def __call__(self, training: Any, lines: Lines, /) -> str | None: ...


@register("callback", "early_stopping")
@dataclasses.dataclass(frozen=True)
class EarlyStopping:
    """Ends training when a metric got no better for a while.

    **Arguments:** `monitor`: the metric, the smaller the better, or with a minus before it the larger; `patience`: how
    often it is measured without getting better; `least`: by how much a value must be better to count.
    """

    monitor: str = "valid/loss"
    patience: Count = 5
    least: NotNegative = 0.0

    def __post_init__(self) -> None:
        check_options(self)

    def __call__(self, training: Any, lines: Lines, /) -> str | None:
        """See `Callback`."""
        name, sign = self.monitor.removeprefix("-"), -1.0 if self.monitor.startswith("-") else 1.0
        values = [line[name] for line in lines if name in line]
        if not values:
            self._check(name, training, lines)
        best, since = math.inf, 0
        for value in values:
            signed = math.inf if value is None else sign * value
            best, since = (signed, 0) if signed < best - self.least else (best, since + 1)
        return f"{name} got no better {since} times, its best was {sign * best:.4g}" if since >= self.patience else None

    def _check(self, name: str, training: Any, lines: Lines) -> None:
        """A metric of its kind was measured, and not this one; at the end of a training nothing is thrown away for it.

        **Raises:** `ValueError` with the nearest name.
        """
        measured = dict.fromkeys(key for line in lines for key in line if key not in ("step", *CLOCK))
        alike = name.startswith("valid/") and any(key.startswith("valid/") for key in measured)
        settings, sentence = training.settings, known("monitor of early_stopping:", name, measured)
        if training.step >= settings.steps:
            warnings.warn(sentence, stacklevel=2)
        elif alike or training.step >= max(settings.log_every, settings.evaluate_every):
            raise ValueError(sentence)
