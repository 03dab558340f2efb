"""What a method owes to the training loop and what it may know about the data."""

import abc
import dataclasses
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, Protocol, runtime_checkable

import equinox as eqx
from jaxtyping import Array, Float

from pdejax.core import Boundary, Key, Keys, Scalar
from pdejax.data import Batch, Dataset
from pdejax.equations import BoundaryValueProblem
from pdejax.networks import build_network, network_options


@dataclasses.dataclass(frozen=True)
class DataCard:
    """What a model must know of its data, as plain JSON-able values.

    **Arguments:** `shape`, `lengths`: the grid the data live on; `step`: time between frames; `field_names`;
    `parameter_names`: physical parameters that vary between trajectories; `statistics`: per-field and per-parameter
    moments of the training split, name to list; `equation`: its source, for people; `fingerprint`: of the data set;
    `input_names`: fields given beside the states; `periodic`: whether each axis is.
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

    @classmethod
    def of(cls, dataset: Dataset) -> "DataCard":
        """The card of a generated data set."""
        return cls(
            shape=dataset.grid.shape,
            lengths=dataset.grid.lengths,
            step=dataset.step,
            field_names=tuple(dataset.field_names),
            parameter_names=tuple(dataset.parameter_names),
            statistics={name: [float(v) for v in values] for name, values in dataset.statistics.items()},
            equation=tuple(dataset.problem.equation.terms),
            fingerprint=dataset.fingerprint,
            input_names=tuple(dataset.input_names),
            periodic=tuple(b is Boundary.PERIODIC for b in dataset.grid.boundaries),
        )

    def to_json(self) -> dict[str, Any]:
        """Plain values that `from_json` reads."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> "DataCard":
        """The inverse of `dataclasses.asdict` after a trip through JSON."""
        lists = ("shape", "lengths", "field_names", "parameter_names", "equation", "input_names", "periodic")
        values: dict[str, Any] = {k: tuple(v) if k in lists else v for k, v in plain.items()}
        return cls(**values)


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
        return {"problem": dict(self.problem.spec)}


def card_from_json(plain: Mapping[str, Any]) -> DataCard | ProblemCard:
    """The card that `to_json` gave."""
    if "problem" in plain:
        return ProblemCard(BoundaryValueProblem.from_spec(plain["problem"]))
    return DataCard.from_json(plain)


class AbstractMethod(eqx.Module):
    """A way to learn: a model built around a network, a loss per sample, and which leaves are trained."""

    @property
    @abc.abstractmethod
    def window(self) -> int:
        """Frames of a trajectory that one training sample holds; 0 for methods that need no trajectories."""

    @abc.abstractmethod
    def build(self, network: Mapping[str, Any], card: DataCard, *, key: Key) -> Any:
        """The untrained model, in physical units: a Predictor, and a Stepper if it moves in time."""

    @abc.abstractmethod
    def trainable(self, model: Any) -> Any:
        """A tree of booleans like `model`, true where the loop may change a leaf."""

    @abc.abstractmethod
    def loss(
        self, model: Any, batch: Batch, keys: Keys
    ) -> tuple[Float[Array, " batch"], dict[str, Float[Array, " batch"]]]:
        """Loss and further metrics of each sample; the loop reduces them.

        **Arguments:** `model`; `batch`; `keys`: one random key per sample, so that randomness belongs to the
        sample and not to the device that happens to compute it.
        """


class RowGroup(NamedTuple):
    """Rows of a least-squares problem that one function gives.

    - `function`: `function(model, *arrays) -> (point, equation)`; a row depends on its own point alone.
    - `arrays`: all with the leading axis point.
    - `weight`: of the term in the loss, whose root is a factor of the rows.
    """

    function: Callable[..., Float[Array, "point equation"]]
    arrays: tuple[Array, ...]
    weight: float = 1.0


@runtime_checkable
class LeastSquares(Protocol):
    """A method whose loss, averaged over samples, is the sum of the squares of rows divided by their number."""

    def row_groups(self, model: Any, batch: Any) -> list[RowGroup]:
        """The rows of this batch."""
        ...


@runtime_checkable
class Composite(Protocol):
    """A method whose loss is a weighted sum of named terms, so that their weights can be balanced."""

    def term_names(self, model: Any) -> tuple[str, ...]:
        """What the terms are called, in the order of `row_groups` where it has them."""
        ...

    def weights_of(self, model: Any) -> dict[str, float]:
        """The weight of each term by its name."""
        ...

    def terms(self, model: Any, batch: Any, keys: Keys) -> dict[str, Float[Array, " sample"]]:
        """The terms of each sample, without weights."""
        ...


@runtime_checkable
class Phased(Protocol):
    """A method that may train in two phases, each a run of the same loop."""

    @property
    def first_phase(self) -> tuple[AbstractMethod, float] | None:
        """The method that trains first, and its share of the updates; none if there is one phase only."""
        ...

    def continued(self, model: Any, batches: Iterable[Batch]) -> Any:
        """The model with which training goes on, of the first phase's best one and held-out data to measure on."""
        ...


@runtime_checkable
class Coupled(Protocol):
    """A method whose samples may share something, so that the loss of a batch is not made of losses of its parts.

    The loop gives a coupled loss the whole batch, of which each device holds some samples. What is computed by
    sample stays there; a sum over samples costs a little communication, and a Fourier transform or a check that
    raises (`eqx.error_if`, Diffrax's `throw=True`) that of the whole array: let a failed solve give values that are
    not finite instead, which the loop reports. Rows of padding take part and must not be harder than the others.
    """

    @property
    def coupled(self) -> bool:
        """Whether they do, by the step sizes of one solve for example."""
        ...


@runtime_checkable
class Scheduled(Protocol):
    """A method that changes during training, its weights for example.

    Validation asks the method as it is, so that its losses can be compared.
    """

    def at(self, progress: Scalar) -> AbstractMethod:
        """The method at a moment of training.

        **Arguments:** `progress`: the share of the updates that are done, from 0 to 1 and traced, so that nothing is
        compiled again.
        """
        ...


def first_phase(method: AbstractMethod) -> tuple[AbstractMethod, float] | None:
    """The method that trains before this one, and its share of the updates, if there is one."""
    return method.first_phase if isinstance(method, Phased) else None


def fitted_network(
    network: Mapping[str, Any],
    card: DataCard,
    in_channels: int,
    *,
    out_channels: int | None = None,
    extra_features: int = 0,
    key: Key,
) -> Any:
    """The network of a specification with the sizes that the data ask for.

    **Arguments:** `network`: as `build_network` takes it; a `periodic` that is missing or `None` is that of the data;
    `card`; `in_channels`, `out_channels`: of the network, the latter the fields of the data when omitted;
    `extra_features`: of its condition, after the physical parameters; `key`: random key of the weights.
    """
    spec = {**network}
    if spec.get("periodic") is None and "periodic" in network_options(spec["kind"]):
        spec["periodic"] = card.periodic or True
    return build_network(
        spec,
        in_channels=in_channels,
        out_channels=len(card.field_names) if out_channels is None else out_channels,
        ndim=len(card.shape),
        condition_features=len(card.parameter_names) + extra_features,
        key=key,
    )
