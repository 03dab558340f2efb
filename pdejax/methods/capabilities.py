"""What a method or a network may be able to do beside: small protocols that the loop and the optimisers ask for."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

from jaxtyping import Array, Float

from pdejax.core import Keys, Scalar
from pdejax.data import Batch
from pdejax.methods.method import AbstractMethod


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


@runtime_checkable
class MadeForGrids(Protocol):
    """A network that can say why a grid does not train all of it."""

    def check_grid(self, space: Sequence[int]) -> None:
        """**Raises:** `ValueError` with the option that does not go with `space`, the points per axis."""
        ...
