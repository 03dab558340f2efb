"""Gauss–Newton and Levenberg–Marquardt: the loss is a sum of squares and its residuals are linearised."""

import dataclasses
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.flatten_util import ravel_pytree
from jax.scipy.linalg import cho_factor, cho_solve, solve_triangular
from jaxtyping import Array, Bool, Float, Int

from pdejax.core import Count, Fraction, NotNegative, Positive, Scalar, known, register
from pdejax.training.optimisers.objective import Metrics, Objective, check_squares, product


def _lengths(objective: Objective, jacobian: Array, least: float) -> Array:
    """Lengths of the columns over all devices, at least this part of the longest one; 1 where that is 0."""
    lengths = jnp.sqrt(objective.total(jnp.sum(jnp.square(jacobian), axis=0)))
    lengths = jnp.maximum(lengths, least * jnp.max(lengths))
    return jnp.where(lengths > 0, lengths, 1)


def _report(objective: Objective, rows: Array, jacobian: Array) -> Metrics:
    loss, gradient = objective.total((jnp.sum(jnp.square(rows)), 2 * product(rows, jacobian)))
    return {"loss": loss, "grad_norm": jnp.linalg.norm(gradient)}


@register("optimiser", "gauss_newton")
@dataclasses.dataclass(frozen=True)
class GaussNewton:
    """Solves the linearised problem by QR: exact in one step for residuals that are linear in the parameters.

    Every device factors its own rows and the triangular factors are gathered and factored again (tall-skinny QR,
    SIAM J. Sci. Comput. 34, A206, 2012): the condition number is never squared and the rows never leave their device.

    **Arguments:** `ridge`: weight of the step itself, relative to columns of unit length; at least the precision of
    the parameters' type is taken, so that columns may depend on each other.

    **Raises:** `ValueError` if `ridge` is negative.
    """

    ridge: NotNegative = 0.0

    def __post_init__(self) -> None:
        if self.ridge < 0:
            raise ValueError(f"ridge is at least 0, got {self.ridge:g}")

    def check(self, method: Any, model: Any) -> None:
        """See `Optimiser`; the loss must be a sum of squares."""
        check_squares("gauss_newton", method)

    def init(self, params: Any) -> tuple[()]:
        """See `Optimiser`; there is no state."""
        return ()

    def step(self, objective: Objective, params: Any, state: tuple[()]) -> tuple[Any, tuple[()], Metrics]:
        """See `Optimiser`."""
        x, unravel = ravel_pytree(params)
        rows, jacobian = objective.rows(params), objective.jacobian(params)
        lengths = _lengths(objective, jacobian, 0.0)
        local = jnp.linalg.qr(jnp.column_stack([jacobian / lengths[None], rows]), mode="r")
        ridge = max(self.ridge, float(jnp.finfo(x.dtype).eps)) * jnp.eye(x.size, x.size + 1, dtype=x.dtype)
        factor = jnp.linalg.qr(jnp.concatenate([objective.gather(local), ridge]), mode="r")
        step = -solve_triangular(factor[: x.size, :-1], factor[: x.size, -1]) / lengths
        metrics = {**_report(objective, rows, jacobian), "step_norm": jnp.linalg.norm(step)}
        return unravel(x + step), state, metrics

    def finish(self, model: Any) -> Any:
        """See `Optimiser`."""
        return model


# the step -(JᵀJ + λD)⁻¹ Jᵀf, as a function of λ and this device's rows f
_Solve = Callable[[Array, Array], Array]


def _primal(objective: Objective, jacobian: Array, lengths: Array) -> _Solve:
    """A parameter × parameter system: only its sum travels between devices."""
    scaled = jacobian / lengths[None]
    gram = objective.total(product(scaled.T, scaled))

    def solve(damping: Array, rows: Array) -> Array:
        factor = cho_factor(gram + damping * jnp.eye(gram.shape[0], dtype=gram.dtype))
        return -cho_solve(factor, objective.total(product(rows, scaled))) / lengths

    return solve


def _dual(objective: Objective, jacobian: Array, lengths: Array) -> _Solve:
    """A row × row system, the same step by Woodbury's identity (arXiv 2505.12149): all rows on every device."""
    scaled = objective.gather(jacobian / lengths[None])
    kernel = product(scaled, scaled.T)

    def solve(damping: Array, rows: Array) -> Array:
        factor = cho_factor(kernel + damping * jnp.eye(kernel.shape[0], dtype=kernel.dtype))
        return -product(cho_solve(factor, objective.gather(rows)), scaled) / lengths

    return solve


_FORMS = {"primal": _primal, "dual": _dual}


class MarquardtState(NamedTuple):
    """The damping to try first and the last step."""

    damping: Scalar
    step: Float[Array, " parameter"]


class _Trial(NamedTuple):
    """How far the search for a step that lowers the loss has come."""

    tries: Int[Array, ""]
    accepted: Bool[Array, ""]
    damping: Scalar
    step: Float[Array, " parameter"]


@register("optimiser", "levenberg_marquardt")
@dataclasses.dataclass(frozen=True)
class LevenbergMarquardt:
    """Damped Gauss–Newton with Marquardt's scaling: damping grows until the true loss falls (J. SIAM 11, 431, 1963).

    **Arguments:**

    - `damping`: λ of the first try, relative to columns of unit length.
    - `shrink`, `grow`: factors of λ after a try that lowered the loss and one that did not.
    - `tries`: at most so many a step; if none lowers the loss the parameters stay.
    - `form`: `primal` (parameter × parameter), `dual` (row × row), or `auto`: the smaller.
    - `momentum`: SPRING's part of the last step that the first try starts from (arXiv 2505.12149); 0 is none.
    - `acceleration`: geodesic acceleration (Transtrum and Sethna, arXiv 1201.5885): a try counts only if twice the
      correction is at most so much of the step, 0.75 usually; 0 is none.

    **Raises:** `ValueError` for an unknown form or factors that cannot work.
    """

    damping: Positive = 1e-3
    shrink: Fraction = 0.25
    grow: Positive = 5.0
    tries: Count = 10
    form: Literal["auto", "primal", "dual"] = "auto"
    momentum: Fraction = 0.0
    acceleration: NotNegative = 0.0

    def __post_init__(self) -> None:
        if self.form != "auto" and self.form not in _FORMS:
            raise ValueError(known("form", self.form, ["auto", *_FORMS]))
        if not (self.damping > 0 and 0 < self.shrink < 1 < self.grow and self.tries >= 1):
            raise ValueError(f"damping > 0, 0 < shrink < 1 < grow and tries >= 1 are needed, got {self}")
        if not (0 <= self.momentum < 1 and self.acceleration >= 0):
            raise ValueError(f"0 <= momentum < 1 and acceleration >= 0 are needed, got {self}")

    def check(self, method: Any, model: Any) -> None:
        """See `Optimiser`; the loss must be a sum of squares."""
        check_squares("levenberg_marquardt", method)

    def init(self, params: Any) -> MarquardtState:
        """See `Optimiser`."""
        x, _ = ravel_pytree(params)
        return MarquardtState(jnp.asarray(self.damping, x.dtype), jnp.zeros_like(x))

    def step(self, objective: Objective, params: Any, state: MarquardtState) -> tuple[Any, MarquardtState, Metrics]:
        """See `Optimiser`."""
        x, unravel = ravel_pytree(params)
        rows, jacobian = objective.rows(params), objective.jacobian(params)
        # a parameter of almost no effect is not moved without bounds by what little it explains
        lengths = _lengths(objective, jacobian, 1e-6)
        solve = self._build(objective, rows, x)(objective, jacobian, lengths)
        report = _report(objective, rows, jacobian)
        pushed = product(jacobian, state.step)

        def attempt(trial: _Trial) -> _Trial:
            # damping pulls a step with momentum to the last one, not to zero: only the first try has it
            momentum = jnp.where(trial.tries == 0, self.momentum, 0).astype(x.dtype)
            step = momentum * state.step + solve(trial.damping, rows + momentum * pushed)
            step, small = self._bend(objective, lambda x: objective.rows(unravel(x)), x, step, trial.damping, solve)
            accepted = small & (objective.value(unravel(x + step)) < report["loss"])
            damping = trial.damping * jnp.where(accepted, self.shrink, self.grow).astype(x.dtype)
            return _Trial(trial.tries + 1, accepted, damping, step)

        start = _Trial(jnp.zeros((), jnp.int32), jnp.zeros((), bool), state.damping, jnp.zeros_like(x))
        end = lax.while_loop(lambda trial: ~trial.accepted & (trial.tries < self.tries), attempt, start)
        step, precision = jnp.where(end.accepted, end.step, 0), jnp.finfo(x.dtype).eps
        # below the precision damping does nothing, and far below it could not grow again
        state = MarquardtState(jnp.clip(end.damping, precision, 1 / precision), step)
        metrics = {**report, "damping": state.damping, "tries": end.tries, "step_norm": jnp.linalg.norm(step)}
        return unravel(x + step), state, metrics

    def finish(self, model: Any) -> Any:
        """See `Optimiser`."""
        return model

    def _build(self, objective: Objective, rows: Array, x: Array) -> Callable[[Objective, Array, Array], _Solve]:
        if self.form != "auto":
            return _FORMS[self.form]
        return _dual if x.size > jax.eval_shape(objective.gather, rows).shape[0] else _primal

    def _bend(
        self, objective: Objective, rows: Callable[[Array], Array], x: Array, step: Array, damping: Array, solve: _Solve
    ) -> tuple[Array, Array]:
        """The step along the geodesic, and whether its correction is small enough to be believed."""
        if self.acceleration == 0:
            return step, jnp.ones((), bool)
        slope = lambda x: jax.jvp(rows, (x,), (step,))[1]
        correction = solve(damping, jax.jvp(slope, (x,), (step,))[1])
        small = 2 * jnp.linalg.norm(correction) <= self.acceleration * jnp.linalg.norm(step)
        return step + correction / 2, small
