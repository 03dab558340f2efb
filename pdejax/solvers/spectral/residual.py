"""Right-hand sides in physical space, and how far a trajectory is from solving its equation."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from pdejax.core import AnyState, Grid, Scaling, as_state, checked
from pdejax.equations import Equation
from pdejax.solvers._arrays import batch_axis, check_positive, expand_rank, lift, working
from pdejax.solvers.spectral.form import discretise


def rhs(
    equation: Equation,
    u: AnyState,
    grid: Grid,
    parameters: Mapping[str, Any] | None = None,
    time: Any = 0.0,
    *,
    scaling: Scaling | None = None,
    dealias: float | None = None,
) -> Float[Array, "*batch_and_space channel"]:
    """du/dt by Fourier derivatives, in the type that came in; integers are promoted.

    **Arguments:** `equation`; `u`: state; `grid`: periodic; `parameters`: numbers or `(batch,)`; `time`: scalar or
    `(batch,)`; `scaling`: its `length` is a factor on the lengths of the grid; `dealias`: fraction of modes that
    products see and make, all of them when omitted.
    """
    u = as_state(u)
    form = discretise(equation, grid, parameters, scaling=scaling, dealias=dealias)
    spectra, linear = form.to_spectral(u), lift(jax.tree.map(working, form.linear), u.ndim - 1)
    rates = form.nonlinear(spectra, time)
    rates = tuple(s + r for s, r in zip(linear(spectra), rates, strict=True))
    return form.to_physical(rates).astype(u.dtype)


@checked
def grid_residual(
    equation: Equation,
    trajectory: AnyState,
    dt: Any,
    grid: Grid,
    parameters: Mapping[str, Any] | None = None,
    *,
    start_time: Any = 0.0,
    scaling: Scaling | None = None,
    dealias: float | None = None,
) -> Float[Array, "inner_time *batch_and_space channel"]:
    """How far frames are from solving the equation, each measured with its neighbours, to fourth order in `dt`.

    Simpson's compact form (u_{n+1} - u_{n-1}) / (2 dt) - (R_{n-1} + 4 R_n + R_{n+1}) / 6: both the time
    derivative and the right-hand side R are the trajectory's own.

    **Arguments:** `equation`; `trajectory`: at least three frames; `dt`: time between frames, a number or `(batch,)`;
    `grid`: periodic; `parameters`: numbers or `(batch,)`; `start_time`: time of the first frame; `scaling`: factors on
    the lengths of the grid and on `dt`; `dealias`: as for `rhs`; with the solver's own fraction (2/3) its frames leave
    only the error in time.

    **Returns:** the residual of all frames but the first and the last.

    **Raises:** `ValueError` for fewer than three frames, or a `dt` that is not positive and finite.
    """
    trajectory = as_state(trajectory, "a trajectory")
    check_positive("dt", dt)
    dt = np.asarray(dt) if isinstance(dt, list | tuple) else dt
    frames = trajectory.shape[0]
    if frames < 3:
        raise ValueError(f"grid_residual needs at least three frames, got {frames}")
    scaling = Scaling() if scaling is None else scaling
    rank, dtype = trajectory.ndim - 1, trajectory.dtype
    step = jnp.asarray(scaling.step * dt, dtype)
    at = lambda i: rhs(
        equation, trajectory[i], grid, parameters, start_time + i * step, scaling=scaling, dealias=dealias
    )
    rates = jnp.stack([at(i) for i in range(frames)])
    step = expand_rank(batch_axis(step, grid.ndim + 1), rank + 1)
    slope = (trajectory[2:] - trajectory[:-2]) / (2 * step)
    return slope - (rates[:-2] + 4 * rates[1:-1] + rates[2:]) / 6
