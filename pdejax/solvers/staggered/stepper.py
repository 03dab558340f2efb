"""The Stepper of an incompressible flow between walls: an equation and a grid of cells."""

from collections.abc import Callable, Mapping
from typing import Any

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
    real_or_traced,
    shown_stepper,
    traced,
    working,
)
from pdejax.solvers._explicit import adaptive_steps, check_cfl, equal_steps, forward_only, ssp_rk3
from pdejax.solvers.staggered.form import Faces, StaggeredForm, staggered_form
from pdejax.solvers.staggered.limits import STABLE, check_equal, fastest

CFL = 0.8  # share of a cell


@hashed_by_identity
class FaceStepper(eqx.Module):
    """Advances a flow on faces by the time `step_size`, with SSP-RK3 and a projection after every stage.

    A `TimedStepper` of the tuples that `form.to_faces` makes of states: what a long run carries, so that nothing is
    lost between faces and cells. Each trajectory makes steps of its own size, as large as `cfl` allows and at most the
    share `longest` of a call; with `substeps` all make as many equal ones, and reverse-mode derivatives exist.
    """

    form: StaggeredForm
    dt: Array
    time: Array
    cfl: Array
    longest: Array
    substeps: int | None = eqx.field(static=True)

    @property
    def step_size(self) -> Array:
        """Time one call covers, a scalar or `(batch,)`."""
        return self.dt

    def at(self, time: Any) -> "FaceStepper":
        """The same Stepper set to a time, a scalar or `(batch,)`."""
        return eqx.tree_at(lambda s: s.time, self, jnp.asarray(real_or_traced(time, "time"), self.dt.dtype))

    def __call__(self, q: Faces, *, key: Key | None = None, rate: Callable[..., Faces] | None = None) -> Faces:
        """The flow after one call; not a number from then on where equal steps are longer than the flow allows.

        **Arguments:** `q`: without divergence; `rate`: in place of `form.rate`.
        """
        form, batch, ndim = self.form, (q[0].shape[0],), self.form.grid.ndim
        whole, start = jnp.broadcast_to(self.dt, batch), jnp.broadcast_to(self.time, batch)
        change = form.rate if rate is None else rate
        advance = lambda q, t, dt: ssp_rk3(change, q, t, dt, batch_axis(dt, ndim), form.projected)
        if self.substeps is not None:
            checked = lambda q, t, dt: _where(dt * fastest(form, q, t) <= STABLE, advance(q, t, dt), ndim)
            return equal_steps(checked, q, start, whole, self.substeps)
        largest = lambda q, t: jnp.minimum(self.cfl / fastest(form, q, t), self.longest * whole)
        q, arrived = adaptive_steps(advance, largest, q, start, whole)
        return forward_only(_where(arrived & form.finite(q), q, ndim))


def _where(good: Array, q: Faces, ndim: int) -> Faces:
    return tuple(jnp.where(batch_axis(good, ndim), x, jnp.nan) for x in q)


@hashed_by_identity
class StaggeredStepper(eqx.Module):
    """Advances the fields of a flow in cells by the time `step_size`; `on_faces` does the work.

    A `TimedStepper`; made by `staggered_stepper`. A state becomes faces by means of neighbouring cells, corrected so
    that the cells of those faces are the state up to a share (kh/2)^8 of a wave k, and these lose their divergence;
    the state after is the means of faces. A velocity whose divergence does not vanish thus comes back without it. One
    that is given back call after call loses that share each time; `trajectory(stepper.on_faces, ...)` loses nothing.
    """

    on_faces: FaceStepper

    @property
    def form(self) -> StaggeredForm:
        """What the fields change by."""
        return self.on_faces.form

    @property
    def grid(self) -> Grid:
        """The grid it works on."""
        return self.form.grid

    @property
    def step_size(self) -> Array:
        """Time one call covers, a scalar or `(batch,)`."""
        return self.on_faces.dt

    def __repr__(self) -> str:
        return shown_stepper(self)

    @property
    def time(self) -> Array:
        """Time a call starts at."""
        return self.on_faces.time

    @property
    def reverses(self) -> bool:
        """Whether reverse-mode derivatives go through it: not where it chooses its steps itself."""
        return self.substeps is not None

    @property
    def substeps(self) -> int | None:
        """Equal steps of a call, if it makes such."""
        return self.on_faces.substeps

    def at(self, time: Any) -> "StaggeredStepper":
        """The same Stepper set to a time, a scalar or `(batch,)`."""
        return StaggeredStepper(self.on_faces.at(time))

    def __call__(self, u: AnyState, *, key: Key | None = None, tendency: Tendency = None) -> State:
        """The state after one call, of the type that came in; integers are promoted, `key` is ignored.

        **Arguments:** `tendency`: added to the rate of change, in cells: an array like `u`, held over the call, or a
        function of time and state, asked in every stage.
        """
        u, ndim = as_state(u), self.grid.ndim
        q = self.form.interpolated(u)
        columns = (*self.form.parameters.values(), self.form.length)
        if u.ndim - 1 > ndim:
            times = self.step_size.reshape((*self.step_size.shape, *(1,) * ndim))
            check_batch((self.form, times), q[0].shape[:1] + self.grid.shape, ndim)
        elif any(np.ndim(value) and value.shape[0] > 1 for value in columns):
            count = max(value.shape[0] for value in columns if np.ndim(value))
            raise ValueError(f"parameters of {count} trajectories need a state with a batch axis, got none")
        after = self.on_faces(self.form.projected(q), rate=self._with(tendency, u))
        return self.form.to_state(after, u)

    def _with(self, tendency: Tendency, u: Any) -> Any:
        """The rate of change with what is added to it."""
        form = self.form
        if tendency is None:
            return None
        add = lambda rate, more: jax.tree.map(lambda a, b: a + b, rate, more)
        given = as_tendency(tendency)
        if callable(given):
            time = lambda t: t if u.ndim - 1 > self.grid.ndim else t[0]
            return lambda q, t: add(form.rate(q, t), form.interpolated(given(time(t), form.to_state(q, u))))
        held = form.interpolated(given)
        return lambda q, t: add(form.rate(q, t), held)


@checked
def staggered_stepper(
    equation: Equation,
    grid: Grid,
    dt: Any,
    *,
    cfl: Share = CFL,
    substeps: Count | None = None,
    parameters: Mapping[str, Any] | None = None,
    scaling: Scaling | None = None,
) -> StaggeredStepper:
    """The Stepper of an incompressible flow between walls, of second order in space and third in time.

    Harlow and Welch (1965), "Numerical calculation of time-dependent viscous incompressible flow of fluid with free
    surface": velocities on the faces of cells and scalars in their middles; inertia by what flows through faces, which
    keeps momentum, and energy but for the steps in time.

    **Arguments:**

    - `equation`: with a `solenoidal` velocity; its terms are inertia, however it is written, second derivatives times
        a parameter, given winds (`-U*u_x`) and sources such as buoyancy.
    - `grid`: of cells (`Grid(..., cells=True)`). Its ends are periodic; `wall`, on which the velocity vanishes and
        through which no scalar passes; `value`, such as the speed of a lid, or `slope`, such as 0 where a flow slips.
    - `dt`: time one call covers, a number or array `(batch,)`; of `spectral_stepper` it is one of its `substeps`.
    - `cfl`: share of a cell that the flow crosses in a step, summed over axes, with what diffusion takes of it.
    - `substeps`: equal steps of a call in place of those that `cfl` gives.
    - `parameters`: numbers or arrays `(batch,)`.
    - `scaling`: factors on the lengths of the grid and on `dt`, numbers or arrays `(batch,)`.

    **Raises:** `ValueError` if equation and grid do not fit, an argument is out of range, or equal steps are longer
    than diffusion allows.
    """
    check_positive("dt", dt)
    check_cfl(cfl, CFL, substeps)
    scaling = Scaling() if scaling is None else scaling
    form = staggered_form(equation, grid, parameters, scaling)
    dt = scaling.step * (np.asarray(dt) if isinstance(dt, list | tuple) else dt)
    if substeps is not None:
        check_equal(form, dt, substeps)
    step = dt if traced(dt) else np.asarray(dt, np.float64)
    return StaggeredStepper(FaceStepper(form, working(step), working(0.0), working(cfl), working(1.0), substeps))
