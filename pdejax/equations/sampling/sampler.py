"""What all distributions of fields have in common."""

from typing import Protocol, runtime_checkable

from jaxtyping import Array, Float

from pdejax.core import Grid, Key


@runtime_checkable
class Sampler(Protocol):
    """A distribution of fields, initial states or inputs; `channels` is the number of fields."""

    @property
    def channels(self) -> int: ...

    def __call__(self, key: Key, grid: Grid) -> Float[Array, "*space channel"]: ...
