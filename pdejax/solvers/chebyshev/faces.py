"""The nodes of a problem, and where its conditions speak about which field."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pdejax.core import known
from pdejax.equations import BoundaryValueProblem, Condition
from pdejax.solvers.chebyshev.nodes import Axis, Chebyshev, Clustered, Fourier, Nodes

BOTH_ENDS = "on a clustered axis every field needs a condition at both ends"


def axes_of(problem: BoundaryValueProblem, points: Sequence[int], clustered: Sequence[str] = ()) -> Nodes:
    """The nodes of a problem: Fourier points on periodic axes of space, Chebyshev points on the others.

    **Arguments:** `points`: per axis of space; `clustered`: letters of axes with points closer at the ends.

    **Raises:** `ValueError` for another number of axes, or a clustered axis that is none or periodic.
    """
    letters, box = problem.axes[problem.timed :], problem.box[problem.timed :]
    periodic = problem.periodic[problem.timed :]
    if len(points) != len(letters):
        raise ValueError(f"problem {problem.name!r}: points per axis of space {list(letters)}, got {list(points)}")
    for letter in clustered:
        if letter not in letters or periodic[letters.index(letter)]:
            bounded = [one for one, repeats in zip(letters, periodic, strict=True) if not repeats]
            raise ValueError(known("clustered axis", letter, bounded))
    bounded = [Clustered if letter in clustered else Chebyshev for letter in letters]
    kinds = [Fourier if repeats else kind for kind, repeats in zip(bounded, periodic, strict=True)]
    return Nodes(tuple(kind(n, *ends) for kind, n, ends in zip(kinds, points, box, strict=True)))


@dataclasses.dataclass(frozen=True)
class HeldFace:
    """A condition on one face: indices of axes of space, and where they are held."""

    condition: Condition
    held: Mapping[int, float]

    def wall(self, nodes: Nodes) -> bool:
        """Whether it is a whole end of an axis."""
        return len(self.held) == 1 and all(value in ends_of(nodes.axes[i]) for i, value in self.held.items())

    def fields(self, residual: Any) -> set[int]:
        """Channels that occur."""
        return {residual.fields.index(j.field) for j in residual._jets}


def ends_of(axis: Axis) -> list[float]:
    return [float(axis.nodes[i]) for i in axis.ends]


def faces_of(problem: BoundaryValueProblem, nodes: Nodes) -> list[HeldFace]:
    """Conditions in space; those at the start are not among them."""
    letters, low = problem.axes[problem.timed :], problem.box[0][0]
    faces = []
    for condition in problem.conditions:
        for face in condition.faces:
            if "t" in face and (not problem.timed or dict(face) != {"t": low}):
                raise ValueError(f"problem {problem.name!r}: condition {condition.name!r} at {dict(face)} is neither "
                                 f"at the start nor on a face of space alone, as collocation needs it")  # fmt: skip
            if "t" not in face:
                faces.append(HeldFace(condition, {letters.index(a): v for a, v in face.items()}))
    return [_checked(problem, nodes, face) for face in faces]


def _checked(problem: BoundaryValueProblem, nodes: Nodes, face: HeldFace) -> HeldFace:
    for i in face.held:
        steep = any(order[i + problem.timed] for order in face.condition.residual.orders)
        if steep and isinstance(nodes.axes[i], Clustered):
            raise ValueError(f"problem {problem.name!r}: condition {face.condition.name!r} has derivatives along a "
                             f"clustered axis; there, only values can be given")  # fmt: skip
    return face


def coverage(nodes: Nodes, faces: Sequence[HeldFace], channels: int) -> np.ndarray:
    """Where conditions on whole ends speak about a field, `(channel, point)`."""
    mask = np.zeros((channels, int(np.prod(nodes.shape))), bool)
    for face in faces:
        if face.wall(nodes):
            ((axis, value),) = face.held.items()
            for channel in face.fields(face.condition.residual):
                mask[channel] |= nodes.on_face(axis, value)
    return mask
