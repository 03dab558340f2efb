"""Families of conservation laws on grids of cells, by finite volumes."""

import dataclasses
from collections.abc import Mapping
from typing import Annotated, Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from pdejax.core import Count, Grid, Of, PerAxis, Scaling, Share, build, check_options, describe, register
from pdejax.equations import Equation, Family
from pdejax.solvers._in_time import first_and_last, frames_of, initial_state, more_points
from pdejax.solvers._simulator import Frames
from pdejax.solvers._variants import Variant
from pdejax.solvers.volumes.form import check_fits
from pdejax.solvers.volumes.stepper import VolumeStepper, volume_stepper
from pdejax.solvers.volumes.variants import volume_variants
from pdejax.solvers.volumes.waves import check_parameters_of

MOST_CORNERS = 64  # of ranges of parameters, all of six
TINY = 1e-12  # of the largest field: smaller ones are rounding, and no scale of their own
FLAT = 1e-6  # of a field's size: what varies less is no scale of its own


@register("simulator", "finite_volume")
@dataclasses.dataclass(frozen=True)
class FiniteVolume:
    """Reconstruction, a Riemann solver and SSP-RK3 with steps as large as the waves allow; see `volume_stepper`.

    Each trajectory is compared with half the step, and with half as many cells from the same averages. From that
    difference the error follows for the order of contacts, which is the lowest; at shocks it is less, and the lesser
    the smoother a field is.

    **Arguments:** `reconstruction`: `van_leer`, `mc`, `minmod` or `weno5`; `riemann`: `hll`, `llf` or `hllc`; `cfl`:
    share of a cell that waves cross in a step, summed over axes; `substeps`: equal steps per frame in place of those,
    through which reverse-mode derivatives go; `shape`: cells per axis to solve on, those of the family's domain when
    omitted.
    """

    reconstruction: Annotated[Any, Of("reconstruction")] = "van_leer"
    riemann: Annotated[Any, Of("riemann")] = "hll"
    cfl: Share = 0.45
    substeps: Count | None = None
    shape: Annotated[tuple[Count, ...] | None, PerAxis()] = None

    outside = False
    checks = "mean difference to half the solver step"
    remedy = "lower solver.cfl of the problem, or raise solver.substeps where it is given"
    grid_checks = "mean error that half as many cells per axis let expect"

    def __post_init__(self) -> None:
        check_options(self)
        for name in ("reconstruction", "riemann"):
            object.__setattr__(self, name, build(name, getattr(self, name)))

    def validate(self, family: Family) -> None:
        """**Raises:** `ValueError` for a family that is steady, not on cells or no conservation law, a `shape` that
        does not fit, a scheme that does not fit the equation.
        """
        what = f"problem {family.name!r}"
        if not isinstance(family.equation, Equation):
            raise ValueError(f"{what}: solver finite_volume is for equations in time, and this one is steady; the kind "
                             "elliptic takes it")  # fmt: skip
        grid = family.domain
        if not isinstance(grid, Grid):
            raise ValueError(f"{what}: solver finite_volume needs a grid, got {type(grid).__name__}")
        if self.shape is not None and (
            len(self.shape) != grid.ndim or any(fine % n for fine, n in zip(self.shape, grid.shape, strict=True))
        ):
            raise ValueError(f"{what}: solver.shape should hold whole multiples of domain.shape={list(grid.shape)}, "
                             f"so that cells are means of cells, got {list(self.shape)}")  # fmt: skip
        if odd := [n for n in self.domain(family).shape if n % 2]:
            raise ValueError(f"{what}: half as many cells are compared with, so that solver.shape, or else "
                             f"domain.shape, should be even, got {odd[0]}")  # fmt: skip
        try:
            check_fits(family.equation, self._halved(family), self.reconstruction, self.riemann)
            self._check_corners(family)
        except ValueError as error:
            raise ValueError(f"{what}: {error}") from None

    def _check_corners(self, family: Family) -> None:
        """Of the ranges of what varies, or as many as can be looked at, drawn."""
        assert isinstance(family.equation, Equation)
        names, ranges = tuple(family.support), np.array([*family.support.values()], float).reshape(-1, 2)
        count = 2 ** len(names)
        few = np.arange(count) if count <= MOST_CORNERS else np.random.default_rng(0).integers(count, size=MOST_CORNERS)
        for number in few.tolist():
            corner = {
                name: float(ends[number >> i & 1]) for i, (name, ends) in enumerate(zip(names, ranges, strict=True))
            }
            own, scaling = Scaling.split(corner)
            check_parameters_of(
                family.equation, family.equation.resolve(own), self._halved(family), float(scaling.length)
            )

    def domain(self, family: Family, *, coarser: int = 1) -> Grid:
        """The grid of cells it works on."""
        grid = family.domain
        assert isinstance(grid, Grid)
        whole = grid if self.shape is None else grid.with_shape(self.shape)
        least = self.reconstruction.ghosts
        return whole if coarser == 1 else grid.with_shape(tuple(max(n // coarser, least) for n in whole.shape))

    def _halved(self, family: Family) -> Grid:
        grid = self.domain(family)
        return grid.with_shape(tuple(n // 2 for n in grid.shape))

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
        initial = initial_state(family, fields, times)
        grid, half, burn_in = self.domain(family), self._halved(family), round(times[0] / family.step)
        store = lambda u: (grid.transfer(u, family.domain).astype(jnp.float32), grid.transfer(u, half))
        states, fine = frames_of(self._on(family, grid, parameters), initial, burn_in, len(times), store)
        twin, begins = self._on(family, half, parameters), grid.transfer(initial, half)
        coarse = frames_of(twin, begins, burn_in, len(times), lambda u: u)
        states = jnp.moveaxis(states, 0, 1)
        error = _largest(coarse - fine, fine) / (2**self.reconstruction.contact - 1)
        return Frames(states, states[:, 0, ..., :0], {"space_error": error})

    def check(self, family: Family, frames: Frames, parameters: Mapping[str, Any]) -> Float[Array, " batch"]:
        """Largest relative mean difference, over one frame, to the same with half the solver step.

        It starts from the first and from the last but one stored frame.
        """
        one = self.stepper(family, parameters)
        step = jnp.asarray(one.step_size)
        states, times = first_and_last(family, frames.states, step)

        def frame(at: Any) -> Array:
            state, time, share = at
            return self._shorter(one, share).at(time)(family.domain.transfer(state, self.domain(family)))

        twice = lambda x: jnp.concatenate([x, x])
        if self.substeps is None:  # one program for both
            shares = jnp.repeat(jnp.asarray([1.0, 0.5], step.dtype), 2)
            whole, half = jnp.split(jax.lax.map(frame, (twice(states), twice(times), shares)), 2)
        else:
            whole, half = (jax.lax.map(lambda at, s=s: frame((*at, s)), (states, times)) for s in (1, 2))
        return jnp.max(jnp.stack([_largest((a - b)[None], b[None]) for a, b in zip(whole, half, strict=True)]), axis=0)

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


def _largest(error: Float[Array, "time batch *space channel"], truth: Any) -> Float[Array, " batch"]:
    """Largest mean size of an error over frames and fields, each field against what it varies by, in the mean."""
    space = tuple(range(2, truth.ndim - 1))
    mean = lambda u: jnp.mean(jnp.abs(u), axis=space)
    varies = jnp.max(mean(truth - jnp.mean(truth, axis=space, keepdims=True)), axis=0)
    sizes = jnp.max(mean(truth), axis=0)
    scale = jnp.maximum(jnp.maximum(varies, FLAT * sizes), TINY * jnp.max(sizes, axis=-1, keepdims=True))
    found = mean(error) / jnp.where(scale > 0, scale, 1)[None]
    return jnp.max(found, axis=(0, 2))
