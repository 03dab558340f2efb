"""Steady problems: all equations and conditions at once, by Newton's method with dense least squares."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import scipy.linalg
from scipy import sparse

from pdejax.equations import BoundaryValueProblem, Residual
from pdejax.solvers._truth import Progress
from pdejax.solvers.chebyshev.faces import BOTH_ENDS, coverage, ends_of, faces_of
from pdejax.solvers.chebyshev.nodes import Clustered, Nodes
from pdejax.solvers.chebyshev.rows import Rows

MOST_STEPS = 40  # a start at zero takes 5 to 15 where it works at all
HALVINGS = 8  # a step of 1/256 that does not help is not the step's fault
# a relative change below which the convergence is quadratic: one that then stops falling has met rounding
QUADRATIC = 1e-6
NO_RESIDUAL = 1e-12  # what rounding leaves of weighted rows of size one
SINGULAR = 1e-14  # ratio of pivots below which a matrix leaves something free, in double precision


@dataclasses.dataclass(frozen=True)
class Steady:
    """All equations of a steady problem, and which axes of which field are reduced."""

    nodes: Nodes
    rows: Sequence[tuple[Rows, np.ndarray]]
    reduced: Sequence[tuple[int, ...]]
    splits: Sequence[int]

    def value(self, x: np.ndarray) -> np.ndarray:
        """All residuals, `(row,)`."""
        return np.concatenate([rows.value(x)[keep].T.ravel() for rows, keep in self.rows])

    def matrix(self, x: np.ndarray) -> np.ndarray:
        """Their derivatives, `(row, unknown)`."""
        blocks = []
        for rows, keep in self.rows:
            slopes = rows.slopes(x)
            count = next(iter(slopes.values())).shape[1]
            blocks += [rows.matrix(slopes, e)[np.flatnonzero(keep)] for e in range(count)]
        return sparse.vstack(blocks).toarray()

    def fields(self, x: np.ndarray) -> np.ndarray:
        """Values of all fields at all nodes, `(*shape, channel)`."""
        parts = np.split(x, self.splits[:-1])
        zero = (0,) * len(self.nodes.axes)
        full = [self.nodes.matrix(zero, None, r) @ part for part, r in zip(parts, self.reduced, strict=True)]
        return np.stack(full, axis=-1).reshape(*self.nodes.shape, len(full))


def steady(problem: BoundaryValueProblem, nodes: Nodes, parameters: Mapping[str, float]) -> Steady:
    """The equation holds off the ends that have conditions; what has none there is two degrees lower along that axis.

    This is the P_N - P_(N-2) method of Bernardi and Maday (1997) for pressures, which leaves no spurious modes.
    """
    faces, channels = faces_of(problem, nodes), range(problem.channels)
    covered = coverage(nodes, faces, problem.channels)
    inside = np.logical_not(covered.any(axis=0))
    lines = [np.array([nodes.on_face(i, e) for e in ends_of(axis)]) for i, axis in enumerate(nodes.axes)]
    walls = [i for i, line in enumerate(lines) if any(not inside[on].any() for on in line)]
    lacks = lambda c, i: not any(covered[c][on].all() for on in lines[i])
    reduced = [tuple(i for i in walls if lacks(c, i)) for c in channels]
    if any(isinstance(nodes.axes[i], Clustered) for r in reduced for i in r):
        raise ValueError(f"problem {problem.name!r}: {BOTH_ENDS}")
    sizes = [int(np.prod([n - 2 * (i in r) for i, n in enumerate(nodes.shape)])) for r in reduced]
    splits = [int(s) for s in np.cumsum(sizes)]

    def rows(residual: Residual, held: Mapping[int, float] | None) -> Rows:
        matrices = lambda order, c: nodes.matrix(order, held, reduced[c])
        return Rows(residual, nodes.points(held), matrices, splits, parameters, False)

    conditions = [(rows(f.condition.residual, f.held), np.full(len(nodes.points(f.held)), True)) for f in faces]
    return Steady(nodes, [(rows(problem.residual, None), inside), *conditions], reduced, splits)


def row_weights(matrix: np.ndarray) -> np.ndarray:
    """One over the norms of rows.

    Equations of high order would drown conditions without them. Where a system is consistent, as collocation is up to
    its own error, weights change the rounding only.
    """
    return 1 / np.maximum(np.linalg.norm(matrix, axis=1), np.finfo(float).tiny)


def least_squares(matrix: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The least-squares solution of a few rows more than unknowns, by the method of Peters and Wilkinson (1970).

    A = L U with pivots, then |L1 z - b1|^2 + |L2 z - b2|^2 is least where w = L1 z is b1 and a correction of the size
    of the rows left over; half the work of a QR decomposition. Overwrites `matrix`.

    **Raises:** `ValueError` if the rows do not determine the solution.
    """
    rows, n = matrix.shape
    if rows < n:
        raise ValueError(f"the solution is not determined: {rows} rows for {n} unknowns; "
                         f"state conditions on the missing faces")  # fmt: skip
    factors, swaps = scipy.linalg.lu_factor(matrix, overwrite_a=True)
    size = np.abs(np.diag(factors))
    if not size.min() > SINGULAR * size.max():
        raise ValueError("the solution is not determined: the equations leave a field free up to a constant or more; "
                         "a condition is missing, or one that pins the field at a point, such as 'x=0'")  # fmt: skip
    for i, j in enumerate(swaps):
        right[[i, j]] = right[[j, i]]
    lower, first, rest = factors[:n], right[:n], right[n:]
    more = scipy.linalg.solve_triangular(lower, factors[n:].T, trans=1, lower=True, unit_diagonal=True).T
    first = first + more.T @ np.linalg.solve(np.eye(rows - n) + more @ more.T, rest - more @ first)
    z = scipy.linalg.solve_triangular(lower, first, lower=True, unit_diagonal=True)
    return scipy.linalg.solve_triangular(lower, z)


def newton(system: Steady, tolerance: float, progress: Progress) -> tuple[np.ndarray, int]:
    x = np.zeros(system.splits[-1])
    before = np.inf
    for step in range(1, MOST_STEPS + 1):
        progress(step, MOST_STEPS)
        matrix, value = system.matrix(x), system.value(x)
        weights = row_weights(matrix)
        matrix *= weights[:, None]
        change = least_squares(matrix, -weights * value)
        part = _damping(lambda s: float(np.linalg.norm(weights * system.value(x + s * change))))  # noqa: B023
        x = x + part * change
        size = float(np.linalg.norm(change) / max(np.linalg.norm(x), np.finfo(float).tiny))
        # rounding ends the convergence before a tolerance that is too sharp does
        if size <= tolerance or (part == 1 and before < QUADRATIC and size > before / 2):
            progress(MOST_STEPS, MOST_STEPS)  # what is left of the most there may be was not needed
            return x, step
        before = size
    raise RuntimeError(f"Newton's method has not converged in {MOST_STEPS} steps (last relative change {before:.1e}); "
                       f"take other points or a milder problem")  # fmt: skip


def _damping(norm: Callable[[float], float]) -> float:
    """The first of 1, 1/2, ... that does not raise the residual; the smallest one if all do."""
    start, part = norm(0.0), 1.0
    for _ in range(HALVINGS):
        if norm(part) <= max(start, NO_RESIDUAL):
            return part
        part /= 2
    return 1.0 if start < QUADRATIC else part
