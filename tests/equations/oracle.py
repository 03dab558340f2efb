"""An independent way to the residual of a field u(t, x): nested forward-mode derivatives at one point."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import sympy
from jaxtyping import Array, Float

from pdejax.equations import EQUATIONS, Equation
from pdejax.equations._residual import in_streams
from pdejax.equations.language.evaluate import evaluate
from pdejax.equations.language.jets import COORDINATES, TIME, ZERO, Alpha, Jet, add_alpha, jet, jets, unit

PointField = Callable[[Any, Any], Any]
NONLOCAL = ("benjamin_ono",)
LOCAL = {
    name: one
    for name, one in EQUATIONS.items()
    if isinstance(one, Equation) and name not in NONLOCAL and not one.solenoidal  # whose pressure is not local either
}
"""Evolutions of the catalogue that hold at points."""


def pointwise_residual(
    equation: Equation,
    function: PointField,
    t: Float[Array, ""],
    x: Float[Array, " ndim"],
    parameters: Mapping[str, Any] | None = None,
) -> Float[Array, " channel"]:
    """u_t - R(u) at one point of a function `(t, x) -> (channel,)`, whose channel is a vorticity's stream function."""
    fields, streams = equation.fields, equation.streams
    parameters = equation.resolve(parameters)
    expressions = [in_streams(form.flat(), streams) for form in equation.forms]
    states = [in_streams(jet(f), streams) for f in fields]
    needed = {j for e in [*expressions, *states] for j in jets(e)}
    constants = {sympy.Symbol(name, real=True): value for name, value in parameters.items()}
    constants |= {TIME: t} | {s: x[i] for i, s in enumerate(COORDINATES[: x.shape[0]])}

    def at(time: Any, wanted: Sequence[sympy.Expr], symbols: set[Jet]) -> Array:
        point = lambda place: jnp.asarray(function(time, place))
        known = derivatives(point, x, {j.alpha for j in symbols})
        values = {j: known[j.alpha][fields.index(j.field)] for j in symbols}
        return jnp.stack([jnp.asarray(evaluate(e, constants | values), x.dtype) for e in wanted])

    state_jets = {j for e in states for j in jets(e)}
    rate = jax.jvp(lambda time: at(time, states, state_jets), (t,), (jnp.ones_like(t),))[1]
    return rate - at(t, expressions, needed)


def derivatives(function: Callable[[Any], Any], x: Any, alphas: Iterable[Alpha]) -> dict[Alpha, Any]:
    """Partial derivatives of a function of place, by nested forward mode; lower ones are by-products of higher ones."""
    found: dict[Alpha, Any] = {}
    for alpha in sorted(alphas, key=lambda a: (sum(a), a), reverse=True):
        if alpha not in found:
            found |= _tower(function, alpha)(x)
    return found


def _tower(function: Callable[[Any], Any], alpha: Alpha) -> Callable[[Any], dict[Alpha, Any]]:
    tower = lambda x: {ZERO: function(x)}
    for axis in range(3):
        for _ in range(alpha[axis]):
            tower = _one_higher(tower, axis)
    return tower


def _one_higher(tower: Callable[[Any], dict[Alpha, Any]], axis: int) -> Callable[[Any], dict[Alpha, Any]]:
    def higher(x: Any) -> dict[Alpha, Any]:
        lower, tangent = jax.jvp(tower, (x,), (jnp.zeros_like(x).at[axis].set(1),))
        return lower | {add_alpha(alpha, unit(axis)): value for alpha, value in tangent.items()}

    return higher
