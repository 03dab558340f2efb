"""How long and with what a run trains: the type of the `train` section."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    PlainValidator,
    ValidationError,
    model_serializer,
    model_validator,
)

from pdejax.config._types import Count, Flag, Fraction, NotNegative, Positive, Section, Whole, fault


def _devices(value: Any) -> Any:
    if value == "auto" or (type(value) is int and value > 0):
        return value
    raise fault(f"should be auto (all there are) or a positive number, got {value!r}")


class Balance(Section):
    """Weights of a loss's terms that follow their gradients or tangent kernels; see `pdejax.training.Balanced`."""

    kind: Literal["gradient", "ntk"] = "gradient"
    every: Count = 1000
    decay: Fraction = 0.9
    probes: Count = 4


class Adaptation(Section):
    """A change of a field's Gaussians before a stage, which should find their weights anew: `gauss_newton` does.

    `prune` those below this share of the largest weight, `split` so many, `add` so many and `move` so many of the
    weakest to where the residual is large, looked at on `candidates` points; see `pdejax.methods.adapt_field`.
    """

    prune: NotNegative = 0.0
    split: Whole = 0
    add: Whole = 0
    move: Whole = 0
    candidates: Count = 4096


Optimiser = Literal[
    "adamw",
    "lion",
    "soap",
    "lbfgs",
    "ssbroyden",
    "gauss_newton",
    "levenberg_marquardt",
    "sketched_gauss_newton",
    "lattice_newton",
]
Option = float | int | str | bool | tuple[float, ...]


class Stage(Section):
    """A part of training with settings of its own; what it leaves out is that of the `train` section.

    `adapt` changes the Gaussians of a field before the stage begins.
    """

    # a value that is not given is that of the section, and null is a value
    @model_serializer(mode="wrap")
    def _given(self, plain: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        return {name: value for name, value in plain(self).items() if name in self.model_fields_set}

    steps: Count | None = None
    optimiser: Optimiser | None = None
    options: dict[str, Option] | None = None
    learning_rate: Positive | None = None
    schedule: Literal["constant", "cosine", "exponential"] | None = None
    warmup: Whole | Fraction | None = None
    final_learning_rate: NotNegative | None = None
    weight_decay: NotNegative | None = None
    clip: Positive | None = None
    rates: dict[str, NotNegative] | None = None
    only: tuple[str, ...] | None = None
    balance: Balance | None = None
    ema: Fraction | None = None
    precision: Literal["float32", "float64"] | None = None
    updates_per_dispatch: Count | None = None
    log_every: Count | None = None
    evaluate_every: Count | None = None
    checkpoint_every: Count | None = None
    adapt: Adaptation | None = None


class TrainConfig(Section):
    """The training loop's settings; all counts are in optimiser updates.

    `warmup` below 1 is a share of `steps`, so that a shorter run keeps its shape; `ema` is the decay of the averaged
    parameters (0: none), `accumulate` the number of micro-batches of a batch, `updates_per_dispatch` how many updates
    one compiled call makes, `monitor` the metric whose smallest value marks the best model (with a minus before it:
    the largest), `feed` where batches come
    from: the device's memory, the disk, or what fits, `distributed` whether this is
    one of several processes, found through the cluster (Slurm, TPU pods, MPI) or, elsewhere, through the variables
    JAX_COORDINATOR_ADDRESS, JAX_NUM_PROCESSES and JAX_PROCESS_ID.

    `options` are those of the optimiser, `rates` factors on the learning rate by group of parameters (a part of their
    path, such as `centres`), `only` the groups that are trained (empty: all), `balance` how the weights of a loss's
    terms follow their gradients, `precision` that of the arithmetic, and `stages` parts of training one after the
    other, each with settings of its own.
    """

    steps: Count
    batch_size: Count = 32
    optimiser: Optimiser = "adamw"
    options: dict[str, Option] = Field(default={})
    learning_rate: Positive = 1e-3
    schedule: Literal["constant", "cosine", "exponential"] = "cosine"
    warmup: Whole = 0
    final_learning_rate: NotNegative = 0.0
    weight_decay: NotNegative = 0.0
    clip: Positive | None = 1.0
    rates: dict[str, NotNegative] = Field(default={})
    only: tuple[str, ...] = ()
    balance: Balance | None = None
    precision: Literal["float32", "float64"] = "float32"
    ema: Fraction = 0.0
    accumulate: Count = 1
    updates_per_dispatch: Count = 50
    log_every: Count = 100
    evaluate_every: Count = 1000
    checkpoint_every: Count = 1000
    monitor: str = "valid/loss"
    distributed: Flag = False
    devices: Annotated[int | Literal["auto"], PlainValidator(_devices)] = "auto"
    feed: Literal["auto", "device", "disk"] = "auto"
    stages: tuple[Stage, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _share(cls, values: Any) -> Any:
        if not isinstance(values, Mapping):
            return values
        warmup, steps = values.get("warmup"), values.get("steps")
        if isinstance(warmup, float) and 0 < warmup < 1:
            return {**values, "warmup": int(warmup * steps) if isinstance(steps, int | float) else 0}
        return values

    def parts(self) -> tuple["TrainConfig", ...]:
        """The settings of each stage, completed by those of the section; the section itself if there are none."""
        return tuple(TrainConfig.model_validate(self._part(stage)) for stage in self.stages) or (self,)

    def _part(self, stage: Stage) -> dict[str, Any]:
        own, part = self.model_dump(exclude={"stages"}), stage.model_dump(exclude={"adapt"})
        if part.get("optimiser", self.optimiser) != self.optimiser:
            own["options"] = {}  # those of another optimiser mean nothing to this one
        if "steps" in part:
            own["warmup"] = int(self.warmup * part["steps"] / self.steps)
        return {**own, **part}

    @model_validator(mode="after")
    def _consistent(self) -> "TrainConfig":
        if self.warmup >= self.steps:
            raise fault(f"should be less than train.steps={self.steps}, got {self.warmup}", "warmup")
        for number, stage in enumerate(self.stages):
            try:
                TrainConfig.model_validate(self._part(stage))
            except ValidationError as error:
                raise fault(f"is no valid stage: {error.errors()[0]['msg']}", "stages", number) from None
        if self.balance is not None and self.accumulate > 1:
            raise fault("should be 1 where train.balance is set", "accumulate")
        if self.batch_size % self.accumulate:
            raise fault(f"should divide train.batch_size={self.batch_size}, got {self.accumulate}", "accumulate")
        return self
