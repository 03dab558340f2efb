"""Boundary value problems by collocation: Newton's method for steady ones, the method of lines for those in time."""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np
import scipy.linalg
import sympy
from scipy import sparse

from pdejax.core import known
from pdejax.equations import SYMBOLS, BoundaryValueProblem, Condition, Order, Residual, evaluate, linearised
from pdejax.solvers.chebyshev.nodes import Axis, Chebyshev, Clustered, Fourier, Nodes

Progress = Callable[[int, int], None]
_BOTH_ENDS = "on a clustered axis every field needs a condition at both ends"
_NEWTON, _HALVINGS, _STAGNATION, _CONSISTENT = 40, 8, 1e-6, 1e-8


@dataclasses.dataclass(frozen=True)
class Collocated:
    """Values of all fields at the nodes of a box.

    - `nodes`; `values`: `(*shape, channel)`, or `(time, *shape, channel)`.
    - `steps`: of Newton's method, or in time.
    """

    nodes: Nodes
    values: np.ndarray
    steps: int

    def on(self, axes: Sequence[np.ndarray]) -> np.ndarray:
        """The fields on the tensor product of coordinates of the axes of space."""
        if self.values.ndim == len(self.nodes.axes) + 1:
            return self.nodes.interpolate(self.values, axes)
        return np.stack([self.nodes.interpolate(frame, axes) for frame in self.values])


class _Rows:
    """Equations at some points, as functions of the vector of all unknowns and, in time, of the rates at the points.

    **Arguments:** `residual`; `points`: `(point, axis of space)`; `matrices`: for an order in space and a channel the
    sparse matrix from the channel's unknowns to the points; `splits`: where a channel's unknowns end; `timed`;
    `derive`: from a channel's unknowns and an order in space to the same product as that matrix, where it is cheaper.
    """

    def __init__(
        self,
        residual: Residual,
        points: np.ndarray,
        matrices: Callable[[Order, int], Any],
        splits: Sequence[int],
        parameters: Mapping[str, float],
        timed: bool,
        derive: Callable[[np.ndarray, Order], Any] | None = None,
    ) -> None:
        self.points, self.timed, self._splits, self._parameters = points, timed, splits, parameters
        self.orders = residual.orders
        self.rate = (1,) + (0,) * points.shape[1]
        self._spatial = [order for order in self.orders if not (timed and order[0])]
        self._make, self._derive = matrices, derive
        self._value = jax.jit(residual.__call__)
        self._linear = jax.jit(lambda *of: linearised(residual, *of))
        self._rates = jax.jit(lambda own, rest, *of: linearised(_Shifted(residual, rest), own, *of))

    @functools.cached_property
    def _matrices(self) -> dict[Order, list[Any]]:
        channels = range(len(self._splits))
        return {order: [self._make(order[self.timed :], c) for c in channels] for order in self._spatial}

    def _derivative(self, field: np.ndarray, order: Order, channel: int) -> Any:
        if self._derive is not None:
            return self._derive(field, order[self.timed :])
        return self._matrices[order][channel] @ field

    def _jet(self, x: np.ndarray, rates: np.ndarray | None = None) -> dict[Order, np.ndarray]:
        fields = np.split(x, self._splits[:-1])
        jet = {o: np.stack([self._derivative(f, o, c) for c, f in enumerate(fields)], -1) for o in self._spatial}
        return jet if rates is None else {**jet, self.rate: rates}

    def _places(self, t: float) -> np.ndarray:
        if not self.timed:
            return self.points
        return np.concatenate([np.full((len(self.points), 1), t), self.points], axis=1)

    def value(self, x: np.ndarray, t: float = 0.0, rates: np.ndarray | None = None) -> np.ndarray:
        """Residuals `(point, equation)`."""
        return np.asarray(self._value(self._jet(x, rates), self._places(t), self._parameters))

    def slopes(self, x: np.ndarray, t: float = 0.0, rates: np.ndarray | None = None) -> dict[Order, np.ndarray]:
        """Partial derivatives of the residuals with respect to the jet, `(point, equation, channel)`."""
        _, slopes = self._linear(self._jet(x, rates), self._places(t), self._parameters)
        return {order: np.asarray(slope) for order, slope in slopes.items()}

    def matrix(self, slopes: Mapping[Order, np.ndarray], equation: int) -> Any:
        """One equation's derivative by the unknowns, sparse `(point, unknown)`."""
        block = lambda c: sum(sparse.diags_array(slopes[o][:, equation, c]) @ ms[c] for o, ms in self._matrices.items())
        return sparse.hstack([block(c) for c in range(len(self._splits))], format="csr")

    def rates(self, x: np.ndarray, t: float) -> np.ndarray:
        """The rates `(point, channel)` for which residuals that are linear in them vanish."""
        zero = {self.rate: np.zeros((len(self.points), len(self._splits)))}
        value, slopes = self._rates(zero, self._jet(x), self._places(t), self._parameters)
        return -np.linalg.solve(np.asarray(slopes[self.rate]), np.asarray(value)[..., None])[..., 0]


@dataclasses.dataclass(frozen=True)
class _Shifted:
    """A residual of the rates alone, all other derivatives given."""

    residual: Residual
    rest: Mapping[Order, Any]

    @property
    def orders(self) -> tuple[Order, ...]:
        """All derivatives of the residual."""
        return self.residual.orders

    @property
    def equations(self) -> int:
        """How many equations hold."""
        return self.residual.equations

    def __call__(self, derivatives: Mapping[Order, Any], points: Any, parameters: Any) -> Any:
        return self.residual({**self.rest, **derivatives}, points, parameters)


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
class _Face:
    """A condition on one face: indices of axes of space, and where they are held."""

    condition: Condition
    held: Mapping[int, float]

    def wall(self, nodes: Nodes) -> bool:
        """Whether it is a whole end of an axis."""
        return len(self.held) == 1 and all(value in _ends(nodes.axes[i]) for i, value in self.held.items())

    def fields(self, residual: Any) -> set[int]:
        """Channels that occur."""
        return {residual.fields.index(j.field) for j in residual._jets}


def _ends(axis: Axis) -> list[float]:
    return [float(axis.nodes[i]) for i in axis.ends]


def _faces(problem: BoundaryValueProblem, nodes: Nodes) -> list[_Face]:
    """Conditions in space; those at the start are not among them."""
    letters, low = problem.axes[problem.timed :], problem.box[0][0]
    faces = []
    for condition in problem.conditions:
        for face in condition.faces:
            if "t" in face and (not problem.timed or dict(face) != {"t": low}):
                raise ValueError(f"problem {problem.name!r}: condition {condition.name!r} at {dict(face)} is neither "
                                 f"at the start nor on a face of space alone, as collocation needs it")  # fmt: skip
            if "t" not in face:
                faces.append(_Face(condition, {letters.index(a): v for a, v in face.items()}))
    return [_checked(problem, nodes, face) for face in faces]


def _checked(problem: BoundaryValueProblem, nodes: Nodes, face: _Face) -> _Face:
    for i in face.held:
        steep = any(order[i + problem.timed] for order in face.condition.residual.orders)
        if steep and isinstance(nodes.axes[i], Clustered):
            raise ValueError(f"problem {problem.name!r}: condition {face.condition.name!r} has derivatives along a "
                             f"clustered axis; there, only values can be given")  # fmt: skip
    return face


def _covered(nodes: Nodes, faces: Sequence[_Face], channels: int) -> np.ndarray:
    """Where conditions on whole ends speak about a field, `(channel, point)`."""
    mask = np.zeros((channels, int(np.prod(nodes.shape))), bool)
    for face in faces:
        if face.wall(nodes):
            ((axis, value),) = face.held.items()
            for channel in face.fields(face.condition.residual):
                mask[channel] |= nodes.on_face(axis, value)
    return mask


# ---- steady problems


@dataclasses.dataclass(frozen=True)
class _Steady:
    """All equations of a steady problem, and which axes of which field are reduced."""

    nodes: Nodes
    rows: Sequence[tuple[_Rows, np.ndarray]]
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


def _steady(problem: BoundaryValueProblem, nodes: Nodes, parameters: Mapping[str, float]) -> _Steady:
    """The equation holds off the ends that have conditions; what has none there is two degrees lower along that axis.

    This is the P_N - P_(N-2) method of Bernardi and Maday (1997) for pressures, which leaves no spurious modes.
    """
    faces, channels = _faces(problem, nodes), range(problem.channels)
    covered = _covered(nodes, faces, problem.channels)
    inside = np.logical_not(covered.any(axis=0))
    lines = [np.array([nodes.on_face(i, e) for e in _ends(axis)]) for i, axis in enumerate(nodes.axes)]
    walls = [i for i, line in enumerate(lines) if any(not inside[on].any() for on in line)]
    lacks = lambda c, i: not any(covered[c][on].all() for on in lines[i])
    reduced = [tuple(i for i in walls if lacks(c, i)) for c in channels]
    if any(isinstance(nodes.axes[i], Clustered) for r in reduced for i in r):
        raise ValueError(f"problem {problem.name!r}: {_BOTH_ENDS}")
    sizes = [int(np.prod([n - 2 * (i in r) for i, n in enumerate(nodes.shape)])) for r in reduced]
    splits = [int(s) for s in np.cumsum(sizes)]

    def rows(residual: Residual, held: Mapping[int, float] | None) -> _Rows:
        matrices = lambda order, c: nodes.matrix(order, held, reduced[c])
        return _Rows(residual, nodes.points(held), matrices, splits, parameters, False)

    conditions = [(rows(f.condition.residual, f.held), np.full(len(nodes.points(f.held)), True)) for f in faces]
    return _Steady(nodes, [(rows(problem.residual, None), inside), *conditions], reduced, splits)


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
    if not size.min() > 1e-14 * size.max():
        raise ValueError("the solution is not determined: the equations leave a field free up to a constant or more; "
                         "pin it at a point, for example at 'x=0, y=0'")  # fmt: skip
    for i, j in enumerate(swaps):
        right[[i, j]] = right[[j, i]]
    lower, first, rest = factors[:n], right[:n], right[n:]
    more = scipy.linalg.solve_triangular(lower, factors[n:].T, trans=1, lower=True, unit_diagonal=True).T
    first = first + more.T @ np.linalg.solve(np.eye(rows - n) + more @ more.T, rest - more @ first)
    z = scipy.linalg.solve_triangular(lower, first, lower=True, unit_diagonal=True)
    return scipy.linalg.solve_triangular(lower, z)


def _newton(system: _Steady, tolerance: float, progress: Progress) -> tuple[np.ndarray, int]:
    x = np.zeros(system.splits[-1])
    before = np.inf
    for step in range(1, _NEWTON + 1):
        progress(step, _NEWTON)
        matrix, value = system.matrix(x), system.value(x)
        weights = row_weights(matrix)
        matrix *= weights[:, None]
        change = least_squares(matrix, -weights * value)
        part = _damping(lambda s: float(np.linalg.norm(weights * system.value(x + s * change))))  # noqa: B023
        x = x + part * change
        size = float(np.linalg.norm(change) / max(np.linalg.norm(x), np.finfo(float).tiny))
        # rounding ends the convergence before a tolerance that is too sharp does
        if size <= tolerance or (part == 1 and before < _STAGNATION and size > before / 2):
            return x, step
        before = size
    raise RuntimeError(f"Newton's method has not converged in {_NEWTON} steps (last relative change {before:.1e}); "
                       f"take other points or a milder problem")  # fmt: skip


def _damping(norm: Callable[[float], float]) -> float:
    """The first of 1, 1/2, ... that does not raise the residual; the smallest one if all do."""
    start, part = norm(0.0), 1.0
    for _ in range(_HALVINGS):
        if norm(part) <= max(start, 1e-12):
            return part
        part /= 2
    return 1.0 if start < _STAGNATION else part


# ---- problems in time


def start_values(
    problem: BoundaryValueProblem, points: np.ndarray, parameters: Mapping[str, float] | None = None
) -> np.ndarray:
    """The stated initial values of all fields, `(point, channel)`.

    **Arguments:** `points`: `(point, axis of space)`; `parameters`: the problem's when omitted.

    **Raises:** `ValueError` if a field has none of the form `FIELD = ...`.
    """
    values: dict[Any, Any] = {sympy.Symbol(k, real=True): v for k, v in (parameters or problem.parameters).items()}
    values |= {SYMBOLS[k]: points[:, i] for i, k in enumerate(problem.axes[problem.timed :])}
    values[SYMBOLS["t"]] = problem.box[0][0]
    columns = []
    for field in problem.fields:
        expression = problem.start(field)
        if expression is None:
            low = problem.box[0][0]
            raise ValueError(f"problem {problem.name!r}: field {field!r} needs a condition at 't={low:g}' with the "
                             f"term '{field} = ...'")  # fmt: skip
        columns.append(evaluate(expression, values) + 0 * points[:, 0])
    return np.stack(columns, axis=-1)


class _Lines:
    """The method of lines: values on the ends follow from the others by the conditions there, which are linear.

    Unknowns are ordered by channel, then point; `inner` marks those that evolve.
    """

    def __init__(self, problem: BoundaryValueProblem, nodes: Nodes, parameters: Mapping[str, float]) -> None:
        self.nodes, self.channels, n = nodes, problem.channels, int(np.prod(nodes.shape))
        splits = [n * (c + 1) for c in range(problem.channels)]
        matrices = lambda held: lambda order, c: nodes.matrix(order, held)
        make = lambda residual, held, derive=None: _Rows(
            residual, nodes.points(held), matrices(held), splits, parameters, True, derive
        )
        faces = _faces(problem, nodes)
        for face in faces:
            if not face.wall(nodes):
                raise ValueError(f"problem {problem.name!r}: condition {face.condition.name!r} is not on a whole face, "
                                 f"which collocation in time cannot take")  # fmt: skip
        self.inner = ~_covered(nodes, faces, problem.channels).ravel()
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
            for end in _ends(axis) if isinstance(axis, Clustered) else ():
                ends |= self.nodes.on_face(i, end)
        if (self.inner.reshape(self.channels, -1) & ends).any():
            raise ValueError(f"problem {problem.name!r}: {_BOTH_ENDS}")

    def _wall_values(self, x: np.ndarray, t: float) -> np.ndarray:
        return np.concatenate([rows.value(x, t).T.ravel() for rows in self.walls] or [np.zeros(0)])

    def _solve_walls(self, problem: BoundaryValueProblem) -> None:
        """Slaved values are `follow @ inner values - give @ residuals of zero`."""
        self._zero, low, high = np.zeros(len(self.inner)), *problem.box[0]
        blocks = [self._wall_matrix(rows, low) for rows in self.walls]
        matrix = sparse.vstack(blocks).toarray() if blocks else np.zeros((0, len(self.inner)))
        self.give = np.linalg.pinv(matrix[:, ~self.inner], rcond=1e-12)
        # mostly zero: given values do not depend on others
        self.follow = sparse.csr_array(-self.give @ matrix[:, self.inner])
        if np.linalg.matrix_rank(matrix[:, ~self.inner], 1e-10) < (~self.inner).sum():
            raise ValueError(f"problem {problem.name!r}: the conditions do not determine all fields on their faces")
        probe = np.random.default_rng(0).normal(size=len(self.inner))
        got, expected = self._wall_values(probe, high) - self._wall_values(self._zero, high), matrix @ probe
        if not np.allclose(got, expected, rtol=1e-8, atol=1e-8 * (1 + np.abs(expected).max(initial=0))):
            raise ValueError(f"problem {problem.name!r}: collocation in time takes conditions that are linear in the "
                             f"fields with coefficients constant in time")  # fmt: skip

    @staticmethod
    def _wall_matrix(rows: _Rows, t: float) -> Any:
        slopes = rows.slopes(np.zeros(rows._splits[-1]), t)
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
        if not np.abs(left).max() <= _CONSISTENT * (1 + np.abs(rates).max()) < np.inf:
            raise ValueError(f"problem {name!r}: collocation in time needs equations that are linear in u_t and "
                             f"determine it")  # fmt: skip


def _implicit(lines: _Lines, *given: Any, **tolerances: float) -> Any:
    """Backward differences of variable order and step, of Shampine and Reichelt (1997)."""
    from scipy.integrate import BDF

    return BDF(lines, *given, jac=lines.jacobian, **tolerances)  # type: ignore[arg-type]


def _explicit(lines: _Lines, *given: Any, **tolerances: float) -> Any:
    """The eighth-order method of Dormand and Prince; Hairer, Norsett and Wanner (1993), II.10."""
    from scipy.integrate import DOP853

    return DOP853(lines, *given, **tolerances)  # type: ignore[arg-type]


INTEGRATORS: Mapping[str, Callable[..., Any]] = {"implicit": _implicit, "explicit": _explicit}


def _march(
    lines: _Lines, y: np.ndarray, times: np.ndarray, tolerance: float, integrator: str, progress: Progress
) -> tuple[np.ndarray, int]:
    """All values at the times, by an integrator that controls its error, and the number of its steps."""
    size = tolerance * max(float(np.abs(y).max(initial=0)), 1e-3)
    solver = INTEGRATORS[integrator](lines, times[0], y, times[-1], rtol=max(tolerance, 3e-14), atol=size)
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


def collocate(
    problem: BoundaryValueProblem,
    points: Sequence[int],
    *,
    times: np.ndarray | None = None,
    tolerance: float = 1e-10,
    clustered: Sequence[str] = (),
    integrator: str = "implicit",
    parameters: Mapping[str, float] | None = None,
    progress: Progress | None = None,
) -> Collocated:
    """Solves a boundary value problem by collocation in float64.

    Steady problems by damped Newton steps, each a dense weighted least-squares solution of the equation at all nodes
    that have no condition, and of all conditions at the nodes of their faces (corners count once for each face). The
    cost of a step is 2/3 n^3 for n unknowns. Problems in time by the method of lines.

    **Arguments:**

    - `points`: per axis of space.
    - `times`: rising `(frame,)`, the first one the start; 101 equidistant ones when omitted. In time only.
    - `tolerance`: relative change at which Newton's method ends, or relative error of a step in time.
    - `clustered`: letters of bounded axes whose points are packed at the ends (see `Clustered`), for layers and roots.
    - `integrator`: in time, `implicit` (backward differences: any stiffness, 2/3 n^3 now and then) or `explicit` (of
        order eight: cheaper for many nodes where diffusion is slow).
    - `parameters`: values of all parameters, the problem's own when omitted.
    - `progress`: called with the number of frames or Newton steps that are done, and the largest number of them.

    **Raises:** `ValueError` for a problem it cannot take or one that is not determined; `RuntimeError` if the method
    does not converge.
    """
    report, values = progress or (lambda done, total: None), parameters or problem.parameters
    nodes = axes_of(problem, points, clustered)
    if integrator not in INTEGRATORS:
        raise ValueError(known("integrator", integrator, INTEGRATORS))
    with jax.enable_x64(True):
        if not problem.timed:
            system = _steady(problem, nodes, values)
            x, steps = _newton(system, tolerance, report)
            return Collocated(nodes, system.fields(x), steps)
        lines = _Lines(problem, nodes, values)
        times = np.linspace(*problem.box[0], 101) if times is None else np.asarray(times, np.float64)
        y = start_values(problem, nodes.points(), values).T.ravel()[lines.inner]
        lines.check(problem.name, y, times[0])
        x, steps = _march(lines, y, times, tolerance, integrator, report)
    frames = np.moveaxis(x.reshape(len(times), problem.channels, *nodes.shape), 1, -1)
    return Collocated(nodes, frames, steps)
