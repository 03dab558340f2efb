"""How long and with what a run trains: the type of the `train` section."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import PlainValidator, model_validator

from pdejax.config._types import Count, Flag, Fraction, NotNegative, Positive, Section, Whole, fault


def _devices(value: Any) -> Any:
    if value == "auto" or (type(value) is int and value > 0):
        return value
    raise fault(f"should be auto (all there are) or a positive number, got {value!r}")


class TrainConfig(Section):
    """The training loop's settings; all counts are in optimiser updates.

    `warmup` below 1 is a share of `steps`, so that a shorter run keeps its shape; `ema` is the decay of the averaged
    parameters (0: none), `accumulate` the number of micro-batches of a batch, `updates_per_dispatch` how many updates
    one compiled call makes, `monitor` the metric whose smallest value marks the best model (with a minus before it:
    the largest), `feed` where batches come
    from: the device's memory, the disk, or what fits, `distributed` whether this is
    one of several processes, found through the cluster (Slurm, TPU pods, MPI) or, elsewhere, through the variables
    JAX_COORDINATOR_ADDRESS, JAX_NUM_PROCESSES and JAX_PROCESS_ID.
    """

    steps: Count
    batch_size: Count = 32
    optimiser: Literal["adamw", "lion"] = "adamw"
    learning_rate: Positive = 1e-3
    schedule: Literal["constant", "cosine", "exponential"] = "cosine"
    warmup: Whole = 0
    final_learning_rate: NotNegative = 0.0
    weight_decay: NotNegative = 0.0
    clip: Positive | None = 1.0
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

    @model_validator(mode="before")
    @classmethod
    def _share(cls, values: Any) -> Any:
        if not isinstance(values, Mapping):
            return values
        warmup, steps = values.get("warmup"), values.get("steps")
        if isinstance(warmup, float) and 0 < warmup < 1:
            return {**values, "warmup": int(warmup * steps) if isinstance(steps, int | float) else 0}
        return values

    @model_validator(mode="after")
    def _consistent(self) -> "TrainConfig":
        if self.warmup >= self.steps:
            raise fault(f"should be less than train.steps={self.steps}, got {self.warmup}", "warmup")
        if self.batch_size % self.accumulate:
            raise fault(f"should divide train.batch_size={self.batch_size}, got {self.accumulate}", "accumulate")
        return self
