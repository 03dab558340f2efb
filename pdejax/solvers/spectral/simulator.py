"""Families in time on periodic grids, by exponential integrators."""

import dataclasses
import operator
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from pdejax.core import Count, Grid, PerAxis, Scaling, TimedStepper, check_options, register
from pdejax.equations import Equation, Family
from pdejax.solvers._arrays import check_points
from pdejax.solvers._in_time import (
    coarser_shape,
    first_and_last,
    frames_of,
    initial_state,
    largest_relative,
    more_points,
)
from pdejax.solvers._simulator import Frames
from pdejax.solvers._variants import Variant
from pdejax.solvers.spectral.canonical import canonical
from pdejax.solvers.spectral.limit import check_limit
from pdejax.solvers.spectral.residual import grid_residual
from pdejax.solvers.spectral.resolution import energies, tails
from pdejax.solvers.spectral.stepper import SpectralStepper, spectral_stepper
from pdejax.solvers.spectral.variants import etdrk_variants, finer_etdrk
from pdejax.solvers.spectral.wellposed import check_ends, check_growth

DEALIAS = 2 / 3  # of the modes, which take part in products
FEWEST = 4  # points per axis of a coarser grid
MOST_CORNERS = 256  # of ranges of parameters, at which growth is looked at: all of eight parameters


@register("simulator", "etdrk")
@dataclasses.dataclass(frozen=True)
class ETDRK:
    """Pseudo-spectral in space, exponential Runge-Kutta in time; see `spectral_stepper`.

    Two thirds of the modes take part in products. Each trajectory is compared with half the solver step, and some, or
    those whose spectra end high, with twice the points per axis.

    **Arguments:** `order`: in time, 2 or 4; `substeps`: solver steps per frame; `shape`: points per axis to solve on,
    those of the family's domain when omitted.
    """

    order: Literal[2, 4] = 4
    substeps: Count = 1
    shape: Annotated[tuple[Count, ...] | None, PerAxis()] = None

    outside = False
    checks = "difference to half the solver step"
    remedy = "raise solver.substeps or solver.shape of the problem, or take a shorter time.step"
    grid_checks = "difference to twice the points per axis, over one frame"

    def __post_init__(self) -> None:
        check_options(self)

    def validate(self, family: Family) -> None:
        """**Raises:** `ValueError` for a family that is steady or not periodic, whose parameters reach values without
        solutions forwards in time, or a `shape` that does not fit.
        """
        grid, what = family.domain, f"problem {family.name!r}: solver etdrk"
        if not isinstance(family.equation, Equation):
            raise ValueError(f"{what} is for equations in time, and this one is steady; the kind elliptic takes it")
        if not isinstance(grid, Grid) or not grid.periodic:
            raise ValueError(f"{what} needs domain.ends periodic, got {_words(grid)}")
        check_points(grid, what)
        shape = self.shape
        coarse = lambda fine: len(fine) != grid.ndim or any(map(operator.lt, fine, grid.shape))
        if shape is not None and coarse(shape):
            raise ValueError(f"problem {family.name!r}: solver.shape should be at least domain.shape="
                             f"{list(grid.shape)}, got {list(shape)}")  # fmt: skip
        self.check_corners(family)

    def check_corners(self, family: Family) -> None:
        """Looks at the corners of the ranges of what varies: all, or as many drawn where they are more.

        **Raises:** `ValueError` where there is no solution forwards in time, or the step is beyond its limit.
        """
        ranges = np.array([*family.support.values()], float).reshape(-1, 2)
        count = 2 ** len(ranges)
        drawn = count > MOST_CORNERS
        numbers = np.random.default_rng(0).integers(count, size=MOST_CORNERS) if drawn else np.arange(count)
        corners = ranges[np.arange(len(ranges)), (numbers[:, None] >> np.arange(len(ranges))) & 1]
        own, scaling = Scaling.split(dict(zip(family.support, corners.T, strict=True)))
        (equation, grid), whole, length = _of(family), self.domain(family), Scaling(scaling.length)
        try:
            check_growth(equation, grid, own, length)
            check_ends(equation, grid, own, length)
            check_limit(equation, grid, whole, family.step / self.substeps, self.order, own, scaling, DEALIAS)
        except ValueError as error:
            raise ValueError(f"problem {family.name!r}: {error}") from None

    def domain(self, family: Family, *, coarser: int = 1) -> Grid:
        """The periodic grid it works on."""
        _, grid = _of(family)
        whole = grid if self.shape is None else grid.with_shape(self.shape)
        return whole if coarser == 1 else grid.with_shape(coarser_shape(whole.shape, coarser, FEWEST))

    def numerics(self, family: Family) -> dict[str, Any]:
        """Order and step."""
        step = family.step / self.substeps
        return {"solver": "etdrk", "order": self.order, "dt": step, "substeps": self.substeps}

    def stepper(
        self, family: Family, parameters: Mapping[str, Any] | None = None, *, coarser: int = 1
    ) -> SpectralStepper:
        """The Stepper whose call is one frame, for numbers or arrays `(batch,)` of what varies."""
        own, scaling = Scaling.split(parameters)
        equation, _ = _of(family)
        return spectral_stepper(
            equation,
            self.domain(family, coarser=coarser),
            family.step / self.substeps,
            order=self.order,
            substeps=self.substeps,
            parameters=own,
            scaling=scaling,
            dealias=DEALIAS,
        )

    def __call__(
        self, family: Family, fields: Mapping[str, Any], parameters: Mapping[str, Any], times: np.ndarray
    ) -> Frames:
        """Trajectories of initial states, stored in float32 on the family's grid.

        **Raises:** `ValueError` for fewer than two frames.
        """
        initial = initial_state(family, fields, times)
        stepper, grid = self.stepper(family, parameters), self.domain(family)
        store = lambda u: (grid.transfer(u, family.domain).astype(jnp.float32), energies(u, grid, DEALIAS))
        states, found = frames_of(stepper, stepper.form.projected(initial), times, family.step, store)
        states = jnp.moveaxis(states, 0, 1)
        return Frames(states, states[:, 0, ..., :0], {"tail": tails(found)})

    def check(self, family: Family, frames: Frames, parameters: Mapping[str, Any]) -> Float[Array, " batch"]:
        """Largest relative difference, over one frame, to the same with half the solver step.

        It starts from the first and from the last but one stored frame.
        """
        halved = dataclasses.replace(self, substeps=2 * self.substeps)
        variants = [one.stepper(family, parameters) for one in (self, halved)]
        from_ = first_and_last(family, frames.states, jnp.asarray(variants[0].step_size))
        return jnp.max(jax.lax.map(lambda at: self._difference(family, variants, *at), from_), axis=0)

    def _difference(self, family: Family, variants: list[SpectralStepper], state: Any, time: Any) -> Array:
        start = family.domain.transfer(state, self.domain(family))
        coarse, fine = (s.at(time)(start) if isinstance(s, TimedStepper) else s(start) for s in variants)
        return largest_relative(coarse, fine)

    def state_at(
        self, family: Family, fields: Mapping[str, Any], parameters: Mapping[str, Any], frame: Any
    ) -> Float[Array, "*space channel"]:
        """By solving once more; see `Doubling`."""
        assert family.times is not None
        stepper = self.stepper(family, parameters)
        start = stepper.form.projected(jnp.stack([fields[name] for name in family.fields], axis=-1))
        step = lambda i, u: stepper.at(jnp.asarray(i, float) * stepper.step_size)(u)
        return jax.lax.fori_loop(0, family.times.burn_in + frame, step, start)

    def doubled(
        self, family: Family, state: Float[Array, "*space channel"], parameters: Mapping[str, Any], frame: Any
    ) -> Float[Array, ""]:
        """Relative difference over one frame to twice the points per axis, both with half the step; see `Doubling`."""
        assert family.times is not None
        grid, own = self.domain(family), dataclasses.replace(self, substeps=2 * self.substeps)
        fine = dataclasses.replace(own, shape=tuple(2 * n for n in grid.shape))
        one, other = (simulator.stepper(family, parameters) for simulator in (own, fine))
        time = jnp.asarray(family.times.burn_in + frame, float) * one.step_size
        above = other.at(time)(grid.transfer(state, fine.domain(family)))
        return largest_relative(one.at(time)(state)[None], fine.domain(family).transfer(above, grid)[None])[0]

    def finer_grid(self, family: Family) -> str:
        """Twice the points; another solver where nothing smooths a shock, which no number of points resolves."""
        points = more_points(list(self.domain(family).shape))
        form = canonical(_of(family)[0])
        if not form.products or any(term.jet.mark or sum(term.jet.alpha) > 1 for term in form.linear):
            return points
        return f"{points}; no term smooths a shock: if there is one, take solver finite_volume and fluxes in dx(...)"

    def variants(self, family: Family) -> list[Variant]:
        """Shares of its points and steps, of both orders."""
        return list(etdrk_variants(self, family))

    def finer(self, family: Family) -> "ETDRK":
        """Half the step on half as many points again per axis."""
        return finer_etdrk(self, family)

    def residual(
        self,
        family: Family,
        frames: Float[Array, "time *batch_and_space channel"],
        parameters: Mapping[str, Any] | None = None,
        *,
        start: Any = 0,
    ) -> Float[Array, "inner_time *batch_and_space channel"]:
        """`grid_residual` of consecutive stored frames of a family.

        Products are dealiased as the solver does it, if it works on the stored grid.

        **Arguments:** `family`; `frames`: at least three; `parameters`: any varying names, numbers or `(batch,)`;
        `start`: number of the first frame given (may be traced), 0 for the first stored one, `burn_in` frames old.
        """
        assert family.times is not None
        own, scaling = Scaling.split(parameters)
        equation, grid = _of(family)
        dealias = DEALIAS if self.domain(family) == grid else None
        time = jnp.asarray((family.times.burn_in + start) * (family.step * scaling.step), frames.dtype)
        return grid_residual(
            equation, frames, family.step, grid, own, start_time=time, scaling=scaling, dealias=dealias
        )


def _of(family: Family) -> tuple[Equation, Grid]:
    """Equation and grid of a family that was validated."""
    assert isinstance(family.equation, Equation)
    assert isinstance(family.domain, Grid)
    return family.equation, family.domain


def _words(domain: Any) -> str:
    if not isinstance(domain, Grid):
        return type(domain).__name__
    return ", ".join(dict.fromkeys(str(side) for pair in domain.ends for side in pair))
