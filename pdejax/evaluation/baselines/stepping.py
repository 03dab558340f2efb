"""What every result table holds beside the model: what is gained over doing little, and over computing coarsely."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import equinox as eqx

from pdejax.core import Key, OnDomain, State
from pdejax.evaluation.baselines.baseline import Baseline, Maker, solved_by
from pdejax.evaluation.baselines.linear import fit_linear_propagator
from pdejax.evaluation.baselines.modes import fit_modes, read_for_modes
from pdejax.evaluation.predictor import BoundStepper, as_predictor
from pdejax.solvers import Simulator

LARGER_STEP = 4
COARSER = 2


class Persistence(eqx.Module):
    """The Stepper that changes nothing."""

    def __call__(self, u: State, *, key: Key | None = None) -> State:
        """The state itself."""
        return u


def persistence(data: Any, start: int = 0) -> Baseline:
    """The last known frame, forever."""
    meaning = "the last known frame, kept"
    return Baseline("persistence", meaning, as_predictor(Persistence(), data.step))


def linear(data: Any, start: int = 0) -> Baseline:
    """The best translation-equivariant linear map, fitted to the training split; see `fit_linear_propagator`."""
    if not getattr(data.domain, "periodic", False):
        raise ValueError("a map for each Fourier mode needs a periodic grid; dmd is the linear map here")
    stepper = fit_linear_propagator(data.split("train").states)
    meaning = "one matrix between channels per Fourier mode, least squares on the training split"
    return Baseline("best linear propagator", meaning, as_predictor(stepper, data.step))


def dmd(data: Any, start: int = 0) -> Baseline:
    """The linear map of the most energetic patterns of the training split; see `fit_modes`."""
    stepper = fit_modes(read_for_modes(data.split("train")))
    meaning = f"a linear map of {len(stepper.before)} patterns of the training split (dynamic mode decomposition)"
    return Baseline("dynamic modes", meaning, as_predictor(stepper, data.step))


def _solver(data: Any, start: int, label: str, meaning: str, simulator: Simulator, *, coarser: int = 1) -> Baseline:
    family = data.family
    inner = simulator.domain(family, coarser=coarser)
    elapsed = family.times.burn_in + start

    def make(parameters: Mapping[str, Any]) -> OnDomain:
        return OnDomain(simulator.stepper(family, parameters, coarser=coarser), inner, data.domain, elapsed)

    return Baseline(label, meaning, BoundStepper(make, data.step), double=True)


def solver(data: Any, start: int = 0) -> Baseline:
    """The solver that made the data, restarted from a stored frame: the ceiling for any method.

    It computes in float64 like the generator: in a chaotic system the rounding of the stored frame to float32 alone
    ends the agreement at some time.
    """
    _, simulator = solved_by(data)
    meaning = "the solver that made the data, restarted from the stored float32 frame: what is attainable"
    return _solver(data, start, "solver as generated", meaning, simulator)


def solver_coarse_grid(data: Any, start: int = 0) -> Baseline:
    """The same solver with half the points per axis."""
    family, simulator = solved_by(data)
    points = _points(simulator.domain(family, coarser=COARSER).shape)
    cells = getattr(data.domain, "cells", False)
    how = "by means" if cells else "spectrally" if getattr(data.domain, "periodic", False) else "linearly"
    points += " cells" if cells else " points"
    meaning = f"the same solver on {points}, resampled {how}"
    return _solver(data, start, f"solver, {points}", meaning, simulator, coarser=COARSER)


def solver_large_step(data: Any, start: int = 0) -> Baseline:
    """The same solver with a quarter of its steps.

    **Raises:** `ValueError` where it makes no such steps, or not with so few.
    """
    _, simulator = solved_by(data)
    substeps = getattr(simulator, "substeps", 1)
    if substeps is None:
        raise ValueError("the solver takes steps as large as it can")
    if substeps < 2:
        raise ValueError("the solver already takes a single step per frame")
    fewer = max(1, substeps // LARGER_STEP)
    meaning = f"the same solver with {fewer} instead of {substeps} steps per frame"
    label = f"solver, {fewer} step{'s' if fewer > 1 else ''} per frame"
    larger = _at(simulator, substeps=fewer)
    larger.validate(data.family)  # says where so large a step is not stable
    return _solver(data, start, label, meaning, larger)


def _points(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def _at(simulator: Any, **resolution: Any) -> Simulator:
    """The same simulator at another resolution."""
    return dataclasses.replace(simulator, **resolution)


BASELINES: dict[str, Maker] = {
    "solver": solver,
    "solver_coarse_grid": solver_coarse_grid,
    "solver_large_step": solver_large_step,
    "linear": linear,
    "dmd": dmd,
    "persistence": persistence,
}
"""Baselines by their key in `evaluation.json`, in the order of the table; each takes the data set and first frame."""
