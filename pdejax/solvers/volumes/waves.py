"""How fast waves of a conservation law are: the eigenvalues of the derivative of its fluxes."""

import functools
from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
import sympy

from pdejax.equations import AXES, COORDINATES, TIME, Equation, evaluate, shortest
from pdejax.solvers.volumes.law import ConservationLaw, Variables, conservation_law

LARGEST = 5  # fields of a system whose eigenvalues are asked for in closed form
SAMPLES = 64  # states at which they are compared with numbers
SQUARINGS = 4  # of a matrix, whose norm to the power 1/16 is at most 1.17 times the largest eigenvalue

Expressions = tuple[sympy.Expr, ...]
Values = Mapping[sympy.Symbol, Any]


class Waves:
    """Bounds on the speeds of waves along an axis, in some variables.

    **Arguments:** `eigenvalues`: in these variables, or none; `matrix`: the derivative of the fluxes, for a bound then.
    """

    def __init__(self, eigenvalues: Expressions | None, matrix: sympy.Matrix) -> None:
        self.eigenvalues, self.matrix = eigenvalues, matrix

    def range(self, values: Values) -> tuple[Any, Any]:
        """Smallest and largest speed of each state."""
        if self.eigenvalues is None:
            bound = self._bound(values)
            return -bound, bound
        found = [evaluate(e, values) for e in self.eigenvalues]
        return functools.reduce(jnp.minimum, found), functools.reduce(jnp.maximum, found)

    def largest(self, values: Values) -> Any:
        """Size of the largest speed of each state."""
        low, high = self.range(values)
        return jnp.maximum(-low, high)

    def _bound(self, values: Values) -> Any:
        shape = jnp.broadcast_shapes(*(np.shape(v) for v in values.values()))
        rows = [[jnp.broadcast_to(evaluate(e, values), shape) for e in self.matrix.row(i)] for i in range(
            self.matrix.rows)]  # fmt: skip
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
    states = _states(equation, law)
    pairs = [_along(equation, law, axis, states) for axis in range(equation.ndim)]
    return tuple(pair[0] for pair in pairs), tuple(pair[1] for pair in pairs)


def _along(equation: Equation, law: ConservationLaw, axis: int, states: dict[Any, Any]) -> tuple[Waves, Waves]:
    own, other = law.conserved, law.primitive
    matrix = sympy.Matrix(own.fluxes[axis]).jacobian(own.symbols)
    inserted = dict(zip(own.symbols, other.fields, strict=True))
    there = matrix if other.plain else matrix.applyfunc(lambda e: sympy.simplify(e.xreplace(inserted)))
    there_values = _with(states, other)
    numbers = _numbers(there, there_values)
    _check_real(equation, axis, numbers, states)
    found = _closed(there, there_values, numbers)
    if found is None:
        return Waves(None, matrix), Waves(None, there)
    back = dict(zip(other.symbols, other.of_fields, strict=True))
    conserved: Any = tuple(e.xreplace(back) for e in found)
    return Waves(conserved, matrix), Waves(found, there)


def _closed(matrix: sympy.Matrix, values: dict[Any, Any], numbers: Any) -> Expressions | None:
    """Eigenvalues as expressions, if they are found and agree with the numbers."""
    if matrix.rows > LARGEST:
        return None
    try:
        found = tuple(shortest(e) for e in matrix.eigenvals(error_when_incomplete=True))
        with np.errstate(all="ignore"):
            mine = [np.broadcast_to(evaluate(e, values), numbers.shape[:1]) for e in found]
    except (sympy.matrices.exceptions.MatrixError, ValueError, KeyError):  # type: ignore[attr-defined]
        return None
    extremes = np.stack([np.min(mine, axis=0), np.max(mine, axis=0)], axis=-1)
    theirs = np.sort(numbers.real, axis=-1)[:, [0, -1]]
    close = np.allclose(extremes, theirs, rtol=1e-6, atol=1e-6 * (1 + np.max(np.abs(theirs))))
    return found if close else None


def _numbers(matrix: sympy.Matrix, values: dict[Any, Any]) -> Any:
    with np.errstate(all="ignore"):
        entries = [np.broadcast_to(evaluate(e, values), (SAMPLES,)) for e in matrix]  # type: ignore[attr-defined]
    stacked = np.stack(entries, axis=-1).reshape(SAMPLES, matrix.rows, matrix.cols).astype(float)
    return np.linalg.eigvals(stacked)


def _check_real(equation: Equation, axis: int, numbers: Any, states: dict[Any, Any]) -> None:
    size = 1 + np.abs(numbers).max(axis=-1)
    bad = np.abs(numbers.imag).max(axis=-1) > 1e-5 * size
    if np.any(bad):
        at = int(np.argmax(bad))
        where = ", ".join(f"{s}={np.broadcast_to(v, (SAMPLES,))[at]:.3g}" for s, v in states.items() if s.name in
                          equation.fields)  # fmt: skip
        raise ValueError(f"equation {list(equation.terms)} is not hyperbolic along {AXES[axis]}: at {where} the speeds "
                         f"of its waves are complex ({numbers[at][np.argmax(np.abs(numbers[at].imag))]:.3g}); declare "
                         "what is positive, or change the flux")  # fmt: skip


def _states(equation: Equation, law: ConservationLaw) -> dict[Any, Any]:
    """Random states that may be, by field, and numbers for all else that occurs."""
    random = np.random.default_rng(0)
    positive = {*equation.positive}
    names = equation.primitive or equation.fields
    values: dict[Any, Any] = {sympy.Symbol(name, real=True): v for name, v in equation.parameters.items()}
    values |= {s: random.uniform(0, 1, SAMPLES) for s in (*COORDINATES, TIME)}
    for symbol, name in zip(law.primitive.symbols, names, strict=True):
        values[symbol] = random.uniform(*((0.1, 2.0) if name in positive else (-1.0, 1.0)), SAMPLES)
    fields = [evaluate(e, values) for e in law.primitive.fields]
    values |= dict(zip(law.conserved.symbols, fields, strict=True))
    return _admissible(values, law.conserved)


def _admissible(values: dict[Any, Any], conserved: Variables) -> dict[Any, Any]:
    """The same with states in which something positive is not in place of one that may be."""
    if not conserved.positive:
        return values
    with np.errstate(all="ignore"):
        good = np.all([np.broadcast_to(evaluate(e, values), (SAMPLES,)) > 0 for e in conserved.positive], axis=0)
    if not np.any(good):
        return values
    index = np.where(good, np.arange(SAMPLES), np.argmax(good))
    take = lambda v: v[index] if isinstance(v, np.ndarray) else v
    return {symbol: take(v) for symbol, v in values.items()}


def _with(values: dict[Any, Any], variables: Variables) -> dict[Any, Any]:
    with np.errstate(all="ignore"):
        found = [evaluate(e, values) for e in variables.of_fields]
    return values | dict(zip(variables.symbols, found, strict=True))
