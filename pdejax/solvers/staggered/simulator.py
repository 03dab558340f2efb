"""Families of incompressible flows on grids of cells, between walls or periodic."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Annotated, Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from pdejax.core import Count, Grid, PerAxis, Scaling, Share, check_options, register
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
    shares,
)
from pdejax.solvers._variants import Variant
from pdejax.solvers.staggered.form import FEWEST, check_diffusion, check_fits
from pdejax.solvers.staggered.stepper import CFL, StaggeredStepper, staggered_stepper

SMALLEST = 8  # cells per axis of a variant
ORDER = 1.5  # in space: two where flows are smooth, and less beside the corners of a lid, where 1.6 was measured


@register("simulator", "staggered")
@dataclasses.dataclass(frozen=True)
class Staggered:
    """Velocities on the faces of cells, projected after every stage of SSP-RK3; see `staggered_stepper`.

    Frames are the means of faces, which a trajectory is carried on. Each is compared with half the step, and with half
    as many cells from the same initial state, from whose difference the error follows for the order 3/2, that of a lid
    with its corners; of smoother flows it is less.

    **Arguments:** `cfl`: share of a cell that the flow crosses in a step, summed over axes, with what diffusion takes
    of it; `substeps`: equal steps per frame in place of those, through which reverse-mode derivatives go; `shape`:
    cells per axis to solve on, those of the family's domain when omitted.
    """

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

    def validate(self, family: Family) -> None:
        """**Raises:** `ValueError` for a family that is steady, not on cells or no incompressible flow, ends that
        something flows through, a `shape` that does not fit.
        """
        check_cells(family, "staggered", self.shape)
        assert isinstance(family.equation, Equation)
        try:
            check_fits(family.equation, halved(self.domain(family)))
            for own, scaling in corners(family):
                check_diffusion(family.equation, family.equation.resolve(own))
                if self.substeps is not None:
                    self.stepper(family, {**own, "length": float(scaling.length), "step": float(scaling.step)})
        except ValueError as error:
            raise ValueError(f"problem {family.name!r}: {error}") from None

    def domain(self, family: Family, *, coarser: int = 1) -> Grid:
        """The grid of cells it works on."""
        return cells_of(family, self.shape, coarser, FEWEST)

    def numerics(self, family: Family) -> dict[str, Any]:
        """Scheme and step."""
        step = {"cfl": self.cfl} if self.substeps is None else {"dt": family.step / self.substeps}
        return {"solver": "staggered", **step, "time": "SSP-RK3"}

    def stepper(
        self, family: Family, parameters: Mapping[str, Any] | None = None, *, coarser: int = 1
    ) -> StaggeredStepper:
        """The Stepper whose call is one frame, for numbers or arrays `(batch,)` of what varies."""
        return self._on(family, self.domain(family, coarser=coarser), parameters)

    def _on(self, family: Family, grid: Grid, parameters: Mapping[str, Any] | None) -> StaggeredStepper:
        assert isinstance(family.equation, Equation)
        own, scaling = Scaling.split(parameters)
        return staggered_stepper(
            family.equation,
            grid,
            family.step,
            cfl=self.cfl,
            substeps=self.substeps,
            parameters=own,
            scaling=scaling,
        )

    def __call__(
        self, family: Family, fields: Mapping[str, Any], parameters: Mapping[str, Any], times: np.ndarray
    ) -> Frames:
        """Trajectories of initial states, stored in float32 on the family's grid; the first one without divergence.

        **Raises:** `ValueError` for fewer than two frames.
        """
        initial, grid = initial_state(family, fields, times), self.domain(family)
        half = halved(grid)

        def run(on: Grid, post: Any) -> Any:
            stepper, start = self._on(family, on, parameters), grid.transfer(initial, on)
            cells = lambda q: post(stepper.form.to_state(q, start))
            return frames_of(stepper.on_faces, stepper.form.to_faces(start), times, family.step, cells)

        store = lambda u: (grid.transfer(u, family.domain).astype(jnp.float32), grid.transfer(u, half))
        states, fine = run(grid, store)
        coarse = run(half, lambda u: u)
        states = jnp.moveaxis(states, 0, 1)
        return Frames(states, states[:, 0, ..., :0], {"space_error": mean_error(coarse - fine, fine) / (2**ORDER - 1)})

    def check(self, family: Family, frames: Frames, parameters: Mapping[str, Any]) -> Float[Array, " batch"]:
        """Largest relative mean difference, over one frame, to the same with half the solver step.

        It starts from the first and from the last but one stored frame.
        """
        return half_step_error(self, family, frames.states, parameters, _shorter)

    def finer_grid(self, family: Family) -> str:
        """Twice the cells."""
        return more_points(list(self.domain(family).shape))

    def variants(self, family: Family) -> list[Variant]:
        """Shares of its cells; a step is as long as a cell is wide, or as its square."""
        found = []
        for shape in shares(self.domain(family).shape, SMALLEST):
            setting = {"points": list(shape)}
            work = math.prod(shape) * max(shape)
            found.append(Variant(dataclasses.replace(self, shape=shape), setting, work, "cells"))
        return found

    def finer(self, family: Family) -> "Staggered":
        """On twice as many cells per axis."""
        return dataclasses.replace(self, shape=tuple(2 * n for n in self.domain(family).shape))


def _shorter(stepper: StaggeredStepper, share: Any) -> StaggeredStepper:
    """With this share of the step, or so many times as many equal ones."""
    own = stepper.on_faces
    if own.substeps is not None:
        return StaggeredStepper(dataclasses.replace(own, substeps=own.substeps * share))
    return eqx.tree_at(lambda s: (s.on_faces.cfl, s.on_faces.longest), stepper, (own.cfl * share, own.longest * share))
