"""A function of a user's own as a simulator."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np

from pdejax.core import Domain, build, named_code, register
from pdejax.equations import Family
from pdejax.solvers._simulator import Frames, Simulator


@register("simulator", "function")
@dataclasses.dataclass(frozen=True)
class Function:
    """A function of a user's own as a `Simulator`.

    **Arguments:**

    - `function`: from `(family, fields, parameters, times)`, see `Simulator`, to states
        `(batch, time, *space, channel)` on the domain of the family; or its place `"package.module:name"`, which is
        what a data set notes of it.
    - `outside`: whether it is code that JAX cannot trace; it then gets NumPy arrays and gives one.
    - `checked_by`: from `(family, states, parameters)` to what the tolerance bounds, `(batch,)`, or its place; where
        it is omitted nothing is compared, and only states that are not finite are rejected.
    """

    function: Callable[..., Any] | str
    outside: bool = False
    checked_by: Callable[..., Any] | str | None = None
    calls: tuple[Any, Any] = dataclasses.field(init=False, repr=False)

    remedy = "change the function that simulates, or raise the tolerance of the problem"

    def __post_init__(self) -> None:
        set_, given = object.__setattr__, (self.function, self.checked_by)
        set_(self, "calls", tuple(named_code(f, f"simulator {f!r}") if isinstance(f, str) else f for f in given))
        set_(self, "function", _place(self.function))
        set_(self, "checked_by", None if self.checked_by is None else _place(self.checked_by))

    @property
    def checks(self) -> str:
        """What the numbers of `check` are."""
        return "nothing is compared" if self.checked_by is None else f"by {self.checked_by}"

    def validate(self, family: Family) -> None:
        """A function takes every family."""

    def domain(self, family: Family, *, coarser: int = 1) -> Domain:
        """The domain of the family.

        **Raises:** `ValueError` for a coarser one.
        """
        if coarser != 1:
            raise ValueError(f"simulator {self.function!r} is a function of one resolution")
        return family.domain

    def numerics(self, family: Family) -> dict[str, Any]:
        """Where the function is."""
        return {"solver": self.function, "outside": self.outside}

    def __call__(
        self, family: Family, fields: Mapping[str, Any], parameters: Mapping[str, Any], times: np.ndarray
    ) -> Frames:
        """The function's states, with the inputs as they are.

        **Raises:** `ValueError` if the states have another shape.
        """
        states, first = self.calls[0](family, fields, parameters, times), next(iter(fields.values()))
        expected = (first.shape[0], len(times), *family.domain.shape, len(family.fields))
        if getattr(states, "shape", None) != expected:
            raise ValueError(f"simulator {self.function!r} gave {_what(states)}, expected states "
                             f"(batch, time, *space, channel) of shape {expected}")  # fmt: skip
        numpy: Any = np if self.outside else jnp
        given = [fields[name] for name in family.inputs]
        inputs = numpy.stack(given, -1) if given else numpy.zeros((*first.shape, 0), first.dtype)
        return Frames(states, inputs)

    def check(self, family: Family, frames: Frames, parameters: Mapping[str, Any]) -> Any:
        """What `checked_by` says of the states, or zeros."""
        if self.calls[1] is None:
            return (np if self.outside else jnp).zeros(len(frames.states))
        return self.calls[1](family, frames.states, parameters)

    def stepper(self, family: Family, parameters: Mapping[str, Any], *, coarser: int = 1) -> Callable[..., Any]:
        """**Raises:** `ValueError`: a function gives whole trajectories."""
        raise ValueError(f"simulator {self.function!r} is a function that gives whole trajectories: it has no step")


def _place(given: Any) -> str:
    if isinstance(given, str):
        return given
    return f"{given.__module__}:{getattr(given, '__qualname__', type(given).__qualname__)}"


def _what(given: Any) -> str:
    return f"shape {given.shape}" if hasattr(given, "shape") else f"a {type(given).__name__}"


def as_simulator(given: Any) -> Simulator:
    """A simulator as it is or as a description makes it, and a function as one that JAX can trace.

    **Raises:** `ValueError` for what is neither.
    """
    given = build("simulator", given)
    if isinstance(given, Simulator):
        return given
    if callable(given):
        return Function(given)
    raise ValueError(f"a simulator is an object such as ETDRK(), a description, or a function of (family, fields, "
                     f"parameters, times), got {type(given).__name__}")  # fmt: skip
