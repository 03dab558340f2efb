"""How fast waves of a conservation law are: the eigenvalues of the derivative of its fluxes."""

import contextlib
import functools
import itertools
from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
import sympy

from pdejax.core import Grid
from pdejax.equations import AXES, COORDINATES, TIME, Equation, evaluate, jet, jets, shortest, unit
from pdejax.solvers.volumes.flow import flow
from pdejax.solvers.volumes.law import ConservationLaw, conservation_law
from pdejax.solvers.volumes.plasma import fast_waves, find_plasma
from pdejax.solvers.volumes.states import SAMPLES, random_states, with_variables

DIRECTIONS = 8  # in which diffusion is looked at beside the axes
BETWEEN = 9  # states at which the speeds of a flux that is not convex are looked at between two
LARGEST = 5  # fields of a system whose eigenvalues are asked for in closed form
SQUARINGS = 4  # of a matrix, whose norm to the power 1/16 is at most 1.17 times the largest eigenvalue

Expressions = tuple[sympy.Expr, ...]
Values = Mapping[sympy.Symbol, Any]


class Waves:
    """Bounds on the speeds of waves along an axis, in some variables.

    **Arguments:** `symbols`: of the variables; `eigenvalues`: in these, or none; `matrix`: the derivative of the
    fluxes, for a bound then; `convex`: whether speeds between two states are not beyond those of both and their mean.
    """

    def __init__(
        self,
        symbols: tuple[sympy.Symbol, ...],
        eigenvalues: Expressions | None,
        matrix: sympy.Matrix,
        convex: bool = True,
    ) -> None:
        self.symbols, self.eigenvalues, self.matrix, self.convex = symbols, eigenvalues, matrix, convex

    def range(self, values: Values) -> tuple[Any, Any]:
        """Smallest and largest speed of each state."""
        if self.eigenvalues is None:
            bound = radius(self.matrix, values)
            return -bound, bound
        found = [jnp.asarray(evaluate(e, values), jnp.result_type(float)) for e in self.eigenvalues]
        return functools.reduce(jnp.minimum, found), functools.reduce(jnp.maximum, found)

    def between(self, low: Values, high: Values) -> tuple[Any, Any]:
        """Smallest and largest speed between two states, these left out: of their mean, or where the flux is not convex
        of as many states on the way as may show its largest."""
        shares = [0.5] if self.convex else [i / (BETWEEN - 1) for i in range(1, BETWEEN - 1)]
        at = lambda share: {s: (1 - share) * low[s] + share * high[s] for s in self.symbols}
        found = [self.range({**low, **at(share)}) for share in shares]
        slowest, fastest = zip(*found, strict=True)
        return functools.reduce(jnp.minimum, slowest), functools.reduce(jnp.maximum, fastest)

    def largest(self, values: Values) -> Any:
        """Size of the largest speed of each state."""
        low, high = self.range(values)
        return jnp.maximum(-low, high)


def radius(matrix: sympy.Matrix, values: Values) -> Any:
    """A bound on the largest eigenvalue of a matrix at each state, that does not depend on units much."""
    if matrix.is_lower or matrix.is_upper:  # its eigenvalues are on the diagonal
        diagonal: Any = dict.fromkeys(matrix[i, i] for i in range(matrix.rows))
        found = [jnp.abs(jnp.asarray(evaluate(e, values), jnp.result_type(float))) for e in diagonal]
        return functools.reduce(jnp.maximum, found)
    shape = jnp.broadcast_shapes(*(np.shape(v) for v in values.values()))
    rows: Any = [
        [jnp.broadcast_to(jnp.asarray(evaluate(e, values), jnp.result_type(float)), shape) for e in matrix.row(i)]
        for i in range(matrix.rows)
    ]
    # scaled, so that powers stay within the range of numbers
    size = functools.reduce(jnp.maximum, [jnp.abs(e) for row in rows for e in row])
    size = jnp.where(size == 0, 1, size)
    rows = [[e / size for e in row] for row in rows]
    for _ in range(SQUARINGS):
        rows = [[sum(a * b for a, b in zip(row, column, strict=True)) for column in zip(*rows, strict=True)]
                for row in rows]  # fmt: skip
    square = sum(e * e for row in rows for e in row)
    return size * square ** (0.5 / 2**SQUARINGS)


@functools.lru_cache(maxsize=64)
def waves(equation: Equation) -> tuple[tuple[Waves, ...], tuple[Waves, ...]]:
    """Waves along each axis in conserved and in primitive variables.

    **Raises:** `ValueError` where speeds are not real, so that the equation has no solutions forwards in time.
    """
    law = conservation_law(equation)
    states = random_states(equation, law)
    pairs = [_along(equation, law, axis, states) for axis in range(equation.ndim)]
    return tuple(pair[0] for pair in pairs), tuple(pair[1] for pair in pairs)


def _along(equation: Equation, law: ConservationLaw, axis: int, states: dict[Any, Any]) -> tuple[Waves, Waves]:
    own, other = law.conserved, law.primitive
    matrix = _derivative(equation, axis)
    if matrix.has(sympy.DiracDelta):
        raise ValueError(f"equation {list(equation.terms)}: its flux along {AXES[axis]} jumps, so that waves there "
                         "have no speed")  # fmt: skip
    numbers = _numbers(matrix, states)
    if not matrix.has(*COORDINATES, TIME):  # where these occur it is asked on the grid
        numbers = _speeds(equation, axis, matrix, states)
    convex = _convex(equation, axis, matrix)
    there, there_values = matrix, with_variables(states, other)
    # what SymPy does not find, or not soon, may be known
    if (found := _confirmed(fast_waves(equation, axis, other), there_values, _moving(matrix, numbers))) is None:
        inserted = dict(zip(own.symbols, other.fields, strict=True))
        there = matrix if other.plain else matrix.applyfunc(lambda e: sympy.simplify(e.xreplace(inserted)))
        found = _confirmed(_closed(there), there_values, numbers)
    if found is None:
        return Waves(own.symbols, None, matrix, convex), Waves(other.symbols, None, there, convex)
    back = dict(zip(other.symbols, other.of_fields, strict=True))
    conserved: Any = tuple(e.xreplace(back) for e in found)
    return Waves(own.symbols, conserved, matrix, convex), Waves(other.symbols, found, there, convex)


def _convex(equation: Equation, axis: int, matrix: sympy.Matrix) -> bool:
    """Whether the flux is linear or known to curve to one side: of a single field by its second derivative, of several
    as that of a gas, also one that conducts, or of water."""
    fields = [jet(name) for name in equation.fields]
    if not matrix.has(*fields):
        return True
    if equation.channels == 1:
        curve = sympy.diff(matrix[0, 0], fields[0])
        return bool(not curve.has(fields[0]) or curve.is_nonnegative or curve.is_nonpositive)
    if find_plasma(equation, axis) is not None:
        return True
    with contextlib.suppress(ValueError):
        return flow(equation, axis) is not None
    return False


@functools.lru_cache(maxsize=64)
def _derivative(equation: Equation, axis: int) -> sympy.Matrix:
    own = conservation_law(equation).conserved
    return sympy.Matrix(own.fluxes[axis]).jacobian(own.symbols)


def check_parameters_of(equation: Equation, parameters: Mapping[str, float], grid: Grid, length: float = 1.0) -> None:
    """**Raises:** `ValueError` for numbers with which speeds are not real or diffusion is negative somewhere on a grid.

    **Arguments:** `equation`; `parameters`: all; `grid`; `length`: a factor on its lengths.
    """
    law = conservation_law(equation)
    box = [(o, o + n) for o, n in zip(grid.origin, grid.lengths, strict=True)]
    states = random_states(equation, law, parameters, box, length)
    for axis in range(equation.ndim):
        _speeds(equation, axis, _derivative(equation, axis), states)
    if law.diffuses:
        _check_diffusion(equation, law, states)


def _check_diffusion(equation: Equation, law: ConservationLaw, states: dict[Any, Any]) -> None:
    """Along axes and in between, `sum k_i k_j dV_i/du_j`."""
    random = np.random.default_rng(1)
    slopes = {j for axis in law.viscous for e in axis for j in jets(e) if sum(j.alpha)}
    values = {**states, **{j: random.uniform(-1, 1, SAMPLES) for j in sorted(slopes, key=str)}}
    pairs = list(itertools.product(range(law.ndim), repeat=2))
    parts = {(a, b): _matrix(slope_derivative(equation, a, b), values) for a, b in pairs}
    for k in (*np.eye(law.ndim), *random.normal(size=(DIRECTIONS, law.ndim))):
        whole = sum(k[a] * k[b] * parts[a, b] for a, b in pairs)
        numbers = _eigenvalues(whole)
        least, most = np.nanmin(numbers.real, initial=0), np.nanmax(np.abs(numbers), initial=0)
        if least < -1e-9 * (1 + most):
            along = f"along {AXES[int(np.argmax(k))]}" if np.count_nonzero(k) == 1 else "between the axes"
            raise ValueError(f"equation {list(equation.terms)} has no solution forwards in time: its diffusion {along} "
                             f"is negative ({least:.3g}); is the sign of a term wrong, or is something positive that "
                             "is not declared?")  # fmt: skip


@functools.lru_cache(maxsize=64)
def slope_derivative(equation: Equation, axis: int, along: int, *, mobile: bool = True) -> sympy.Matrix:
    """Of the viscous fluxes along an axis by slopes along one; `mobile`: times the mobility."""
    slopes = [jet(field, unit(along)) for field in equation.fields]
    law = conservation_law(equation)
    found = sympy.Matrix(law.viscous[axis]).jacobian(slopes)
    found = sympy.diag(*law.mobility) * found if mobile else found
    return found.replace(sympy.DiracDelta, lambda *_: sympy.S.Zero)


@functools.lru_cache(maxsize=64)
def source_derivative(equation: Equation) -> sympy.Matrix:
    """Of the sources by fields; of jumps there is none."""
    law = conservation_law(equation)
    found = sympy.Matrix(law.sources).jacobian(law.conserved.symbols)
    return found.replace(sympy.DiracDelta, lambda *_: sympy.S.Zero)


def _closed(matrix: sympy.Matrix) -> Expressions | None:
    """Eigenvalues as expressions, if they are found."""
    if matrix.rows > LARGEST:
        return None
    try:
        return tuple(shortest(e) for e in matrix.eigenvals(error_when_incomplete=True))
    except (sympy.matrices.exceptions.MatrixError, ValueError, KeyError):  # type: ignore[attr-defined]
        return None


def _moving(matrix: sympy.Matrix, numbers: Any) -> Any:
    """Eigenvalues without as many zeros as there are fields without a flux."""
    still = sum(all(e == 0 for e in matrix.row(i)) for i in range(matrix.rows))
    order = np.argsort(np.abs(numbers), axis=-1)
    return np.take_along_axis(numbers, order[:, still:], axis=-1)


def _confirmed(found: Expressions | None, values: dict[Any, Any], numbers: Any) -> Expressions | None:
    """Speeds whose extremes agree with the numbers."""
    if found is None:
        return None
    try:
        with np.errstate(all="ignore"):
            mine = [np.broadcast_to(evaluate(e, values), numbers.shape[:1]) for e in found]
    except (ValueError, KeyError):
        return None
    known = np.isfinite(numbers).all(axis=-1)
    extremes = np.stack([np.min(mine, axis=0), np.max(mine, axis=0)], axis=-1)[known]
    theirs = np.sort(numbers.real, axis=-1)[known][:, [0, -1]]
    close = np.allclose(extremes, theirs, rtol=1e-6, atol=1e-6 * (1 + np.max(np.abs(theirs))))
    return found if close else None


def _speeds(equation: Equation, axis: int, matrix: sympy.Matrix, values: dict[Any, Any]) -> Any:
    """Eigenvalues at the states, `(state, number)`.

    **Raises:** `ValueError` where they are complex, or there is no state at which they are numbers.
    """
    numbers = _numbers(matrix, values)
    if not np.isfinite(numbers).any():
        raise ValueError(f"equation {list(equation.terms)}: the speeds of waves along {AXES[axis]} are no numbers in "
                         "any state that was tried; declare what is positive")  # fmt: skip
    _check_real(equation, axis, numbers, values)
    return numbers


def _numbers(matrix: sympy.Matrix, values: dict[Any, Any]) -> Any:
    return _eigenvalues(_matrix(matrix, values))


def _matrix(matrix: sympy.Matrix, values: dict[Any, Any]) -> Any:
    """At each state, `(state, row, column)`."""
    with np.errstate(all="ignore"):
        entries = [np.broadcast_to(evaluate(e, values), (SAMPLES,)) for e in matrix]  # type: ignore[attr-defined]
    return np.stack(entries, axis=-1).reshape(SAMPLES, matrix.rows, matrix.cols).astype(float)


def _eigenvalues(matrix: Any) -> Any:
    """Not a number where an entry is none."""
    good: Any = np.isfinite(matrix).all(axis=(1, 2))
    found = np.linalg.eigvals(np.where(good[:, None, None], matrix, 0.0))
    return np.where(good[:, None], found, np.nan)


def _check_real(equation: Equation, axis: int, numbers: Any, states: dict[Any, Any]) -> None:
    size = 1 + np.abs(numbers).max(axis=-1)
    with np.errstate(invalid="ignore"):
        bad: Any = np.abs(numbers.imag).max(axis=-1) > 1e-5 * size
    if np.any(bad):
        at = int(np.argmax(bad))
        where = ", ".join(f"{s}={np.broadcast_to(v, (SAMPLES,))[at]:.3g}" for s, v in states.items() if s.name in
                          equation.fields)  # fmt: skip
        names = [n for n in equation.parameters if np.ndim(states[sympy.Symbol(n, real=True)]) == 0]
        having = ", ".join(f"{n}={states[sympy.Symbol(n, real=True)]:g}" for n in names)
        speed = numbers[at][np.argmax(np.abs(numbers[at].imag))]
        with_them, change = (f" with {having}", "change a parameter, ") if having else ("", "")
        raise ValueError(f"equation {list(equation.terms)}{with_them} is not hyperbolic along {AXES[axis]}: at {where} "
                         f"the speeds of its waves are complex ({speed:.3g}); {change}declare what is positive, or "
                         "change the flux")  # fmt: skip
