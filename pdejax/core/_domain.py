"""What every domain can do: grids, scattered points."""

from typing import Any, Protocol, runtime_checkable

import numpy as np


@runtime_checkable
class Domain(Protocol):
    """Where fields live: static, hashable, and JSON by `describe`.

    - `dimension`: number of physical axes; `shape`: of arrays on it, `(points,)` for scattered ones.
    - `ends`: what holds at its sides, in the order of axes; nothing where there are none.
    """

    @property
    def dimension(self) -> int: ...

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def ends(self) -> Any: ...

    def coordinates(self) -> np.ndarray:
        """Coordinates of all points, float64, `(*shape, dimension)`."""
        ...

    def measure(self) -> np.ndarray:
        """Quadrature weights of all points, float64, broadcastable to `shape`."""
        ...

    def transfer(self, u: Any, to: "Domain") -> Any:
        """A field `(*batch, *shape, channel)` on another domain of the same extent."""
        ...
