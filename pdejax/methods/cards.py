"""What a model must know of what it learns from: a data set, or a problem."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from pdejax.core import build, describe, spelt
from pdejax.data import Arrays, Trajectories
from pdejax.equations import BoundaryValueProblem, Family


@runtime_checkable
class Measuring(Protocol):
    """A method that measures more of the data than their moments before a model is built."""

    def measured(self, card: Any, data: Trajectories) -> Any:
        """The card with what is measured."""
        ...

    def sketched(self, card: Any, family: Family, simulator: Any) -> Any:
        """The card with a one for each number that will be measured."""
        ...


@spelt
@dataclasses.dataclass(frozen=True)
class DataCard:
    """What a model must know of its data, as plain JSON-able values.

    **Arguments:** `shape`, `lengths`: the grid the data live on, without lengths where it is none; `step`: time between
    frames; `field_names`; `parameter_names`: physical parameters that vary between trajectories; `statistics`:
    per-field and per-parameter moments of the training split, name to list; `equation`: its source, for people;
    `fingerprint`: of the data set; `input_names`: fields given beside the states; `periodic`: whether each axis is;
    `source`: which `family` the data solve and by what `simulator`, as descriptions, for a method that asks;
    `parameter_ranges`: lowest and highest value of each parameter, that could be drawn or else is in the training data.
    """

    shape: tuple[int, ...]
    lengths: tuple[float, ...]
    step: float
    field_names: tuple[str, ...]
    parameter_names: tuple[str, ...]
    statistics: Mapping[str, list[float]]
    equation: tuple[str, ...] = ()
    fingerprint: str = ""
    input_names: tuple[str, ...] = ()
    periodic: tuple[bool, ...] = ()
    source: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    parameter_ranges: tuple[tuple[float, float], ...] = ()

    @classmethod
    def of(cls, data: Trajectories, method: Any = None) -> "DataCard":
        """The card of a data set, wherever it comes from.

        **Arguments:** `data`; `method`: that is to learn from them, which adds what it measures of them, such as the
        residual of a solver that is to be corrected.
        """
        if not isinstance(data, Trajectories):
            raise ValueError(f"DataCard.of takes a data set, such as pdejax.Arrays, got {type(data).__name__}: of an "
                             "array take DataCard.from_arrays(states, step=...)")  # fmt: skip
        domain: Any = data.domain
        card = cls(
            shape=tuple(domain.shape),
            lengths=_lengths(domain),
            step=data.step,
            field_names=tuple(data.field_names),
            parameter_names=tuple(data.parameter_names),
            statistics={name: [float(v) for v in values] for name, values in data.statistics.items()},
            equation=tuple(data.family.equation.terms) if data.family else (),
            fingerprint=data.fingerprint,
            input_names=tuple(data.input_names),
            periodic=_periodic(domain),
            parameter_ranges=_ranges(data),
        )
        return method.measured(card, data) if isinstance(method, Measuring) else card

    @classmethod
    def sketch(cls, family: Family, simulator: Any = None, method: Any = None) -> "DataCard":
        """The card of data that are not there yet, all moments being those of standard normal numbers.

        **Arguments:** `family`; `simulator`: that is to solve it; `method`: that is to learn from the data.
        """
        fields, inputs, parameters = family.fields, family.inputs, family.parameter_names
        named = {"mean": fields, "std": fields, "rms_delta": fields, "input_mean": inputs, "input_std": inputs}
        named |= {"parameter_mean": parameters, "parameter_std": parameters}
        domain: Any = family.domain
        card = cls(
            shape=domain.shape,
            lengths=_lengths(domain),
            step=family.step,
            field_names=fields,
            parameter_names=parameters,
            statistics={k: [0.0 if k.endswith("mean") else 1.0] * len(names) for k, names in named.items()},
            equation=tuple(family.equation.terms),
            input_names=inputs,
            periodic=_periodic(domain),
            parameter_ranges=_support(family, parameters),
        )
        return method.sketched(card, family, simulator) if isinstance(method, Measuring) else card

    @classmethod
    def from_arrays(cls, states: Any, **options: Any) -> "DataCard":
        """The card of trajectories in memory.

        **Arguments:** `states`: `(trajectory, time, *space, channel)`; `options`: as of `pdejax.data.Arrays`, such as
        `step`, `lengths`, `periodic` and `parameters`.
        """
        return cls.of(Arrays(states, **options))

    def to_json(self) -> dict[str, Any]:
        """Plain values that `from_json` reads."""
        later = ("source", "parameter_ranges")  # which cards without them never said
        return {name: value for name, value in dataclasses.asdict(self).items() if value or name not in later}

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> "DataCard":
        """The inverse of `dataclasses.asdict` after a trip through JSON."""
        lists = ("shape", "lengths", "field_names", "parameter_names", "equation", "input_names", "periodic")
        values: dict[str, Any] = {k: tuple(v) if k in lists else v for k, v in plain.items()}
        _check_numbers(values)
        values["parameter_ranges"] = tuple((float(a), float(b)) for a, b in values.get("parameter_ranges", ()))
        return cls(**values)


def _check_numbers(values: Mapping[str, Any]) -> None:
    """**Raises:** `ValueError` for an entry that a card of real data cannot have."""
    real = lambda x: isinstance(x, int | float) and not isinstance(x, bool) and math.isfinite(x)
    step: Any = values.get("step")
    lengths = values.get("lengths", ())
    if not (real(step) and step >= 0):
        raise ValueError(f"data.step should be a number, 0 where there is no time, got {step!r}")
    if not all(real(x) and x > 0 for x in lengths):
        raise ValueError(f"data.lengths should be positive numbers, got {list(lengths)}")
    ranges = values.get("parameter_ranges", ())
    pair = lambda one: isinstance(one, list | tuple) and len(one) == 2 and all(map(real, one))
    if not (isinstance(ranges, list | tuple) and all(map(pair, ranges))):
        raise ValueError(f"data.parameter_ranges should be pairs of numbers, got {ranges!r}")
    for name, numbers in dict(values.get("statistics", {})).items():
        if not (isinstance(numbers, list) and all(map(real, numbers))):
            raise ValueError(f"data.statistics.{name} should be a list of numbers, got {numbers!r}")


def _ranges(data: Trajectories) -> tuple[tuple[float, float], ...]:
    """What the family of the data could draw, or where none is known the least and the largest they were trained on."""
    names = data.parameter_names
    if not names:
        return ()
    if data.family is not None:
        return _support(data.family, names)
    table = data.split("train" if "train" in data.split_names else data.split_names[0]).parameter_array
    return tuple(zip(table.min(0).tolist(), table.max(0).tolist(), strict=True))


def _support(family: Family, names: Sequence[str]) -> tuple[tuple[float, float], ...]:
    ends = (family.support[name] for name in names)
    return tuple((float(low), float(high)) for low, high in ends)


def _lengths(domain: Any) -> tuple[float, ...]:
    return tuple(getattr(domain, "lengths", ()))


def _periodic(domain: Any) -> tuple[bool, ...]:
    return tuple(getattr(domain, "periodic_axes", (False,) * len(domain.shape)))


@spelt
@dataclasses.dataclass(frozen=True)
class ProblemCard:
    """What a field must know: the problem it solves.

    **Arguments:** `problem`.
    """

    problem: BoundaryValueProblem

    def to_json(self) -> dict[str, Any]:
        """Plain values that `card_from_json` reads.

        **Raises:** `ValueError` for a problem whose equation is a Python function, which no file can hold.
        """
        if self.problem.function is not None:
            raise ValueError(f"problem {self.problem.name!r} is given by a Python function, which cannot be saved: "
                             f"state its equation as terms")  # fmt: skip
        return {"problem": describe(self.problem)}


def card_from_json(plain: Mapping[str, Any]) -> DataCard | ProblemCard:
    """The card that `to_json` gave."""
    if "problem" in plain:
        return ProblemCard(build("problem", {"kind": "boundary_value", **plain["problem"]}))
    return DataCard.from_json(plain)
