"""What equation, grid and scheme have to do with each other."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from pdejax.core import Grid, Scaling
from pdejax.equations import Equation
from pdejax.solvers._arrays import telling, traced
from pdejax.solvers.volumes.bed import bed
from pdejax.solvers.volumes.ends import read_ends
from pdejax.solvers.volumes.reconstruct import Reconstruction
from pdejax.solvers.volumes.riemann import RiemannSolver
from pdejax.solvers.volumes.waves import check_parameters_of, waves

MOST_LOOKED_AT = 64  # trajectories whose parameters are looked at


def check_fits(equation: Equation, grid: Grid, reconstruction: Reconstruction, riemann: RiemannSolver) -> None:
    """**Raises:** `ValueError` if equation, grid and scheme do not fit together."""
    if grid.ndim != equation.ndim:
        raise ValueError(f"the equation {equation.terms} has {equation.ndim} space axes, the grid {grid.ndim}")
    if not grid.cells:
        raise ValueError("finite volumes keep averages over cells, and this is a grid of points: set "
                         "domain.cells=true, Grid(..., cells=True)")  # fmt: skip
    if min(grid.shape) < reconstruction.ghosts:
        raise ValueError(f"{type(reconstruction).__name__} needs at least {reconstruction.ghosts} cells along each "
                         f"axis, got {list(grid.shape)}")  # fmt: skip
    waves(equation)
    bed(equation)
    riemann.validate(equation)
    read_ends(equation, grid)


def check_wellposed(equation: Equation, grid: Grid, parameters: Mapping[str, Any] | None, scaling: Scaling) -> None:
    """Looks at each trajectory, or as many as tell; nothing is asked of what is traced.

    **Raises:** `ValueError` if one has no solution forwards in time.
    """
    given = {**equation.resolve(parameters), "length": scaling.length}
    if any(map(traced, given.values())):
        return
    table = np.stack(np.broadcast_arrays(*(np.asarray(value, float).ravel() for value in given.values())), axis=-1)
    for row in table[telling(table, MOST_LOOKED_AT)]:
        numbers = dict(zip(given, row.tolist(), strict=True))
        length = numbers.pop("length")
        check_parameters_of(equation, numbers, grid, length)
