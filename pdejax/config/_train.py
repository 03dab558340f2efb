"""How long and with what a run trains: the `train` section, made of the settings of the loop."""

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import ConfigDict, create_model, model_serializer, model_validator

from pdejax.config._sections import fields_of, section, section_of, several_of
from pdejax.config._types import Count, Flag, Section
from pdejax.core import MOST, registered
from pdejax.methods import adapt_field
from pdejax.training import TrainSettings

STORED = ("auto", "device", "disk")  # feeds of what was generated before


class TrainConfig(Section):
    """The loop's settings (see `pdejax.training.TrainSettings`), and how a command line feeds and runs it.

    `batch_size` samples make an update; `feed` says where batches come from: of the stored split `train`, from the
    device's memory, the disk, or what fits, or a `kind` of feed that solves as training goes on; `distributed` whether
    this is one of several processes, found through the cluster (Slurm, TPU pods, MPI) or, elsewhere, through the
    variables JAX_COORDINATOR_ADDRESS, JAX_NUM_PROCESSES and JAX_PROCESS_ID; `stages` are parts of training one after
    the other, each with settings of its own. `sinks` are told of the metrics beside `metrics.jsonl`, and `callbacks`
    may end the training: names or mappings with a `kind`.

    `warmup` below 1 is a share of `steps`, those of the stage in a stage, so that a shorter run keeps its shape.
    """

    batch_size: Count = 32
    feed: Any = STORED[0]
    distributed: Flag = False
    stages: tuple[Any, ...] = ()
    sinks: tuple[Any, ...] = ("tensorboard",)
    callbacks: tuple[Any, ...] = ()

    @property
    def online(self) -> dict[str, Any] | None:
        """The description of a feed that solves as training goes on; none where batches are of what is stored."""
        if isinstance(self.feed, str):
            return None if self.feed in STORED else {"kind": self.feed}
        return self.feed.spec()

    @model_validator(mode="before")
    @classmethod
    def _share(cls, values: Any) -> Any:
        return shared(values) if isinstance(values, Mapping) else values

    def parts(self) -> tuple["TrainConfig", ...]:
        """The settings of each stage, completed by those of the section; the section itself if there are none."""
        return tuple(self._part(stage) for stage in self.stages) or (self,)

    def _part(self, stage: Any) -> "TrainConfig":
        own, part = self.model_dump(exclude={"stages"}), stage.model_dump(exclude={"adapt"})
        if "steps" in part and "warmup" not in part:
            part["warmup"] = int(own["warmup"] * part["steps"] / own["steps"])
        values = {**own, **part}
        return train_type(values).model_validate(values)


def settings_of(section: TrainConfig) -> TrainSettings:
    """The loop's settings, of the section `train` or of a stage."""
    plain = section.model_dump()
    return TrainSettings(**{field.name: plain[field.name] for field in dataclasses.fields(TrainSettings)})


def shared(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """The values with warm-ups that are shares of the steps, of the section or a stage, as numbers of updates."""
    stages, steps = values.get("stages"), values.get("steps")
    if isinstance(stages, list | tuple):
        values = {**values, "stages": [_counted(one, steps) if isinstance(one, Mapping) else one for one in stages]}
    return _counted(values, steps)


def _counted(values: Mapping[str, Any], steps: Any) -> Mapping[str, Any]:
    warmup, steps = values.get("warmup"), values.get("steps", steps)
    if isinstance(warmup, float) and 0 < warmup < 1:  # of what is no number of updates, a complaint says it all
        counted = isinstance(steps, int | float) and 0 < steps <= MOST
        return {**values, "warmup": int(warmup * steps) if counted else 0}
    return values


class Stage(Section):
    """A part of training with settings of its own; what it leaves out is that of the `train` section.

    A warm-up that it leaves out is that of the section in proportion, where it has `steps` of its own.
    `adapt` changes the Gaussians of a field before the stage begins, see `pdejax.methods.adapt_field`.
    """

    model_config = ConfigDict(validate_default=False)

    # a value that is not given is that of the section, and null is a value
    @model_serializer(mode="wrap")
    def _given(self, plain: Any) -> dict[str, Any]:
        return {name: value for name, value in plain(self).items() if name in self.model_fields_set}


def train_type(value: Any) -> type[TrainConfig]:
    """The type of a `train` section that holds this value."""
    held = value if isinstance(value, Mapping) else {}
    stages = held.get("stages") if isinstance(held.get("stages"), list | tuple) else ()
    kinds: Any = tuple[tuple(_stage_type(TrainSettings, one) for one in stages)] if stages else tuple[()]
    fields: Any = {**fields_of(TrainSettings, held), "stages": (kinds, ())}
    for name, group in (("sinks", "sink"), ("callbacks", "callback")):
        default = TrainConfig.model_fields[name].default
        given = held.get(name, default)
        fields[name] = (several_of(group, given if isinstance(given, list | tuple) else ()), default)
    fields["feed"] = (_feed_type(held.get("feed")), STORED[0])
    return create_model("TrainConfig", __base__=TrainConfig, **fields)


def _feed_type(value: Any) -> Any:
    """A word for what is stored, or a feed by its name or as a section."""
    if isinstance(value, Mapping | Section):
        return section_of("feed", value)
    kinds: Any = Literal[(*STORED, *registered("feed"))]
    return kinds


def _stage_type(settings: Any, value: Any) -> type[Stage]:
    fields: Any = {name: (kind, None) for name, (kind, _) in fields_of(settings, value).items()}
    adapt: Any = section(adapt_field, value.get("adapt") if isinstance(value, Mapping) else None)
    return create_model("Stage", __base__=Stage, **fields, adapt=(adapt, None))
