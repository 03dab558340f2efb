"""The Stepper of sines and cosines: an equation, a grid with mirrors and an exponential integrator."""

from collections.abc import Mapping
from typing import Any, Literal

from pdejax.core import Count, Grid, Scaling, Share, checked
from pdejax.equations import Equation
from pdejax.solvers._arrays import check_positive
from pdejax.solvers.bounded.form import mirror_form
from pdejax.solvers.bounded.mirror import mirror_of
from pdejax.solvers.bounded.parity import check_parity
from pdejax.solvers.spectral.limit import check_limit
from pdejax.solvers.spectral.stepper import SpectralStepper, exponential_stepper
from pdejax.solvers.spectral.wellposed import check_growth


@checked
def mirror_stepper(
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
    """The Stepper of an equation by sines and cosines, on points that include the ends of every axis that has any.

    Ends are periodic, of the value 0 or the slope 0, for each field and side. Linear terms of constant coefficients are
    exact at any step; the rest is explicit. Works on all images of the box behind its mirrors, two per axis with ends,
    four where a field has one end of each kind: a step takes about two times that of a periodic box for each
    such axis.

    **Arguments:** as of `spectral_stepper`.

    **Raises:** `ValueError` if an end is no mirror, a term changes behind it, an argument is out of range, the equation
    has no solution forwards in time, or the step is beyond the limit of terms with coefficients that vary.
    """
    check_positive("dt", dt)
    scaling = Scaling() if scaling is None else scaling
    form = mirror_form(equation, grid, parameters, scaling=scaling, dealias=dealias)
    check_mirrored(equation, grid, dt, order, parameters, scaling, dealias)
    return exponential_stepper(form, dt, scaling, order, substeps)


def check_mirrored(
    equation: Equation,
    grid: Grid,
    dt: Any,
    order: Literal[2, 4],
    parameters: Mapping[str, Any] | None,
    scaling: Scaling,
    dealias: float | None,
) -> None:
    """What `mirror_stepper` asks of its arguments, without making one.

    **Raises:** `ValueError` as it does.
    """
    mirror = mirror_of(equation, grid)
    check_parity(equation, mirror, parameters, scaling)
    check_growth(equation, mirror.extended, parameters, scaling)
    check_limit(equation, grid, mirror.extended, dt, order, parameters, scaling, dealias)
