"""A box divided into equal cells, with a boundary kind per axis."""

import dataclasses
import enum

import numpy as np


class Boundary(enum.Enum):
    """What happens at both ends of an axis."""

    PERIODIC = "periodic"
    DIRICHLET = "dirichlet"
    NEUMANN = "neumann"


@dataclasses.dataclass(frozen=True)
class Grid:
    """A uniform grid on a box; periodic axes exclude their end point.

    **Arguments:**

    - `shape`: points per axis, one to three axes.
    - `lengths`: extent of each axis, in the units of the problem.
    - `boundaries`: boundary kind per axis; all periodic when omitted.
    - `origin`: coordinate of the first point; zero when omitted.

    **Raises:** `ValueError` if the arguments disagree in length or a size is not positive.
    """

    shape: tuple[int, ...]
    lengths: tuple[float, ...]
    boundaries: tuple[Boundary, ...] = ()
    origin: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        set_ = object.__setattr__
        set_(self, "shape", tuple(int(n) for n in self.shape))
        set_(self, "lengths", tuple(float(length) for length in self.lengths))
        set_(self, "boundaries", tuple(self.boundaries) or (Boundary.PERIODIC,) * self.ndim)
        set_(self, "origin", tuple(float(o) for o in self.origin) or (0.0,) * self.ndim)
        if not 1 <= self.ndim <= 3:
            raise ValueError(f"a Grid has one to three axes, got shape {self.shape}")
        for name in ("lengths", "boundaries", "origin"):
            if len(getattr(self, name)) != self.ndim:
                raise ValueError(f"Grid shape {self.shape} has {self.ndim} axes, but {name} is {getattr(self, name)}")
        if min(self.shape) < 1 or min(self.lengths) <= 0:
            raise ValueError(f"Grid sizes and lengths are positive, got shape {self.shape}, lengths {self.lengths}")

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of points."""
        return int(np.prod(self.shape))

    @property
    def periodic(self) -> bool:
        """Whether every axis is periodic."""
        return all(b is Boundary.PERIODIC for b in self.boundaries)

    @property
    def spacing(self) -> tuple[float, ...]:
        """Distance of neighbouring points per axis."""
        return tuple(length / self._intervals(i) for i, length in enumerate(self.lengths))

    def _intervals(self, axis: int) -> int:
        periodic = self.boundaries[axis] is Boundary.PERIODIC
        return self.shape[axis] if periodic else max(self.shape[axis] - 1, 1)

    def axes(self) -> tuple[np.ndarray, ...]:
        """Coordinates of the points along each axis, float64, one array per axis."""
        return tuple(o + h * np.arange(n) for o, h, n in zip(self.origin, self.spacing, self.shape, strict=True))

    def coordinates(self) -> np.ndarray:
        """Coordinates of all points, float64, shape `(*shape, ndim)`."""
        return np.stack(np.meshgrid(*self.axes(), indexing="ij"), axis=-1)

    def with_shape(self, shape: tuple[int, ...]) -> "Grid":
        """The same box with another number of points."""
        return dataclasses.replace(self, shape=tuple(shape))
