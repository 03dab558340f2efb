"""Quasi-Newton methods: curvature is learned from gradients, the length of a step found by a line search."""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import lax
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float

from pdejax.core import Count, Fraction, register
from pdejax.training.optimisers.gradient import GradientDescent
from pdejax.training.optimisers.objective import Metrics, Objective, SmoothObjective, product


def _line_search(tries: int, curvature: float) -> optax.GradientTransformationExtraArgs:
    """Strong Wolfe conditions by interval search and zoom (Nocedal and Wright, algorithms 3.5 and 3.6)."""
    return optax.scale_by_zoom_linesearch(tries, curv_rtol=curvature, initial_guess_strategy="one")


def _check(tries: int, curvature: float) -> None:
    if tries < 1 or not 0 < curvature < 1:
        raise ValueError(f"tries >= 1 and 0 < curvature < 1 are needed, got tries={tries}, curvature={curvature:g}")


@register("optimiser", "lbfgs")
@dataclasses.dataclass(frozen=True)
class LBFGS:
    """Limited-memory BFGS of optax with a zoom line search, for a loss on the same points in every step.

    Gradients of successive steps are compared: where points are drawn anew, start it anew.

    **Arguments:** `memory`: pairs of steps and gradient differences kept; `tries`: evaluations of a line search;
    `curvature`: part of the slope that may remain after it.

    **Raises:** `ValueError` for numbers that cannot work.
    """

    memory: Count = 10
    tries: Count = 20
    curvature: Fraction = 0.9

    def __post_init__(self) -> None:
        _check(self.tries, self.curvature)
        if self.memory < 1:
            raise ValueError(f"memory is at least 1, got {self.memory}")

    def _descent(self) -> GradientDescent:
        search = _line_search(self.tries, self.curvature)
        return GradientDescent(optax.lbfgs(memory_size=self.memory, linesearch=search))

    def check(self, method: Any, model: Any) -> None:
        """See `Optimiser`; every loss has a gradient."""

    def init(self, params: Any) -> Any:
        """See `Optimiser`."""
        return self._descent().init(params)

    def step(self, objective: SmoothObjective, params: Any, state: Any) -> tuple[Any, Any, Metrics]:
        """See `Optimiser`."""
        return self._descent().step(objective, params, state)

    def finish(self, model: Any) -> Any:
        """See `Optimiser`."""
        return model


def _broyden(inverse: Array, step: Array, change: Array, slope: Array) -> Array:
    """The inverse Hessian after a self-scaled Broyden update.

    Al-Baali's choice of scaling τ and of the member φ of Broyden's family (Urbán, Stefanou and Pons, J. Comput. Phys.
    523, 2025, equations 13-23; arXiv 2501.16371).

    **Arguments:** `step`: s; `change`: of the gradient, y with sᵀy > 0; `slope`: -α gᵀs = sᵀBs, α the step's length.
    """
    rho = 1 / jnp.vdot(step, change)
    mapped = product(inverse, change)
    square = jnp.vdot(change, mapped)
    b, h = slope * rho, square * rho
    a = jnp.maximum(b * h - 1, jnp.finfo(step.dtype).eps)  # by Cauchy and Schwarz not negative
    lowest = jnp.minimum(1, h * (1 - jnp.sqrt(a / (1 + a))))
    theta = jnp.maximum((lowest - 1) / a, jnp.minimum(1 / lowest, (1 - b) / b))
    sigma = 1 + a * theta
    root = sigma ** (-1 / max(step.size - 1, 1))
    scale = jnp.minimum(1, 1 / b)
    tau = jnp.where(
        theta <= 0, jnp.minimum(scale * root, sigma), scale * jnp.minimum(root, 1 / jnp.where(theta > 0, theta, 1))
    )
    phi = (1 - theta) / sigma
    v = step * rho - mapped / square
    shrunk = inverse - jnp.outer(mapped, mapped) / square + phi * square * jnp.outer(v, v)
    return shrunk / tau + rho * jnp.outer(step, step)


class BroydenState(NamedTuple):
    """The inverse Hessian learned so far and the state of the line search."""

    inverse: Float[Array, "parameter parameter"]
    search: Any


@register("optimiser", "ssbroyden")
@dataclasses.dataclass(frozen=True)
class SSBroyden:
    """Self-scaled Broyden method with a dense inverse Hessian, for up to some thousand parameters in double precision.

    Both gradients of an update are taken on the same points, which may differ from step to step.

    **Arguments:** `tries`: evaluations of a line search; `curvature`: part of the slope that may remain after it.

    **Raises:** `ValueError` for numbers that cannot work.
    """

    tries: Count = 20
    curvature: Fraction = 0.9

    def __post_init__(self) -> None:
        _check(self.tries, self.curvature)

    def check(self, method: Any, model: Any) -> None:
        """See `Optimiser`; every loss has a gradient."""

    def init(self, params: Any) -> BroydenState:
        """See `Optimiser`."""
        x, _ = ravel_pytree(params)
        return BroydenState(jnp.eye(x.size, dtype=x.dtype), _line_search(self.tries, self.curvature).init(x))

    def step(self, objective: Objective, params: Any, state: BroydenState) -> tuple[Any, BroydenState, Metrics]:
        """See `Optimiser`."""
        x, unravel = ravel_pytree(params)
        (value, metrics), grads = objective.value_and_grad(params)
        gradient = ravel_pytree(grads)[0]
        unit = jnp.eye(x.size, dtype=x.dtype)
        inverse = jnp.where(_falls(state.inverse, gradient), state.inverse, unit)
        move, search = self._search(lambda x: objective.value(unravel(x)), x, inverse, value, gradient, state.search)
        # a failed search leaves the parameters and forgets the curvature that led nowhere
        accepted = jnp.isfinite(search.value) & (search.value <= value)
        step = jnp.where(accepted, move, 0)
        learned = self._learn(inverse, step, search.grad - gradient, -search.learning_rate * jnp.vdot(step, gradient))
        inverse = jnp.where(accepted, learned, unit)
        metrics = {"loss": value, "grad_norm": jnp.linalg.norm(gradient), "rate": search.learning_rate, **metrics}
        return unravel(x + step), BroydenState(inverse, search), metrics

    def finish(self, model: Any) -> Any:
        """See `Optimiser`."""
        return model

    def _search(
        self, loss: Callable[[Array], Array], x: Array, inverse: Array, value: Array, gradient: Array, state: Any
    ) -> tuple[Any, Any]:
        with jax.numpy_dtype_promotion("standard"):  # optax mixes integers and floats
            return _line_search(self.tries, self.curvature).update(
                -product(inverse, gradient), state, x, value=value, grad=gradient, value_fn=loss
            )

    def _learn(self, inverse: Array, step: Array, change: Array, slope: Array) -> Array:
        """The updated inverse, or the old one where the step shows no positive curvature."""
        lengths = jnp.linalg.norm(step) * jnp.linalg.norm(change)
        curved = jnp.vdot(step, change) > jnp.finfo(step.dtype).eps * lengths
        learned = lax.cond(curved, _broyden, lambda inverse, *_: inverse, inverse, step, change, slope)
        return jnp.where(jnp.all(jnp.isfinite(learned)), learned, inverse)


def _falls(inverse: Array, gradient: Array) -> Array:
    return jnp.vdot(gradient, product(inverse, gradient)) > 0
