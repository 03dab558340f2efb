"""How long and with what the loop runs."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pdejax.core import Count, Fraction, NotNegative, Of, Positive, Whole, check_options, known
from pdejax.training.optimisers.balance import Balance

Rates = Mapping[str, NotNegative]


@dataclasses.dataclass(frozen=True)
class TrainSettings:
    """How long and with what the loop runs; counts are in optimiser updates.

    **Arguments:**

    - `steps`: updates of the whole training.
    - `learning_rate`, `schedule`, `warmup`, `final_learning_rate`: the rate after a linear warm-up of so many updates,
        how it goes on, by name, mapping or as a function of the update, and its value at the end.
    - `optimiser`: a name, a mapping of its `kind` and options, an `optax.GradientTransformation` with a learning rate
        of its own, or an `Optimiser`.
    - `weight_decay`: decoupled, of matrices and spectral weights; `clip`: of the gradient's global norm.
    - `ema`: decay of the averaged parameters that are evaluated and released, 0 for none.
    - `accumulate`: micro-batches of a batch; `updates_per_dispatch`: updates of one compiled call.
    - `monitor`: the metric whose smallest value makes a model the best, or with a minus before it the largest.
    - `devices`: of the mesh, of each process, all when omitted; `precision`: of the arithmetic.
    - `rates`: factors on the learning rate by group of parameters, a part of their path; `only`: the groups that are
        trained at all, all when empty; `frozen`: those that are not.
    - `balance`: how the weights of a loss's terms follow their gradients.

    **Raises:** `ValueError` for settings that do not fit each other.
    """

    steps: Count
    learning_rate: Positive = 1e-3
    schedule: Annotated[Any, Of("schedule", later=True)] = "cosine"
    warmup: Whole = 0
    final_learning_rate: NotNegative = 0.0
    optimiser: Annotated[Any, Of("optimiser", later=True)] = "adamw"
    weight_decay: NotNegative = 0.0
    clip: Positive | None = 1.0
    ema: Fraction = 0.0
    accumulate: Count = 1
    updates_per_dispatch: Count = 50
    log_every: Count = 100
    evaluate_every: Count = 1000
    checkpoint_every: Count = 1000
    monitor: str = "valid/loss"
    devices: Count | None = None
    precision: Literal["float32", "float64"] = "float32"
    rates: Rates = dataclasses.field(default_factory=dict)
    only: tuple[str, ...] = ()
    frozen: tuple[str, ...] = ()
    balance: Balance | Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        if isinstance(self.balance, Mapping):
            object.__setattr__(self, "balance", _balance(self.balance))
        check_options(self)
        if self.warmup >= self.steps:
            raise ValueError(f"warmup should be less than train.steps={self.steps}, got {self.warmup}")
        count = self.updates_per_dispatch
        for name in ("log_every", "evaluate_every", "checkpoint_every"):
            every = getattr(self, name)
            if every % count and every < self.steps:
                fits = f"change one, for example train.updates_per_dispatch={math.gcd(every, count)}"
                raise ValueError(
                    f"train.{name}={every} must be a multiple of train.updates_per_dispatch={count}: {fits}"
                )
        if self.balance is not None and self.accumulate > 1:
            raise ValueError(f"train.accumulate={self.accumulate} should be 1 where train.balance is set")


def _balance(options: Mapping[str, Any]) -> Balance:
    names = [field.name for field in dataclasses.fields(Balance)]
    for name in options:
        if name not in names:
            raise ValueError(known("option of train.balance:", name, names))
    return Balance(**options)
