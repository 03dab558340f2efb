"""Families in time on boxes with ends, by sines and cosines or by Chebyshev polynomials."""

import dataclasses
import itertools
import math
import operator
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from pdejax.core import Count, Grid, PerAxis, Scaling, check_options, register
from pdejax.equations import Equation, Family
from pdejax.solvers._in_time import first_and_last, frames_of, initial_state, largest_relative
from pdejax.solvers._simulator import Frames
from pdejax.solvers._variants import Variant
from pdejax.solvers.bounded.chebyshev_stepper import MOST_POINTS
from pdejax.solvers.bounded.given import check_start
from pdejax.solvers.bounded.placed import BASES, Method, Placed
from pdejax.solvers.spectral.resolution import tails

FEWEST = 8  # points per axis of a coarser solver
MOST_CORNERS = 16  # of ranges of parameters, all of four
SHARES = (1.0, 0.5, 0.25)  # of the points and of the steps


@register("simulator", "bounded")
@dataclasses.dataclass(frozen=True)
class Bounded:
    """Spectral in space on a box with ends, exponential Runge-Kutta in time.

    Each trajectory is compared with half the solver step, and some, or those whose coefficients end high, with twice
    the points per axis.

    **Arguments:**

    - `basis`: `fourier`, sines and cosines, for ends of the value 0 or the slope 0 and equations that keep their
        mirror images, see `mirror_stepper`; or `chebyshev`, in one dimension, see `chebyshev_stepper`.
    - `order`: in time, 2 or 4; `substeps`: solver steps per frame.
    - `shape`: points per axis to solve on; those of the family's domain when omitted. Of `chebyshev` Chebyshev points,
        at most 128; when omitted as many as the domain has intervals.
    """

    basis: Literal["fourier", "chebyshev"]
    order: Literal[2, 4] = 4
    substeps: Count = 1
    shape: Annotated[tuple[Count, ...] | None, PerAxis()] = None

    outside = False
    checks = "difference to half the solver step"
    remedy = "raise solver.substeps or solver.shape of the problem"
    grid_checks = "difference to twice the points per axis, over one frame"

    def __post_init__(self) -> None:
        check_options(self)

    def validate(self, family: Family) -> None:
        """**Raises:** `ValueError` for a family that is steady or periodic, ends, equations and steps that the basis
        cannot take, a `shape` that does not fit, initial states that contradict the ends.
        """
        what, grid = f"problem {family.name!r}: solver bounded", family.domain
        if not isinstance(family.equation, Equation):
            raise ValueError(f"{what} is for equations in time, and this one is steady; the kind elliptic takes it")
        if not isinstance(grid, Grid) or grid.periodic:
            found = "periodic ones, which the kind etdrk takes" if isinstance(grid, Grid) else type(grid).__name__
            raise ValueError(f"{what} needs a grid with ends, got {found}")
        self._check_shape(family, grid)
        try:
            self._check_corners(family)
            check_start(family, self.domain(family))
        except ValueError as error:
            raise ValueError(f"problem {family.name!r}: {error}") from None

    def _check_shape(self, family: Family, grid: Grid) -> None:
        what = f"problem {family.name!r}: solver.shape"
        if self.shape is None:
            return
        if len(self.shape) != grid.ndim:
            raise ValueError(f"{what} should have one number for each axis of domain.shape={list(grid.shape)}, got "
                             f"{list(self.shape)}")  # fmt: skip
        if self.basis == "chebyshev":
            if self.shape[0] > MOST_POINTS:
                raise ValueError(f"{what} should be at most {MOST_POINTS} Chebyshev points, got {list(self.shape)}")
            return
        if any(map(operator.lt, self.shape, grid.shape)):
            raise ValueError(f"{what} should be at least domain.shape={list(grid.shape)}, got {list(self.shape)}")

    def _check_corners(self, family: Family) -> None:
        ranges = np.array([*family.support.values()], float).reshape(-1, 2)
        for corner in itertools.islice(itertools.product((1, 0), repeat=len(ranges)), MOST_CORNERS):
            values = {name: float(ends[i]) for name, ends, i in zip(family.support, ranges, corner, strict=True)}
            own, scaling = Scaling.split(values)
            BASES[self.basis][1](self._method(family), self._points(family), _grid(family), own, scaling)

    def _points(self, family: Family, coarser: int = 1) -> tuple[int, ...]:
        """Of the solver, per axis."""
        grid = _grid(family)
        if self.basis == "chebyshev":
            whole = min(grid.shape[0] - 1, MOST_POINTS) if self.shape is None else self.shape[0]
            return (whole if coarser == 1 else max(whole // coarser, FEWEST),)
        whole = grid.shape if self.shape is None else self.shape
        return whole if coarser == 1 else _fewer(grid, whole, coarser)

    def domain(self, family: Family, *, coarser: int = 1) -> Grid:
        """The family's grid: states go from there to the solver's points and back."""
        grid = _grid(family)
        return grid if coarser == 1 else grid.with_shape(_fewer(grid, grid.shape, coarser))

    def numerics(self, family: Family) -> dict[str, Any]:
        """Basis, points, order and step."""
        step = {"dt": family.step / self.substeps, "substeps": self.substeps}
        points = list(self._points(family))
        return {"solver": "bounded", "basis": self.basis, "points": points, "order": self.order, **step}

    def _method(self, family: Family) -> Method:
        assert isinstance(family.equation, Equation)
        return Method(family.equation, family.step, self.order, self.substeps)

    def _placed(
        self, family: Family, grid: Grid, parameters: Mapping[str, Any] | None, *, times: int = 1, steps: int = 1
    ) -> Placed:
        """For states on a grid, with so many times the points and steps."""
        own, scaling = Scaling.split(parameters)
        method = dataclasses.replace(self._method(family), substeps=self.substeps * steps)
        points = zip(self._points(family), grid.periodic_axes, strict=True)
        shape = tuple(times * n if p or self.basis == "chebyshev" else times * (n - 1) + 1 for n, p in points)
        return BASES[self.basis][0](method, grid, shape, own, scaling)

    def stepper(self, family: Family, parameters: Mapping[str, Any] | None = None, *, coarser: int = 1) -> Any:
        """The Stepper whose call is one frame, for numbers or arrays `(batch,)` of what varies."""
        points, grid = self._points(family, coarser), self.domain(family, coarser=coarser)
        one = dataclasses.replace(self, shape=points)
        return one._placed(family, grid, parameters).whole

    def __call__(
        self, family: Family, fields: Mapping[str, Any], parameters: Mapping[str, Any], times: np.ndarray
    ) -> Frames:
        """Trajectories of initial states, stored in float32 on the family's grid.

        **Raises:** `ValueError` for fewer than two frames.
        """
        initial, placed = initial_state(family, fields, times), self._placed(family, _grid(family), parameters)
        store = lambda v: (placed.leave(v).astype(jnp.float32), placed.energies(v))
        states, found = frames_of(placed.stepper, placed.enter(initial), times, family.step, store)
        states = jnp.moveaxis(states, 0, 1)
        return Frames(states, states[:, 0, ..., :0], {"tail": tails(found)})

    def check(self, family: Family, frames: Frames, parameters: Mapping[str, Any]) -> Float[Array, " batch"]:
        """Largest relative difference, over one frame, to the same with half the solver step.

        It starts from the first and from the last but one stored frame.
        """
        both = [self._placed(family, _grid(family), parameters, steps=steps) for steps in (1, 2)]
        from_ = first_and_last(family, frames.states, jnp.asarray(both[0].stepper.step_size))
        frame = lambda one, at: one.leave(one.stepper.at(at[1])(one.enter(at[0])))
        difference = lambda at: largest_relative(frame(both[0], at), frame(both[1], at))
        return jnp.max(jax.lax.map(difference, from_), axis=0)

    def state_at(
        self, family: Family, fields: Mapping[str, Any], parameters: Mapping[str, Any], frame: Any
    ) -> Float[Array, "*space channel"]:
        """By solving once more; see `Doubling`."""
        assert family.times is not None
        one = self._placed(family, _grid(family), parameters)
        step = lambda i, v: one.stepper.at(jnp.asarray(i, float) * one.stepper.step_size)(v)
        start = one.enter(jnp.stack([fields[name] for name in family.fields], axis=-1))
        return one.leave(jax.lax.fori_loop(0, family.times.burn_in + frame, step, start))

    def doubled(
        self, family: Family, state: Float[Array, "*space channel"], parameters: Mapping[str, Any], frame: Any
    ) -> Float[Array, ""]:
        """Relative difference over one frame to twice the points per axis, both with half the step; see `Doubling`.

        What is explicit may need a step four times as short on twice the points, and gets it.
        """
        assert family.times is not None
        grid = _grid(family)
        both = [self._placed(family, grid, parameters, times=times, steps=FINER_STEPS[times]) for times in (1, 2)]
        time = jnp.asarray(family.times.burn_in + frame, float) * both[0].stepper.step_size
        out = [one.leave(one.stepper.at(time)(one.enter(state))) for one in both]
        return largest_relative(out[0][None], out[1][None])[0]

    def finer_grid(self, family: Family) -> str:
        """Twice the points."""
        points = zip(self._points(family), _grid(family).periodic_axes, strict=True)
        shape = [2 * n if p or self.basis == "chebyshev" else 2 * n - 1 for n, p in points]
        now = list(self._points(family))
        return f"raise solver.shape of the problem from {now} to {shape}, or ask for smoother states"

    def variants(self, family: Family) -> list[Variant]:
        """Shares of its points and steps, of both orders, whose steps are stable."""
        out, whole = [], self._points(family)
        shapes = [tuple(max(int(n * share), FEWEST) for n in whole) for share in SHARES]
        counts = dict.fromkeys(max(1, int(self.substeps * s)) for s in SHARES)
        for shape, order, substeps in itertools.product(dict.fromkeys(shapes), (2, 4), counts):
            one = dataclasses.replace(self, shape=shape, substeps=substeps, order=order)
            try:
                one._check_corners(family)
            except ValueError:
                continue
            size = math.prod(shape)
            work = order * substeps * size * (size if self.basis == "chebyshev" else math.log2(size))
            setting = {"points": list(shape), "steps": substeps, "order": order}
            out.append(Variant(one, setting, work, f"{list(shape)} points, order {order}"))
        return out

    def finer(self, family: Family) -> "Bounded":
        """A quarter of the step on twice the points per axis, of `chebyshev` on half as many again."""
        points = zip(self._points(family), _grid(family).periodic_axes, strict=True)
        if self.basis == "chebyshev":
            shape = tuple(min(n + n // 2, MOST_POINTS) for n, _ in points)
        else:
            shape = tuple(2 * n if p else 2 * n - 1 for n, p in points)
        return dataclasses.replace(self, shape=shape, substeps=4 * self.substeps, order=4)


FINER_STEPS = {1: 2, 2: 8}  # times the substeps where points are compared


def _grid(family: Family) -> Grid:
    assert isinstance(family.domain, Grid)
    return family.domain


def _fewer(grid: Grid, shape: tuple[int, ...], times: int) -> tuple[int, ...]:
    """So many times fewer points, or intervals of an axis with ends."""
    parts = zip(shape, grid.periodic_axes, strict=True)
    return tuple(max(n // times if p else (n - 1) // times + 1, FEWEST) for n, p in parts)
