"""A field that was fitted to an equation: a function of place and time, and the parameters found with it."""

import functools
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import sympy
from jaxtyping import Array, Float

from pdejax.core import Key, TensorGrid, as_points, as_state
from pdejax.equations import BoundaryValueProblem, Order, SymbolicResidual
from pdejax.networks import Field


class PhysicsField(eqx.Module):
    """The solution of a boundary value problem, and a Predictor of it.

    **Arguments:**

    - `field`: a network of coordinates, `field(points)` and `field.jet(points, orders)`.
    - `found`: unknown parameters of the problem, by name, trained with the field.
    - `problem`: what it solves.
    - `lift`: expressions added to the field, one per channel, so that conditions which the field leaves at zero hold
      exactly; none for zero.
    - `origin`: what it was made of, as JSON, see `pdejax.save`.
    """

    field: Field
    found: dict[str, Float[Array, ""]]
    problem: BoundaryValueProblem = eqx.field(static=True)
    lift: SymbolicResidual | None = eqx.field(static=True, default=None)
    origin: str | None = eqx.field(static=True, default=None, repr=False)

    @property
    def parameters(self) -> dict[str, Any]:
        """Values of all parameters, the found ones among them."""
        return {**self.problem.parameters, **self.found}

    def __call__(self, points: Any) -> Float[Array, "point channel"]:
        """Values at points `(point, axis)`, or on a `TensorGrid` flattened."""
        zero = (0,) * len(self.problem.axes)
        return self.jet(points, (zero,))[zero]

    def jet(self, points: Any, orders: Any) -> dict[Order, Float[Array, "point channel"]]:
        """Partial derivatives of the given orders at points."""
        derivatives = dict(self.field.jet(points, tuple(orders)))
        if self.lift is None:
            return derivatives
        flat = coordinates_of(as_points(points, len(self.problem.axes)))
        no_jets = dict.fromkeys(derivatives, jnp.zeros_like(next(iter(derivatives.values()))))
        add = lambda order, value: value + _differentiated(self.lift, order)(no_jets, flat, self.parameters)
        return {order: add(order, value) for order, value in derivatives.items()}

    def on_grid(self, shape: tuple[int, ...]) -> TensorGrid:
        """A uniform grid of the axes of space with both ends, without the last one on periodic axes."""
        grid, real = self.problem.grid(shape), jnp.result_type(float)
        return TensorGrid(tuple(jnp.asarray(axis, real) for axis in grid.axes()))

    def predict(self, initial: Any, times: Any, *, key: Key | None = None) -> Any:
        """States at `times` after the start on a uniform grid, of shape and type of `initial`, whose values are unused.

        **Arguments:** `initial`: `(*batch, *space, channel)`; `times`: `(time,)`; none for a steady problem.

        **Returns:** `(time, *batch, *space, channel)`.
        """
        ndim = self.problem.ndim
        initial = as_state(initial)
        shape = initial.shape[-ndim - 1 : -1]
        space = self.on_grid(shape).axes
        real = space[0].dtype
        start = self.problem.box[0][0]
        axes = (start + jnp.asarray(times, real), *space) if self.problem.timed else space
        values = self(TensorGrid(axes)).astype(initial.dtype)
        values = values.reshape(-1 if self.problem.timed else 1, *shape, values.shape[-1])
        batch = initial.shape[: -ndim - 1]
        wide = values.reshape(values.shape[0], *(1 for _ in batch), *values.shape[1:])
        return jnp.broadcast_to(wide, (values.shape[0], *batch, *values.shape[1:]))

    def residual(self, points: Any) -> Float[Array, "point equation"]:
        """How far the field is from solving the equation at points."""
        return self.residual_of(self.problem.residual, points)

    def residual_of(self, residual: Any, points: Any) -> Float[Array, "point equation"]:
        """How far any residual of the problem's fields is from zero at points."""
        flat = points.points() if isinstance(points, TensorGrid) else points
        return residual(self.jet(points, residual.orders), flat, self.parameters)


@functools.lru_cache(maxsize=256)
def _differentiated(lift: SymbolicResidual, order: Order) -> SymbolicResidual:
    """The lift's derivative, by algebra."""
    expressions = lift.expressions
    for axis, times in zip(lift.axes, order, strict=True):
        symbol = sympy.Symbol(axis, real=True)
        expressions = tuple(sympy.diff(e, symbol, times) if times else e for e in expressions)
    return SymbolicResidual(expressions, lift.fields, lift.axes)


def found_parameters(problem: BoundaryValueProblem) -> dict[str, Float[Array, ""]]:
    """First guesses of the unknown parameters as arrays."""
    return {name: jnp.asarray(value, jnp.result_type(float)) for name, value in problem.unknown.items()}


def coordinates_of(points: Any) -> Float[Array, "point axis"]:
    """Points as one array `(point, axis)`."""
    return points.points() if isinstance(points, TensorGrid) else points


def count_parameters(model: Any) -> int:
    """Numbers in the trainable arrays of a field."""
    return sum(x.size for x in jax.tree.leaves(eqx.filter(model, eqx.is_inexact_array)))
