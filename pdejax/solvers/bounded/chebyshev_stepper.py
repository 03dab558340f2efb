"""The Stepper of Chebyshev points: an equation, an axis with ends and an exponential integrator."""

from collections.abc import Mapping
from typing import Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from pdejax.core import (
    AnyState,
    Count,
    Grid,
    Key,
    Scaling,
    State,
    Tendency,
    as_state,
    as_tendency,
    checked,
    hashed_by_identity,
)
from pdejax.equations import Equation
from pdejax.solvers._arrays import check_batch, check_positive, real_or_traced, telling, traced, working
from pdejax.solvers.bounded.exponential import Fourth, Second, apply, exponential
from pdejax.solvers.bounded.lines import LineForm, line_form

GROWING = 1.5  # times, from half the points to all of them, that a growth rate may rise by
ROUNDING = 1e-6  # of an eigenvalue
FEWEST = 8  # points on which growth is looked at
MOST_POINTS = 128  # whose matrices are full
MOST = 16  # trajectories of which it is


@hashed_by_identity
class ChebyshevStepper(eqx.Module):
    """Advances a state on equidistant points by `substeps` steps at Chebyshev points.

    A `TimedStepper`; made by `chebyshev_stepper`. `enter` takes a state to the Chebyshev points, `leave` takes it back
    to the grid or to other equidistant points; between them `advance` is a call without these.
    """

    form: LineForm
    method: Second | Fourth
    inward: Array
    outward: Array
    dt: Array
    time: Array
    substeps: int = eqx.field(static=True)

    @property
    def grid(self) -> Grid:
        """The grid of the states."""
        return self.form.line.grid

    @property
    def step_size(self) -> Array:
        """Time one call covers, a scalar or `(batch,)`."""
        return self.substeps * self.dt

    def at(self, time: Any) -> "ChebyshevStepper":
        """The same Stepper set to a time, a scalar or `(batch,)`."""
        return eqx.tree_at(lambda s: s.time, self, jnp.asarray(real_or_traced(time, "time"), self.dt.dtype))

    def enter(self, u: State) -> Float[Array, "*batch point channel"]:
        """A state on the grid at the Chebyshev points, in the working precision.

        **Raises:** `ValueError` if it does not have the grid's shape or the equation's channels.
        """
        expected = (*self.grid.shape, len(self.form.fields))
        if u.shape[-2:] != expected:
            raise ValueError(f"expected a state (*batch, {', '.join(map(str, expected))}), got shape {u.shape}")
        return _along(self.inward, working(u))

    def leave(self, v: Float[Array, "*batch point channel"]) -> Float[Array, "*batch x channel"]:
        """A state at the Chebyshev points on the grid."""
        return _along(self.outward, v)

    def advance(self, v: Float[Array, "*batch point channel"], tendency: Tendency = None) -> Array:
        """The state at the Chebyshev points after one call."""
        rest = self._with(tendency)

        def body(y: Any, i: Any) -> tuple[Any, None]:
            if tendency is None and self.form.exact:
                return apply(self.method.exp, y), None
            return self.method(rest, y, self.time + i * self.dt, self.dt), None

        self._check_batch(v)
        y = self.form.unknowns(v, self.time)
        if self.substeps == 1:
            y, _ = body(y, jnp.zeros((), self.dt.dtype))
        else:
            y, _ = jax.lax.scan(body, y, jnp.arange(self.substeps, dtype=self.dt.dtype))
        return self.form.state(y, self.time + self.step_size)

    def _check_batch(self, v: Any) -> None:
        columns = [x for x in (*self.form.values.values(), self.form.length) if np.ndim(x) > 1]
        if v.ndim > 2:
            check_batch((columns, [x[:, None] for x in (self.dt, self.time) if x.ndim]), v.shape[:-1], 1)
        elif columns or self.dt.ndim:
            count = (*columns, self.dt)[0].shape[0]
            raise ValueError(f"parameters of {count} trajectories need a state with a batch axis, got none")

    def _with(self, tendency: Tendency) -> Any:
        """The rest with what is added to it."""
        form = self.form
        if tendency is None:
            return form.rest
        gathered = lambda u: form.gathered([self.enter(u)[..., i] for i in range(len(form.fields))])
        tendency = as_tendency(tendency)
        if callable(tendency):
            return lambda y, t: form.rest(y, t) + gathered(tendency(t, self.leave(form.state(y, t))))
        held = gathered(tendency)
        return lambda y, t: form.rest(y, t) + held

    def __call__(self, u: AnyState, *, key: Key | None = None, tendency: Tendency = None) -> State:
        """The state after one call, of the type that came in; integers are promoted, `key` is ignored.

        What it is at an end with a value is replaced by that value.

        **Arguments:** `tendency`: added to the right-hand side: an array like `u`, held over the call, or a function of
        time and state, asked in every stage.
        """
        u = as_state(u)
        return self.leave(self.advance(self.enter(u), tendency)).astype(u.dtype)


def _along(matrix: Array, u: Array) -> Array:
    """A matrix times the last but one axis."""
    return jnp.einsum("ij,...jc->...ic", matrix, u, precision="highest")


@checked
def chebyshev_stepper(
    equation: Equation,
    grid: Grid,
    dt: Any,
    *,
    points: Count = 64,
    order: Literal[2, 4] = 4,
    substeps: Count = 1,
    parameters: Mapping[str, Any] | None = None,
    scaling: Scaling | None = None,
) -> ChebyshevStepper:
    """The Stepper of an equation in one dimension at Chebyshev points, with values or slopes at the ends.

    Values and slopes may depend on time and parameters; at an `outflow` nothing is given. Terms that are linear in the
    fields are exact at any step, also those whose coefficients depend on the place; the rest is explicit. States are on
    the equidistant points of the grid, both ends included, between which and the Chebyshev points polynomials of degree
    eight interpolate, blended. A step multiplies by dense matrices of all unknowns: `points` is for 128 at most.

    **Arguments:** `points`: Chebyshev points, both ends included; others as of `spectral_stepper`.

    **Raises:** `ValueError` if equation, grid and ends do not fit, an argument is out of range, or the equation has no
    solution forwards in time with these ends.
    """
    check_positive("dt", dt)
    if points > MOST_POINTS:
        raise ValueError(f"points should be at most {MOST_POINTS}, whose matrices are full, got {points}")
    scaling = Scaling() if scaling is None else scaling
    form = line_form(equation, grid, points, parameters, scaling)
    check_growth_of(form, equation, parameters, scaling)
    dt = scaling.step * (np.asarray(dt) if isinstance(dt, list | tuple) else dt)
    step = dt if traced(dt) else np.asarray(dt, np.float64)
    if traced(step) and not traced(form.matrix):
        form = eqx.tree_at(lambda f: f.matrix, form, working(form.matrix))
    method = exponential(form.matrix, step, order)
    line = form.line
    return ChebyshevStepper(
        jax.tree.map(working, form), method, working(line.inward()), working(line.outward()), working(step),
        working(0.0), substeps,
    )  # fmt: skip


def check_growth_of(form: LineForm, equation: Equation, parameters: Any, scaling: Scaling) -> None:
    """Whether there is a solution forwards in time.

    **Raises:** `ValueError` where modes grow the faster the more points there are: backwards in time, or with a
    condition at the side where nothing comes in.
    """
    if traced(form.matrix) or form.line.size < 2 * FEWEST:
        return
    coarse = line_form(equation, form.line.grid, form.line.size // 2, parameters, scaling)
    numbers = [np.ravel(np.asarray(x, float)) for x in (*equation.resolve(parameters).values(), scaling.length)]
    rows = telling(np.stack(np.broadcast_arrays(*numbers), -1), MOST)
    which = lambda m: rows if len(m) > 1 else [0]
    most = lambda m: np.linalg.eigvals((m := m.reshape(-1, *m.shape[-2:]))[which(m)])
    fine, few = most(form.matrix), most(coarse.matrix)
    rate = fine.real.max(-1)
    bad = (rate > ROUNDING * np.abs(fine).max(-1)) & (rate > GROWING * np.maximum(few.real.max(-1), 0))
    if bad.any():
        raise ValueError(
            f"the equation {'; '.join(equation.terms)} has no solution forwards in time with these ends: its modes "
            f"grow the faster the more points there are, on {form.line.size} like exp({rate[bad].max():.3g} t); is the "
            "sign of a term wrong, or a condition at the side where nothing comes in?"
        )
