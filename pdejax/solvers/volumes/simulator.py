"""Families of conservation laws on grids of cells, by finite volumes."""

import dataclasses
from collections.abc import Mapping
from typing import Annotated, Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from pdejax.core import Count, Grid, Of, PerAxis, Scaling, Share, build, check_options, describe, register
from pdejax.equations import Equation, Family
from pdejax.solvers._explicit import check_cfl
from pdejax.solvers._in_time import frames_of, initial_state, more_points
from pdejax.solvers._simulator import Frames
from pdejax.solvers._twin import (
    cells_of,
    check_cells,
    corners,
    half_step_error,
    halved,
    mean_error,
)
from pdejax.solvers._variants import Variant
from pdejax.solvers.volumes.fits import check_fits
from pdejax.solvers.volumes.stepper import CFL, VolumeStepper, volume_stepper
from pdejax.solvers.volumes.variants import volume_variants
from pdejax.solvers.volumes.waves import check_parameters_of


@register("simulator", "finite_volume")
@dataclasses.dataclass(frozen=True)
class FiniteVolume:
    """Reconstruction, a Riemann solver and SSP-RK3 with steps as large as the waves allow; see `volume_stepper`.

    Each trajectory is compared with half the step, and with half as many cells from the same averages. From that
    difference the error follows for the order of contacts, which is the lowest; at shocks it is less, and the lesser
    the smoother a field is.

    **Arguments:** `reconstruction`: `van_leer`, `mc`, `minmod` or `weno5`; `riemann`: `hll`, `llf`, `hllc` or `hlld`;
    `cfl`: share of a cell that waves cross in a step, summed over axes; `substeps`: equal steps per frame in place of
    those, through which reverse-mode derivatives go; `shape`: cells per axis to solve on, those of the family's domain
    when omitted.
    """

    reconstruction: Annotated[Any, Of("reconstruction")] = "van_leer"
    riemann: Annotated[Any, Of("riemann")] = "hll"
    cfl: Share = CFL
    substeps: Count | None = None
    shape: Annotated[tuple[Count, ...] | None, PerAxis()] = None

    outside = False
    checks = "mean difference to half the solver step"
    remedy = "lower solver.cfl of the problem, or raise solver.substeps where it is given"
    grid_checks = "mean error that half as many cells per axis let expect"

    def __post_init__(self) -> None:
        check_options(self)
        check_cfl(self.cfl, CFL, self.substeps)
        for name in ("reconstruction", "riemann"):
            object.__setattr__(self, name, build(name, getattr(self, name)))

    def validate(self, family: Family) -> None:
        """**Raises:** `ValueError` for a family that is steady, not on cells or no conservation law, a `shape` that
        does not fit, a scheme that does not fit the equation.
        """
        check_cells(family, "finite_volume", self.shape)
        assert isinstance(family.equation, Equation)
        try:
            half = halved(self.domain(family))
            check_fits(family.equation, half, self.reconstruction, self.riemann)
            for own, scaling in corners(family):
                check_parameters_of(family.equation, family.equation.resolve(own), half, float(scaling.length))
        except ValueError as error:
            raise ValueError(f"problem {family.name!r}: {error}") from None

    def domain(self, family: Family, *, coarser: int = 1) -> Grid:
        """The grid of cells it works on."""
        return cells_of(family, self.shape, coarser, self.reconstruction.ghosts)

    def numerics(self, family: Family) -> dict[str, Any]:
        """Scheme and step."""
        names = {name: describe(getattr(self, name))["kind"] for name in ("reconstruction", "riemann")}
        step = {"cfl": self.cfl} if self.substeps is None else {"dt": family.step / self.substeps}
        return {"solver": "finite_volume", **names, **step, "time": "SSP-RK3"}

    def stepper(
        self, family: Family, parameters: Mapping[str, Any] | None = None, *, coarser: int = 1
    ) -> VolumeStepper:
        """The Stepper whose call is one frame, for numbers or arrays `(batch,)` of what varies."""
        return self._on(family, self.domain(family, coarser=coarser), parameters)

    def _on(self, family: Family, grid: Grid, parameters: Mapping[str, Any] | None) -> VolumeStepper:
        assert isinstance(family.equation, Equation)
        own, scaling = Scaling.split(parameters)
        return volume_stepper(
            family.equation,
            grid,
            family.step,
            reconstruction=self.reconstruction,
            riemann=self.riemann,
            cfl=self.cfl,
            substeps=self.substeps,
            parameters=own,
            scaling=scaling,
        )

    def __call__(
        self, family: Family, fields: Mapping[str, Any], parameters: Mapping[str, Any], times: np.ndarray
    ) -> Frames:
        """Trajectories of initial averages, stored in float32 on the family's grid.

        **Raises:** `ValueError` for fewer than two frames.
        """
        initial, grid = initial_state(family, fields, times), self.domain(family)
        half = halved(grid)
        store = lambda u: (grid.transfer(u, family.domain).astype(jnp.float32), grid.transfer(u, half))
        run = lambda on, start, post: frames_of(self._on(family, on, parameters), start, times, family.step, post)
        states, fine = run(grid, initial, store)
        coarse = run(half, grid.transfer(initial, half), lambda u: u)
        states = jnp.moveaxis(states, 0, 1)
        error = mean_error(coarse - fine, fine) / (2**self.reconstruction.contact - 1)
        return Frames(states, states[:, 0, ..., :0], {"space_error": error})

    def check(self, family: Family, frames: Frames, parameters: Mapping[str, Any]) -> Float[Array, " batch"]:
        """Largest relative mean difference, over one frame, to the same with half the solver step.

        It starts from the first and from the last but one stored frame.
        """
        return half_step_error(self, family, frames.states, parameters, self._shorter)

    def _shorter(self, stepper: VolumeStepper, share: Any) -> VolumeStepper:
        """With this share of the step, or so many times as many equal ones."""
        if stepper.substeps is None:
            return eqx.tree_at(lambda s: (s.cfl, s.longest), stepper, (stepper.cfl * share, stepper.longest * share))
        return dataclasses.replace(stepper, substeps=stepper.substeps * share)

    def finer_grid(self, family: Family) -> str:
        """Twice the cells."""
        return more_points(list(self.domain(family).shape))

    def variants(self, family: Family) -> list[Variant]:
        """Shares of its cells, of several reconstructions."""
        return list(volume_variants(self, family))

    def finer(self, family: Family) -> "FiniteVolume":
        """On twice as many cells per axis."""
        return dataclasses.replace(self, shape=tuple(2 * n for n in self.domain(family).shape))
