"""A penalty on high derivatives of a solution in time."""

from collections.abc import Callable
from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from pdejax.core import Count, Key, Scalar, check_options, register
from pdejax.methods.neural_ode.regularization import AbstractRegularization, Decay, Regularized, Weight
from pdejax.solvers import Integrator, integrate


def total_derivative(field: Callable[[Any, Any], Any], order: int) -> Callable[[Any, Any], Any]:
    """The derivative of a solution of dy/dt = f(t, y) in time, by forward mode.

    **Arguments:** `field`: f; `order`: of the derivative, 1 gives f itself.

    **Returns:** a function of time and state.
    """
    if order == 1:
        return field
    lower = total_derivative(field, order - 1)
    return lambda t, y: jax.jvp(lower, (t, y), (jnp.ones_like(t), field(t, y)))[1]


class _Augmented(eqx.Module):
    """dy/dt = f and dr/dt = mean of the squares of a higher derivative of y."""

    field: Callable[..., Any]
    order: int = eqx.field(static=True)

    def __call__(self, t: Any, state: Any, args: Any) -> Any:
        y, r = state
        time = jnp.asarray(t, r.dtype)
        high = total_derivative(lambda t, y: self.field(t, y, args), self.order)(time, y)
        leaves = jax.tree.leaves(high)
        square = jnp.asarray(sum(jnp.sum(jnp.square(x)) for x in leaves) / sum(x.size for x in leaves), r.dtype)
        return self.field(t, y, args), square


def _without_last(controller: Any) -> Any:
    """A controller whose norm leaves out the second part of a state."""
    if isinstance(controller, diffrax.ClipStepSizeController):
        return eqx.tree_at(lambda c: c.controller, controller, _without_last(controller.controller))
    norm = controller.norm
    return eqx.tree_at(lambda c: c.norm, controller, lambda state: norm(state[0]))


@register("regularization", "taylor")
class TaylorRegularization(AbstractRegularization):
    """Penalises the mean square of a high derivative of the solution: integral over time, divided by the horizon.

    It is found by integrating it beside the state, which the step-size control does not look at. The vector field is
    differentiated `order - 1` times more in every stage, so training is dear.

    Source: Kelly, Bettencourt, Johnson, Duvenaud 2020, Learning Differential Equations that are Easy to Solve
    (TayNODE, arXiv 2007.04504).

    **Arguments:** `order`: of the derivative in time; `weight`, `final_weight`: of the penalty, see `Decay`.
    """

    order: int = eqx.field(static=True)
    decay: Decay

    def __init__(self, order: Count = 3, weight: Weight = 0.01, final_weight: Weight | None = None):
        self.order, self.decay = order, Decay(weight, final_weight)

    def __check_init__(self) -> None:
        check_options(self)

    @property
    def weight(self) -> Scalar:
        """Of the penalty at first."""
        return self.decay.initial

    @property
    def final_weight(self) -> Scalar:
        """Of the penalty in the end."""
        return self.decay.final

    @property
    def factor(self) -> Scalar:
        return self.decay.value

    def at(self, progress: Scalar) -> "TaylorRegularization":
        return eqx.tree_at(lambda r: r.decay, self, self.decay.at(progress))

    def check(self, integrator: Integrator) -> None:
        return None

    def solve(
        self, terms: Any, times: Float[Array, " time"], y0: Any, args: Any, *, integrator: Integrator, key: Key
    ) -> Regularized:
        if not isinstance(terms, diffrax.ODETerm):
            raise ValueError("derivatives in time exist for ordinary differential equations only: use the scope local "
                             "or global of SolverRegularization")  # fmt: skip
        field = _Augmented(terms.vector_field, self.order)
        inner = integrator
        if integrator.adaptive:
            inner = eqx.tree_at(lambda i: i.controller, integrator, _without_last(integrator.controller))
        zero = jnp.zeros((), jnp.result_type(*jax.tree.leaves(y0)))
        (states, squares), account = integrate(diffrax.ODETerm(field), times, (y0, zero), args, integrator=inner)
        penalty = jnp.where(account.finished, squares[-1] / account.horizon.astype(zero.dtype), zero)
        return Regularized(states, penalty, account)
