"""What every result table holds beside the model: what is gained over doing little, and over computing coarsely."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import equinox as eqx

from pdejax.core import Key, State, TimedStepper, hashed_by_identity, resample
from pdejax.equations import Family
from pdejax.evaluation.baselines.baseline import Baseline, Maker
from pdejax.evaluation.baselines.linear import fit_linear_propagator
from pdejax.evaluation.predictor import BoundStepper, as_predictor
from pdejax.solvers import ETDRK

LARGER_STEP = 4
COARSER_GRID = 2
SMALLEST_GRID = 8


class Persistence(eqx.Module):
    """The Stepper that changes nothing."""

    def __call__(self, u: State, *, key: Key | None = None) -> State:
        """The state itself."""
        return u


@hashed_by_identity
class OnGrid(eqx.Module):
    """A Stepper of another grid, applied to states of this one by spectral resampling before and after.

    **Arguments:** `stepper`; `inner`, `outer`: shapes of its grid and of the states; `start`: number of steps before
    the first state, for equations that depend on time.
    """

    stepper: Any
    inner: tuple[int, ...] = eqx.field(static=True)
    outer: tuple[int, ...] = eqx.field(static=True)
    start: int = eqx.field(static=True)

    def __call__(self, u: State, *, key: Key | None = None) -> State:
        """The state one frame later, `(*batch, *outer, channel)`."""
        return resample(self.stepper(resample(u, self.inner), key=key), self.outer)

    def at(self, time: Any) -> "OnGrid":
        """The same Stepper set to `time` after the first state, a scalar or `(batch,)`."""
        if not isinstance(self.stepper, TimedStepper):
            return self
        return eqx.tree_at(lambda s: s.stepper, self, self.stepper.at(time + self.start * self.stepper.step_size))

    @property
    def step_size(self) -> Any:
        """Time one call covers."""
        return getattr(self.stepper, "step_size", 0.0)


def persistence(dataset: Any, start: int = 0) -> Baseline:
    """The last known frame, forever."""
    meaning = "the last known frame, kept"
    return Baseline("persistence", meaning, as_predictor(Persistence(), dataset.step))


def linear(dataset: Any, start: int = 0) -> Baseline:
    """The best translation-equivariant linear map, fitted to the training split; see `fit_linear_propagator`."""
    if not getattr(dataset.domain, "periodic", False):
        raise ValueError("the linear propagator needs a periodic grid")
    stepper = fit_linear_propagator(dataset.split("train").states)
    meaning = "one matrix between channels per Fourier mode, least squares on the training split"
    return Baseline("best linear propagator", meaning, as_predictor(stepper, dataset.step))


def generator_of(dataset: Any) -> tuple[Family, ETDRK]:
    """What was solved and what solved it, at any resolution.

    **Raises:** `ValueError` if that is not known, or the solver has one resolution.
    """
    if dataset.family is None or not isinstance(dataset.simulator, ETDRK):
        raise ValueError("the data set does not say by which solver of many resolutions it was made")
    return dataset.family, dataset.simulator


def _solver(
    dataset: Any, start: int, label: str, meaning: str, shape: tuple[int, ...], substeps: int, double: bool = True
) -> Baseline:
    family, simulator = generator_of(dataset)
    simulator = dataclasses.replace(simulator, shape=shape, substeps=substeps)
    outer, elapsed = tuple(dataset.domain.shape), family.times.burn_in + start if family.times else start

    def make(parameters: Mapping[str, Any]) -> OnGrid:
        return OnGrid(simulator.stepper(family, parameters), shape, outer, elapsed)

    return Baseline(label, meaning, BoundStepper(make, dataset.step), double)


def solver(dataset: Any, start: int = 0) -> Baseline:
    """The solver that made the data, restarted from a stored frame: the ceiling for any method.

    It computes in float64 like the generator: in a chaotic system the rounding of the stored frame to float32 alone
    ends the agreement at some time.
    """
    family, made = generator_of(dataset)
    meaning = "the solver that made the data, restarted from the stored float32 frame: what is attainable"
    return _solver(dataset, start, "solver as generated", meaning, made.domain(family).shape, made.substeps)


def solver_coarse_grid(dataset: Any, start: int = 0) -> Baseline:
    """The same solver with half the points per axis."""
    family, made = generator_of(dataset)
    if not getattr(dataset.domain, "periodic", False):
        raise ValueError("states are resampled spectrally, which needs a periodic grid")
    shape = made.domain(family, coarser=COARSER_GRID).shape
    grid = " x ".join(map(str, shape))
    meaning = f"the same solver on {grid} points, resampled spectrally"
    return _solver(dataset, start, f"solver, {grid} points", meaning, shape, made.substeps)


def solver_large_step(dataset: Any, start: int = 0) -> Baseline:
    """The same solver with a quarter of its steps."""
    family, made = generator_of(dataset)
    if made.substeps < 2:
        raise ValueError("the solver already takes a single step per frame")
    substeps = max(1, made.substeps // LARGER_STEP)
    meaning = f"the same solver with {substeps} instead of {made.substeps} steps per frame"
    label = f"solver, {substeps} step{'s' if substeps > 1 else ''} per frame"
    return _solver(dataset, start, label, meaning, made.domain(family).shape, substeps)


def solver_at(dataset: Any, start: int, shape: tuple[int, ...], substeps: int, *, double: bool = False) -> Baseline:
    """The same solver on any grid with any number of steps per frame, in float32 as networks compute if not `double`.

    **Raises:** `ValueError` if the grid is not periodic and `shape` is another one.
    """
    if shape != tuple(dataset.domain.shape) and not getattr(dataset.domain, "periodic", False):
        raise ValueError("states are resampled spectrally, which needs a periodic grid")
    grid, precision = " x ".join(map(str, shape)), "float64" if double else "float32"
    label = f"solver, {grid} points, {substeps} step{'s' if substeps > 1 else ''}"
    meaning = f"the same solver on {grid} points with {substeps} step(s) per frame in {precision}"
    return _solver(dataset, start, label, meaning, shape, substeps, double)


def solver_resolutions(dataset: Any) -> list[tuple[tuple[int, ...], int]]:
    """Grids and steps per frame that span what the solver can trade: the data's grid and its own, whole and three,
    two and one quarter of it, each with all, a quarter and one of its steps."""
    family, made = generator_of(dataset)
    whole = made.domain(family).shape
    shapes = [whole, tuple(dataset.domain.shape)]
    if getattr(dataset.domain, "periodic", False):
        even = lambda n, quarters: max(2 * (n * quarters // 8), SMALLEST_GRID)
        shapes += [tuple(even(n, quarters) for n in whole) for quarters in (3, 2, 1)]
    substeps = [made.substeps, max(1, made.substeps // LARGER_STEP), 1]
    finest_first = sorted(dict.fromkeys(shapes), reverse=True)
    return [(shape, count) for shape in finest_first for count in dict.fromkeys(substeps)]


BASELINES: dict[str, Maker] = {
    "solver": solver,
    "solver_coarse_grid": solver_coarse_grid,
    "solver_large_step": solver_large_step,
    "linear": linear,
    "persistence": persistence,
}
"""Baselines by their key in `evaluation.json`, in the order of the table; each takes the data set and first frame."""
