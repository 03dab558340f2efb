"""The finite-volume Stepper: an equation, a grid of cells, a reconstruction and a Riemann solver."""

from collections.abc import Mapping
from typing import Annotated, Any

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
    Of,
    Scaling,
    Share,
    State,
    Tendency,
    as_state,
    as_tendency,
    build,
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
from pdejax.solvers.volumes.form import VolumeForm, volume_form
from pdejax.solvers.volumes.reconstruct import Reconstruction

CFL = 0.45  # share of a cell that waves cross in a step
STABLE = 1.25  # of it in an equal step: beyond 1.256 diffusion grows with three stages, waves a little later


@hashed_by_identity
class VolumeStepper(eqx.Module):
    """Advances averages over cells by the time `step_size`, with SSP-RK3 of Shu and Osher (1988).

    A `TimedStepper`; made by `volume_stepper`. Each trajectory makes steps of its own size, as large as `cfl` allows
    and at most the share `longest` of a call; with `substeps` all make as many equal ones, and reverse-mode
    derivatives exist.
    """

    form: VolumeForm
    dt: Array
    time: Array
    cfl: Array
    longest: Array
    substeps: int | None = eqx.field(static=True)

    @property
    def grid(self) -> Grid:
        """The grid it works on."""
        return self.form.grid

    @property
    def step_size(self) -> Array:
        """Time one call covers, a scalar or `(batch,)`."""
        return self.dt

    def __repr__(self) -> str:
        return shown_stepper(self)

    @property
    def reverses(self) -> bool:
        """Whether reverse-mode derivatives go through it: not where it chooses its steps itself."""
        return self.substeps is not None

    def at(self, time: Any) -> "VolumeStepper":
        """The same Stepper set to a time, a scalar or `(batch,)`."""
        return eqx.tree_at(lambda s: s.time, self, jnp.asarray(real_or_traced(time, "time"), self.dt.dtype))

    def __call__(self, u: AnyState, *, key: Key | None = None, tendency: Tendency = None) -> State:
        """The state after one call, of the type that came in; integers are promoted, `key` is ignored.

        A trajectory that leaves what is positive, or whose waves become infinitely fast, is not a number from then on;
        so is one that is not stable with `substeps`, whose step nobody chooses for it.

        **Arguments:** `tendency`: added to the rate of change: an array like `u`, held over the call, or a function of
        time and state, asked in every stage.
        """
        u = as_state(u)
        q = self.form.to_fields(u)
        if u.ndim - 1 > self.grid.ndim:
            check_batch((self.form, self.dt.reshape((*self.dt.shape, *(1,) * self.grid.ndim))), q.shape[1:],
                        self.grid.ndim)  # fmt: skip
        rate = self._with(tendency, u)
        batch = (q.shape[1],)
        if u.ndim - 1 == self.grid.ndim:
            for value in (*self.form.parameters.values(), self.form.length):
                if np.ndim(value) and value.shape[0] > 1:
                    raise ValueError(f"parameters of {value.shape[0]} trajectories need a state with a batch axis, got "
                                     "none")  # fmt: skip
        whole, start = jnp.broadcast_to(self.dt, batch), jnp.broadcast_to(self.time, batch)
        q = self._advance(rate, q, start, whole)
        q = jnp.where(batch_axis(self.form.positive(q), self.grid.ndim)[None], q, jnp.nan)
        return self.form.to_state(q, u)

    def _advance(self, rate: Any, q: Any, start: Any, whole: Any) -> Any:
        ndim = self.grid.ndim
        step = lambda rate: lambda q, time, dt: ssp_rk3(rate, q, time, dt, batch_axis(dt, ndim)[None])
        if self.substeps is not None:
            # its many arrays, kept for going back, take twice as long as computing them again; a method has no hash
            again = jax.checkpoint(lambda q, t: rate(q, t))
            after = equal_steps(step(again), q, start, whole, self.substeps)
            good = whole * self.form.fastest(after, start + whole) <= self.substeps * STABLE
            return jnp.where(batch_axis(good, ndim)[None], after, jnp.nan)
        largest = lambda q, time: jnp.minimum(self.cfl / self.form.fastest(q, time), self.longest * whole)
        q, arrived = adaptive_steps(step(rate), largest, q, start, whole)
        return forward_only(jnp.where(batch_axis(arrived, ndim)[None], q, jnp.nan))

    def _with(self, tendency: Tendency, u: Any) -> Any:
        """The rate of change with what is added to it."""
        form = self.form
        if tendency is None:
            return form.rate
        given = as_tendency(tendency)
        if callable(given):
            time = lambda t: t if u.ndim - 1 > self.grid.ndim else t[0]
            return lambda q, t: form.rate(q, t) + form.to_fields(given(time(t), form.to_state(q, u)))
        held = form.to_fields(given)
        return lambda q, t: form.rate(q, t) + held


@checked
def volume_stepper(
    equation: Equation,
    grid: Grid,
    dt: Any,
    *,
    reconstruction: Annotated[Any, Of("reconstruction")] = "van_leer",
    riemann: Annotated[Any, Of("riemann")] = "hll",
    cfl: Share = CFL,
    substeps: Count | None = None,
    parameters: Mapping[str, Any] | None = None,
    scaling: Scaling | None = None,
) -> VolumeStepper:
    """The finite-volume Stepper of an equation whose terms are `dx(...)`, `dy(...)`, `div(...)` of fluxes, and sources.

    **Arguments:**

    - `grid`: of cells (`Grid(..., cells=True)`).
    - `dt`: time one call covers, a number or array `(batch,)`; of `spectral_stepper` it is one of its `substeps`.
    - `reconstruction`: a `Reconstruction` or its name; `riemann`: a `RiemannSolver` or its name.
    - `cfl`: share of a cell that waves cross in a step, summed over axes; above one half states may lose positivity.
    - `substeps`: equal steps of a call in place of those that `cfl` gives.
    - `parameters`: numbers or arrays `(batch,)`.
    - `scaling`: factors on the lengths of the grid and on `dt`, numbers or arrays `(batch,)`.

    **Raises:** `ValueError` if equation, grid and scheme do not fit, or an argument is out of range.
    """
    check_positive("dt", dt)
    check_cfl(cfl, CFL, substeps)
    scaling = Scaling() if scaling is None else scaling
    made: Reconstruction = build("reconstruction", reconstruction)
    form = volume_form(equation, grid, parameters, scaling, made, build("riemann", riemann))
    dt = scaling.step * (np.asarray(dt) if isinstance(dt, list | tuple) else dt)
    step = dt if traced(dt) else np.asarray(dt, np.float64)
    if substeps is not None:
        _check_equal(form, step, substeps)
    return VolumeStepper(form, working(step), working(0.0), working(cfl), working(1.0), substeps)


def _check_equal(form: VolumeForm, dt: Any, substeps: int) -> None:
    """**Raises:** `ValueError` if equal steps are too long in any state; nothing is asked of what is traced."""
    if any(map(traced, (dt, form.length, *form.parameters.values()))):
        return
    with jax.ensure_compile_time_eval():
        count = max(np.shape(value)[0] if np.ndim(value) else 1 for value in (form.length, *form.parameters.values()))
        nothing = jnp.zeros((form.equation.channels, count, *form.grid.shape))
        rate = np.asarray(form.fastest(nothing, 0.0, in_any_state=True))
    needed = np.ceil(np.max(dt * rate) / STABLE)
    if needed > substeps:
        cells = " x ".join(map(str, form.grid.shape))
        raise ValueError(f"substeps={substeps} makes steps of {np.max(dt) / substeps:.3g}, and those of terms that act "
                         f"alike on all states, on {cells} cells, are stable up to {STABLE / np.max(rate):.3g}: set "
                         f"substeps to at least {needed:.0f}, or leave it out")  # fmt: skip
