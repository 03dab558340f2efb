"""Newton's method for tensor least squares: a factored normal matrix as preconditioner of conjugate gradients."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import lax
from jax.scipy.linalg import solve_triangular
from jaxtyping import Array, Bool, Float, Int

from pdejax.core import Scalar
from pdejax.training.optimisers.lattice.tensor_rows import LinearRows, RowSet, normal_matrix, total_square


class Factor(NamedTuple):
    """Upper triangle R and scales D with (R D)^T (R D) close to the normal matrix.

    LAPACK reads columns first: the transpose of R lies in memory as it wants it, and is not copied.
    """

    triangle: Float[Array, "n n"]
    lengths: Float[Array, " n"]

    def solve(self, x: Float[Array, " n"]) -> Float[Array, " n"]:
        """(R D)^-1 x."""
        return solve_triangular(self.triangle.T, x, trans="T", lower=True) / self.lengths

    def solve_transposed(self, x: Float[Array, " n"]) -> Float[Array, " n"]:
        """(R D)^-T x."""
        return solve_triangular(self.triangle.T, x / self.lengths, lower=True)


def no_factor(size: int, real: Any) -> Factor:
    """A place for one."""
    return Factor(jnp.zeros((size, size), real), jnp.ones(size, real))


def factored(matrix: Float[Array, "n n"], ridge: float, free: Float[Array, " n"]) -> Factor:
    """Cholesky's factor of the scaled matrix, with as much added to its diagonal as it takes.

    Directions that are not `free`, or that nothing depends on, get a one and stay where they are.
    """
    diagonal = free * jnp.diagonal(matrix)
    lengths = jnp.sqrt(jnp.where(diagonal > 0, diagonal, 1))
    inverse = jnp.where(diagonal > 0, 1 / lengths, 0)
    numbers = jnp.arange(matrix.shape[0], dtype=jnp.int32)

    def attempt(state: tuple[Scalar, Array]) -> tuple[Scalar, Array]:
        # one pass over the matrix: whatever else has its size costs a gigabyte for 12000 unknowns
        scaled = matrix * inverse[:, None] * inverse[None]
        scaled = jnp.where(numbers[:, None] == numbers[None], 1 + state[0], scaled)
        triangle = lax.linalg.cholesky(scaled.T, symmetrize_input=False)
        return jnp.maximum(30 * state[0], jnp.finfo(matrix.dtype).eps), triangle.T

    failed = lambda state: ~jnp.isfinite(state[1][-1, -1]) & (state[0] < 3e-2)
    start = jnp.asarray(ridge, matrix.dtype), jnp.full_like(matrix, jnp.nan)
    return Factor(lax.while_loop(failed, attempt, start)[1], lengths)


class Minimum(NamedTuple):
    """How far a minimisation has come.

    - `coefficients`, `square`: the best ones so far and the sum of squares there.
    - `factor`, `known`: the preconditioner, and whether there is one to go on with.
    - `fresh`: whether it is, or is to be, one made because an earlier one had become useless.
    - `count`, `done`: steps made, and whether no more are needed.
    """

    coefficients: Array
    square: Scalar
    factor: Factor
    known: Bool[Array, ""]
    fresh: Bool[Array, ""]
    count: Int[Array, ""]
    done: Bool[Array, ""]


class _Descent(NamedTuple):
    x: Array
    rows: list[Array]
    direction: Array
    size: Scalar
    first: Scalar
    count: Int[Array, ""]


@dataclasses.dataclass(frozen=True)
class TensorNewton:
    """Minimises the squares of rows over coefficients of tensor bases.

    Each step is solved by conjugate gradients on the rows themselves, preconditioned by the factor of an earlier
    normal matrix: this undoes the squared condition number, and one factor serves several steps and, for equations
    that change little, all of them.

    **Arguments:** `steps`: at most; `tolerance`: relative length of the last step; `inner`: conjugate-gradient steps
    after which a new factor is made; `inner_tolerance`: relative size of the preconditioned gradient; `ridge`: the
    least addition to the scaled normal matrix' diagonal.
    """

    steps: int = 12
    tolerance: float = 1e-9
    inner: int = 30
    inner_tolerance: float = 1e-8
    ridge: float = 1e-14

    def minimise(
        self,
        sets: Sequence[RowSet],
        coefficients: Array,
        free: Array,
        parameters: Mapping[str, Any],
        earlier: tuple[Factor, Bool[Array, ""]] | None = None,
    ) -> "Minimum":
        """**Arguments:** `coefficients`: (*function, channel) to start from; `free`: (*function), zero for those that
        are to be zero; `parameters`: of the residuals; `earlier`: a factor of a similar problem, and whether it is one.
        """
        coefficients = coefficients * free[..., None]
        mask = jnp.broadcast_to(free[..., None], coefficients.shape).reshape(-1)
        no, square = jnp.zeros((), bool), jnp.asarray(jnp.inf, coefficients.dtype)
        factor, known = (no_factor(mask.shape[0], mask.dtype), no) if earlier is None else earlier
        state = Minimum(coefficients, square, factor, known, no, jnp.zeros((), jnp.int32), no)
        step = lambda s: self._step(sets, parameters, mask, s)
        return lax.while_loop(lambda s: ~s.done & (s.count < self.steps), step, state)

    def _step(
        self, sets: Sequence[RowSet], parameters: Mapping[str, Any], mask: Float[Array, " n"], state: "Minimum"
    ) -> "Minimum":
        """One step, or none where the factor proves useless: the next one then makes its own."""
        linear = [s.linear(state.coefficients, parameters) for s in sets]
        state = state._replace(square=total_square([one.rows for one in linear]))
        make = lambda: factored(normal_matrix(linear), self.ridge, mask)
        factor = lax.cond(state.known, lambda: state.factor, make)
        direction, converged = self._solve(linear, factor, mask, state.coefficients.shape)
        moved = state._replace(known=jnp.ones_like(state.known), fresh=~state.known & state.fresh)
        useless = state._replace(known=jnp.zeros_like(state.known), fresh=jnp.ones_like(state.fresh))
        go = converged | ~state.known | state.fresh
        move = lambda: self._moved(sets, parameters, moved, direction)._replace(factor=None)
        state = lax.cond(go, move, lambda: useless._replace(factor=None))
        return state._replace(factor=factor)

    def _moved(
        self, sets: Sequence[RowSet], parameters: Mapping[str, Any], state: "Minimum", direction: Array
    ) -> "Minimum":
        coefficients, square, length = self._search(sets, parameters, state, direction)
        moved = length * jnp.linalg.norm(direction) / jnp.maximum(jnp.linalg.norm(coefficients), 1e-300)
        better = square < state.square
        done = (moved < self.tolerance) | ~better | (state.square - square < 1e-6 * state.square) & (length == 1)
        keep = lambda new, old: jnp.where(better, new, old)
        values = {"coefficients": keep(coefficients, state.coefficients), "square": keep(square, state.square)}
        return state._replace(**values, count=state.count + 1, done=done)

    def _search(
        self, sets: Sequence[RowSet], parameters: Mapping[str, Any], state: "Minimum", direction: Array
    ) -> tuple[Array, Scalar, Scalar]:
        """Halves the step until the squares fall."""

        def attempt(length: Scalar) -> tuple[Scalar, Array, Scalar]:
            new = state.coefficients + length * direction
            return length, new, total_square([s.rows(new, parameters) for s in sets])

        worse = lambda s: ~(s[2] <= state.square) & (s[0] > 1e-3)
        two, none = (jnp.asarray(x, direction.dtype) for x in (2, jnp.inf))
        length, new, square = lax.while_loop(worse, lambda s: attempt(s[0] / 2), (two, state.coefficients, none))
        return new, square, length

    def _solve(
        self, linear: Sequence[LinearRows], factor: Factor, mask: Float[Array, " n"], shape: tuple[int, ...]
    ) -> tuple[Array, Bool[Array, ""]]:
        """Conjugate gradients for the least-squares problem, right-preconditioned (Bjorck 1996, section 7.4)."""

        def gradient(rows: Sequence[Array]) -> Array:
            pulled = [one.transposed(r) for one, r in zip(linear, rows, strict=True)]
            return factor.solve_transposed(mask * sum(pulled[1:], pulled[0]).reshape(-1))

        def advance(s: _Descent) -> _Descent:
            move = factor.solve(s.direction)
            change = [one.times(move.reshape(shape)) for one in linear]
            length = s.size / jnp.maximum(total_square(change), jnp.finfo(move.dtype).tiny)
            rows = [r - length * c for r, c in zip(s.rows, change, strict=True)]
            pull = gradient(rows)
            size = jnp.sum(jnp.square(pull))
            direction = pull + size / s.size * s.direction
            return _Descent(s.x + length * move, rows, direction, size, s.first, s.count + 1)

        rows = [-one.rows for one in linear]
        pull = gradient(rows)
        size = jnp.sum(jnp.square(pull))
        start = _Descent(jnp.zeros_like(pull), rows, pull, size, size, jnp.zeros((), jnp.int32))
        small = lambda s: s.size <= self.inner_tolerance**2 * s.first
        end = lax.while_loop(lambda s: ~small(s) & (s.count < self.inner), advance, start)
        return end.x.reshape(shape), small(end)
