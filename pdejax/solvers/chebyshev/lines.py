"""Problems in time by the method of lines."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np
from scipy import sparse

from pdejax.equations import BoundaryValueProblem
from pdejax.solvers._truth import Progress
from pdejax.solvers.chebyshev.faces import BOTH_ENDS, coverage, ends_of, faces_of
from pdejax.solvers.chebyshev.nodes import Clustered, Nodes
from pdejax.solvers.chebyshev.rows import Rows

CONSISTENT = 1e-8  # what rounding may leave of equations solved for the rates, relative to these
SAME = 1e-8  # how well conditions that are linear agree with their own derivatives
RANK = 1e-10  # singular values of the conditions, relative to the largest, that count
PSEUDO_RANK = 1e-12  # and those that are inverted
SMALLEST = 1e-3  # size of a state below which the absolute tolerance does not fall
SHARPEST = 3e-14  # relative tolerance that double precision can keep


class Lines:
    """The method of lines: values on the ends follow from the others by the conditions there, which are linear.

    Unknowns are ordered by channel, then point; `inner` marks those that evolve.
    """

    def __init__(self, problem: BoundaryValueProblem, nodes: Nodes, parameters: Mapping[str, float]) -> None:
        self.nodes, self.channels, n = nodes, problem.channels, int(np.prod(nodes.shape))
        splits = [n * (c + 1) for c in range(problem.channels)]
        matrices = lambda held: lambda order, c: nodes.matrix(order, held)
        make = lambda residual, held, derive=None: Rows(
            residual, nodes.points(held), matrices(held), splits, parameters, True, derive
        )
        faces = faces_of(problem, nodes)
        for face in faces:
            if not face.wall(nodes):
                raise ValueError(f"problem {problem.name!r}: condition {face.condition.name!r} is not on a whole face, "
                                 f"which collocation in time cannot take")  # fmt: skip
        self.inner = ~coverage(nodes, faces, problem.channels).ravel()
        self._refuse(problem)
        self.rows = make(problem.residual, None, jax.jit(nodes.derivative, static_argnums=1))
        self.walls = [make(f.condition.residual, f.held) for f in faces]
        self._solve_walls(problem)

    def _refuse(self, problem: BoundaryValueProblem) -> None:
        rate = (1,) + (0,) * problem.ndim
        late = [o for o in problem.residual.orders if o[0] and o != rate]
        if late or rate not in problem.residual.orders or problem.residual.equations != problem.channels:
            raise ValueError(f"problem {problem.name!r}: collocation in time needs one equation a field, of first "
                             f"order in t and without mixed derivatives in t, such as 'u_t = ...'")  # fmt: skip
        ends = np.zeros(int(np.prod(self.nodes.shape)), bool)
        for i, axis in enumerate(self.nodes.axes):
            for end in ends_of(axis) if isinstance(axis, Clustered) else ():
                ends |= self.nodes.on_face(i, end)
        if (self.inner.reshape(self.channels, -1) & ends).any():
            raise ValueError(f"problem {problem.name!r}: {BOTH_ENDS}")

    def _wall_values(self, x: np.ndarray, t: float) -> np.ndarray:
        return np.concatenate([rows.value(x, t).T.ravel() for rows in self.walls] or [np.zeros(0)])

    def _solve_walls(self, problem: BoundaryValueProblem) -> None:
        """Slaved values are `follow @ inner values - give @ residuals of zero`."""
        self._zero, low, high = np.zeros(len(self.inner)), *problem.box[0]
        blocks = [self._wall_matrix(rows, low) for rows in self.walls]
        matrix = sparse.vstack(blocks).toarray() if blocks else np.zeros((0, len(self.inner)))
        self.give = np.linalg.pinv(matrix[:, ~self.inner], rcond=PSEUDO_RANK)
        # mostly zero: given values do not depend on others
        self.follow = sparse.csr_array(-self.give @ matrix[:, self.inner])
        if np.linalg.matrix_rank(matrix[:, ~self.inner], RANK) < (~self.inner).sum():
            raise ValueError(f"problem {problem.name!r}: the conditions do not determine all fields on their faces")
        probe = np.random.default_rng(0).normal(size=len(self.inner))
        got, expected = self._wall_values(probe, high) - self._wall_values(self._zero, high), matrix @ probe
        if not np.allclose(got, expected, rtol=SAME, atol=SAME * (1 + np.abs(expected).max(initial=0))):
            raise ValueError(f"problem {problem.name!r}: collocation in time takes conditions that are linear in the "
                             f"fields with coefficients constant in time")  # fmt: skip

    @staticmethod
    def _wall_matrix(rows: Rows, t: float) -> Any:
        slopes = rows.slopes(np.zeros(rows.splits[-1]), t)
        count = next(iter(slopes.values())).shape[1]
        return sparse.vstack([rows.matrix(slopes, e) for e in range(count)])

    def full(self, y: np.ndarray, t: float) -> np.ndarray:
        """All values from those that evolve."""
        x = np.empty(len(self.inner))
        x[self.inner] = y
        x[~self.inner] = self.follow @ y - self.give @ self._wall_values(self._zero, t)
        return x

    def __call__(self, t: float, y: np.ndarray) -> np.ndarray:
        """Rates of the values that evolve."""
        return self.rows.rates(self.full(y, t), t).T.ravel()[self.inner]

    def jacobian(self, t: float, y: np.ndarray) -> np.ndarray:
        """Derivatives of the rates by the values that evolve."""
        x = self.full(y, t)
        slopes = self.rows.slopes(x, t, self.rows.rates(x, t))
        own = slopes.pop(self.rows.rate)
        slopes = {o: -np.linalg.solve(own, s) for o, s in slopes.items()}
        rows = sparse.csr_array(sparse.vstack([self.rows.matrix(slopes, c) for c in range(self.channels)]))
        rows = sparse.csc_array(rows[np.flatnonzero(self.inner)])
        matrix = rows[:, np.flatnonzero(self.inner)].toarray()
        return matrix + (rows[:, np.flatnonzero(~self.inner)] @ self.follow).toarray() if self.follow.nnz else matrix

    def check(self, name: str, y: np.ndarray, t: float) -> None:
        """**Raises:** `ValueError` if the equations are not linear in the rates, or do not have them."""
        x = self.full(y, t)
        try:
            rates = self.rows.rates(x, t)
        except np.linalg.LinAlgError:
            rates = np.full((len(self.rows.points), self.channels), np.inf)
        left = self.rows.value(x, t, rates).T.ravel()[self.inner]
        if not np.abs(left).max() <= CONSISTENT * (1 + np.abs(rates).max()) < np.inf:
            raise ValueError(f"problem {name!r}: collocation in time needs equations that are linear in u_t and "
                             f"determine it")  # fmt: skip


def _implicit(lines: Lines, *given: Any, **tolerances: float) -> Any:
    """Backward differences of variable order and step, of Shampine and Reichelt (1997)."""
    from scipy.integrate import BDF

    return BDF(lines, *given, jac=lines.jacobian, **tolerances)  # type: ignore[arg-type]


def _explicit(lines: Lines, *given: Any, **tolerances: float) -> Any:
    """The eighth-order method of Dormand and Prince; Hairer, Norsett and Wanner (1993), II.10."""
    from scipy.integrate import DOP853

    return DOP853(lines, *given, **tolerances)  # type: ignore[arg-type]


INTEGRATORS: Mapping[str, Callable[..., Any]] = {"implicit": _implicit, "explicit": _explicit}


def march(
    lines: Lines, y: np.ndarray, times: np.ndarray, tolerance: float, integrator: str, progress: Progress
) -> tuple[np.ndarray, int]:
    """All values at the times, by an integrator that controls its error, and the number of its steps."""
    size = tolerance * max(float(np.abs(y).max(initial=0)), SMALLEST)
    solver = INTEGRATORS[integrator](lines, times[0], y, times[-1], rtol=max(tolerance, SHARPEST), atol=size)
    frames, steps = [lines.full(y, times[0])], 0
    while solver.status == "running":
        with np.errstate(invalid="ignore", over="ignore"):  # of steps that are then refused
            message = solver.step()
        steps += 1
        if solver.status == "failed":
            raise RuntimeError(f"the integration in time stopped at t={solver.t:g}: {message}")
        between = solver.dense_output()
        while len(frames) < len(times) and times[len(frames)] <= solver.t:
            at = float(times[len(frames)])
            frames.append(lines.full(between(at), at))
            progress(len(frames), len(times))
    return np.stack(frames), steps
