"""What makes trajectories of a family: classical solvers, and functions of a user's own."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol, runtime_checkable

import equinox as eqx
import numpy as np
from jaxtyping import Array, Float

from pdejax.core import Domain
from pdejax.equations import Family


class Frames(eqx.Module):
    """What a simulator gives back, on the domain of the family.

    - `states`: `(batch, time, *space, channel)`.
    - `inputs`: fields that were given beside the initial state, `(batch, *space, input)`.
    - `record`: what `check` wants to know of the run beside them, arrays `(batch, ...)` by name; of a `Resolving`
        simulator `space_error`, or `tail` of a `Doubling` one.
    """

    states: Any
    inputs: Any
    record: dict[str, Any] = eqx.field(default_factory=dict)


@runtime_checkable
class Resolving(Protocol):
    """A `Simulator` that knows how far it is from another grid: its `Frames.record` has a `space_error`, `(batch,)`, or
    nothing where no grid is there to compare with.

    - `grid_checks`: what these numbers are.
    """

    @property
    def grid_checks(self) -> str: ...

    def finer_grid(self, family: Family) -> str:
        """What to change where they are too large."""
        ...


@runtime_checkable
class Doubling(Resolving, Protocol):
    """A `Resolving` simulator that compares some trajectories alone: its record has in place of errors a `tail`,
    `(batch, time)`: the share of a field's size that lies in the highest modes.

    `doubled` gives the errors.
    """

    def state_at(
        self, family: Family, fields: Mapping[str, Any], parameters: Mapping[str, Any], frame: Any
    ) -> Float[Array, "*space channel"]:
        """The state of a trajectory in its stored frame number `frame`, which may be traced, on the simulator's grid.

        **Arguments:** `fields`: what was drawn, `(*space)` by name; `parameters`: what varies, numbers by name.
        """
        ...

    def doubled(
        self, family: Family, state: Float[Array, "*space channel"], parameters: Mapping[str, Any], frame: Any
    ) -> Float[Array, ""]:
        """How far the next frame is from that with twice the points per axis, from the same state.

        **Arguments:** `state`: in the stored frame number `frame`, on the simulator's grid; `parameters`.
        """
        ...


@runtime_checkable
class Simulator(Protocol):
    """Solves many members of a family together; a frozen object that can be hashed and compared.

    - `outside`: whether it is code that JAX cannot trace; it then gets NumPy arrays.
    - `checks`: what the numbers of `check` are; `remedy`: what to change where they are too large.
    """

    @property
    def outside(self) -> bool: ...

    @property
    def checks(self) -> str: ...

    @property
    def remedy(self) -> str: ...

    def validate(self, family: Family) -> None:
        """**Raises:** `ValueError` for a family it cannot solve."""
        ...

    def domain(self, family: Family, *, coarser: int = 1) -> Domain:
        """Where it works: on its own domain, or one of so many times fewer points per axis."""
        ...

    def numerics(self, family: Family) -> Mapping[str, Any]:
        """How it solves, as JSON, for the provenance of data."""
        ...

    def __call__(
        self, family: Family, fields: Mapping[str, Any], parameters: Mapping[str, Any], times: np.ndarray
    ) -> Frames:
        """Solutions.

        **Arguments:** `family`; `fields`: what was drawn, on `domain(family)`, `(batch, *space)` by name;
        `parameters`: what varies, `(batch,)` by name, columns of a `Scaling` among them; `times`: of the frames
        `(time,)`, before the factor of a `Scaling`; one zero if steady.
        """
        ...

    def check(self, family: Family, frames: Frames, parameters: Mapping[str, Any]) -> Float[Array, " batch"]:
        """How far each solution is from what it should be, in the measure that `checks` names."""
        ...

    def stepper(self, family: Family, parameters: Mapping[str, Any], *, coarser: int = 1) -> Callable[..., Any]:
        """Of a family in time the Stepper whose call is one frame on `domain(family, coarser=coarser)`; of a steady
        one the function from inputs `(*batch, *space, input)` on that domain to the solution.

        **Raises:** `ValueError` if it has none.
        """
        ...
