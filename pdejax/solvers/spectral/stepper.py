"""The pseudo-spectral Stepper: an equation, a grid and an exponential integrator."""

from collections.abc import Mapping
from typing import Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from pdejax.core import (
    AnyState,
    Count,
    Grid,
    Key,
    Scaling,
    Share,
    State,
    Tendency,
    as_state,
    as_tendency,
    checked,
    hashed_by_identity,
)
from pdejax.equations import Equation
from pdejax.solvers._arrays import (
    batch_axis,
    check_batch,
    check_positive,
    expand_rank,
    lift,
    real_or_traced,
    shown_stepper,
    traced,
    working,
)
from pdejax.solvers.spectral.etdrk import ETDRK2, ETDRK4, etdrk
from pdejax.solvers.spectral.form import discretise
from pdejax.solvers.spectral.limit import check_limit
from pdejax.solvers.spectral.wellposed import check_ends, check_growth


@hashed_by_identity
class SpectralStepper(eqx.Module):
    """Advances a state by `substeps` steps of an exponential integrator, in Fourier space between them.

    A `TimedStepper` in physical space; made by `spectral_stepper`.
    """

    form: Any  # a `SpectralForm`, or what does the same on a box with mirrors
    method: ETDRK2 | ETDRK4
    dt: Array
    time: Array
    substeps: int = eqx.field(static=True)

    @property
    def grid(self) -> Grid:
        """The grid it works on."""
        return self.form.grid

    @property
    def step_size(self) -> Array:
        """Time one call covers, a scalar or `(batch,)`."""
        return self.substeps * self.dt

    def __repr__(self) -> str:
        return shown_stepper(self)

    def at(self, time: Any) -> "SpectralStepper":
        """The same Stepper set to a time, a scalar or `(batch,)`."""
        return eqx.tree_at(lambda s: s.time, self, jnp.asarray(real_or_traced(time, "time"), self.dt.dtype))

    def __call__(self, u: AnyState, *, key: Key | None = None, tendency: Tendency = None) -> State:
        """The state after one call, of the type that came in; integers are promoted, `key` is ignored.

        **Arguments:** `tendency`: of physical space, added to the right-hand side: an array like `u`, held over the
        call, or a function of time and state, asked in every stage. Its highest modes are kept.
        """
        u = as_state(u)
        v = self.form.to_spectral(u)  # first, since it looks at the shape
        method, nonlinear = lift(self.method, u.ndim - 1), self._with(tendency)
        if u.ndim - 1 > self.grid.ndim:
            check_batch((self.method, self.form), v[0].shape, self.grid.ndim)

        def body(v: Any, i: Any) -> tuple[Any, None]:
            return method(nonlinear, v, self.time + i * self.dt, self.dt), None

        if self.substeps == 1:
            v, _ = body(v, jnp.zeros((), self.dt.dtype))
        else:
            v, _ = jax.lax.scan(body, v, jnp.arange(self.substeps, dtype=self.dt.dtype))
        return self.form.to_physical(v).astype(u.dtype)

    def _with(self, tendency: Tendency) -> Any:
        """The nonlinear function with what is added to it."""
        form = self.form
        if tendency is None:
            return form.nonlinear
        total = lambda v, t, more: tuple(x + y for x, y in zip(form.nonlinear(v, t), more, strict=True))
        tendency = as_tendency(tendency)
        if callable(tendency):
            return lambda v, t: total(v, t, form.to_spectral(tendency(t, form.to_physical(v))))
        held = form.to_spectral(tendency)
        return lambda v, t: total(v, t, held)


@checked
def spectral_stepper(
    equation: Equation,
    grid: Grid,
    dt: Any,
    *,
    order: Literal[2, 4] = 4,
    substeps: Count = 1,
    parameters: Mapping[str, Any] | None = None,
    scaling: Scaling | None = None,
    dealias: Share | None = 2 / 3,
) -> SpectralStepper:
    """The pseudo-spectral Stepper of an equation on a periodic grid.

    Works in float64 when 64-bit numbers are on, otherwise in float32 (with coefficients from float64 unless traced).
    Of a `solenoidal` velocity a call keeps what has no divergence.

    **Arguments:**

    - `dt`: one solver step, a number or array `(batch,)`: `substeps` multiply it, while those of `volume_stepper` and
        `staggered_stepper` divide the time of a call, which is their `dt`. Of all, `step_size` is the time of a call.
    - `order`: of the exponential integrator in time, 2 or 4.
    - `substeps`: solver steps of a call, which covers the time `substeps * dt`.
    - `parameters`: numbers or arrays `(batch,)`.
    - `scaling`: factors on the lengths of the grid and on `dt`, numbers or arrays `(batch,)`.
    - `dealias`: fraction of modes that products see and make (2/3 is exact for quadratic ones); `None` for all.

    **Raises:** `ValueError` if equation and grid do not fit, an argument is out of range, the equation has no solution
    forwards in time, or the step is beyond the limit of terms with coefficients that vary.
    """
    check_positive("dt", dt)
    scaling = Scaling() if scaling is None else scaling
    if not isinstance(equation, Equation) or not isinstance(grid, Grid):
        found = f"{type(equation).__name__} and {type(grid).__name__}"
        raise ValueError(f"spectral_stepper takes an Equation and a Grid, in this order, got {found}")
    form = discretise(equation, grid, parameters, scaling=scaling, dealias=dealias)
    check_growth(equation, grid, parameters, scaling)
    check_ends(equation, grid, parameters, scaling)
    check_limit(equation, grid, grid, dt, order, parameters, scaling, dealias)
    return exponential_stepper(form, dt, scaling, order, substeps)


def exponential_stepper(form: Any, dt: Any, scaling: Scaling, order: Literal[2, 4], substeps: int) -> SpectralStepper:
    """The Stepper of a right-hand side in Fourier space, for the arguments of `spectral_stepper`."""
    ndim = form.grid.ndim
    dt = scaling.step * (np.asarray(dt) if isinstance(dt, list | tuple) else dt)
    step = dt if traced(dt) else np.asarray(dt, np.float64)
    column = batch_axis(step, ndim)
    rank = ndim + (np.ndim(step) > 0)
    linear = jax.tree.map(lambda symbol: expand_rank(symbol, max(rank, symbol.ndim)), form.linear)
    method = etdrk(linear, column, order)
    return SpectralStepper(jax.tree.map(working, form), method, working(step), working(0.0), substeps)
