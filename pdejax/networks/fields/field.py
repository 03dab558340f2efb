"""What every function of coordinates answers, whatever it is made of."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from jaxtyping import Array, Float

Order = tuple[int, ...]


@runtime_checkable
class Field(Protocol):
    """A function of the coordinates of a box, u(t, x, ...), a pytree.

    Points are an array `(point, axis)` or a `TensorGrid`, whose results are flattened in C order.
    """

    def __call__(self, points: Any) -> Float[Array, "point channel"]: ...

    def jet(self, points: Any, orders: Sequence[Order]) -> Mapping[Order, Float[Array, "point channel"]]:
        """Partial derivatives by order along each axis."""
        ...
