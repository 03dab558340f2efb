"""Trajectories that are solved as training asks for them, by the solver and in the precision of generated data sets."""

import dataclasses
import functools
import hashlib
import json
from typing import Any, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from pdejax.core import Count, Seed, check_arguments, spelt
from pdejax.data.feeds.window import geometry_arrays
from pdejax.data.generation.recipe import Recipe, SplitSize
from pdejax.data.generation.solve import Solution, concatenate, solve_batch, split_seed
from pdejax.data.store.memory import Arrays, ArraySplit
from pdejax.data.store.trajectories import Trajectories
from pdejax.equations import Family
from pdejax.solvers import as_simulator

# names of splits, of which draws depend: those of training are none of the calibration's, nor of a stored set's
CALIBRATION, ONLINE = "calibration", "online"


class Solved(eqx.Module):
    """Trajectories that were solved on the device, as a data set stores them.

    - `good`: whether each is finite, and where that was asked for within the tolerance.
    """

    states: Float[Array, "trajectory time *space channel"]
    inputs: Float[Array, "trajectory *space input"]
    parameters: Float[Array, "trajectory parameter"]
    good: Bool[Array, " trajectory"]


@spelt
class Simulated(Trajectories):
    """Solutions of a family that nobody stores: feeds draw and solve them.

    Some are solved beforehand and certified as those of a generated data set are, in time and on the grid. They tell
    the moments by which a model normalises, and are the split `train`; those that are learned from are others.

    **Arguments:**

    - `family`, `simulator`: as of `generate`.
    - `frames`: of a trajectory; the fewest there can be when omitted, two in time.
    - `seed`: of the calibration; feeds have their own.
    - `calibration`: trajectories that are solved beforehand.
    - `tolerance`, `space_tolerance`: as of `generate`.

    **Raises:** `ValueError` for a family that the simulator cannot take; at the first use for a solver that is too
    coarse.
    """

    def __init__(
        self,
        family: Family,
        simulator: Any,
        frames: Count | None = None,
        *,
        seed: Seed = 0,
        calibration: Count = 64,
        tolerance: float | None = None,
        space_tolerance: float | None = None,
    ) -> None:
        check_arguments(Simulated.__init__, {"frames": frames, "seed": seed, "calibration": calibration})
        self.frames = (1 if family.steady else 2) if frames is None else frames
        sizes = {CALIBRATION: SplitSize(calibration, self.frames)}
        self.recipe = Recipe(
            family, as_simulator(simulator), sizes, seed, tolerance=tolerance, space_tolerance=space_tolerance
        )
        self.name, self.step, self.domain = family.name, family.step, family.domain
        self.field_names, self.input_names = tuple(family.fields), tuple(family.inputs)
        self.parameter_names, self.split_names = family.parameter_names, ("train",)
        self.family, self.simulator = family, self.recipe.simulator

    @functools.cached_property
    def fingerprint(self) -> str:  # type: ignore[override]
        """Checksum of what determines every solution."""
        return hashlib.sha256(json.dumps({"simulated": self.recipe.plain}, sort_keys=True).encode()).hexdigest()

    @functools.cached_property
    def calibration(self) -> Solution:
        """The certified trajectories, with what was rejected on the way."""
        numbers = np.arange(self.recipe.splits[CALIBRATION].trajectories)
        return certified(self.recipe, numbers, self.recipe.seed, CALIBRATION)

    @functools.cached_property
    def _arrays(self) -> Arrays:
        found = self.calibration
        return Arrays(
            found.states, step=self.step, domain=self.domain, fields=self.field_names, name=self.name,
            inputs={name: found.inputs[..., i] for i, name in enumerate(self.input_names)},
            parameters=dict(found.parameters), where=f"what was solved of {self.name!r}",
        )  # fmt: skip

    @property
    def statistics(self) -> Any:  # type: ignore[override]
        """Of the calibration."""
        return self._arrays.statistics

    def split(self, name: str) -> ArraySplit:
        """The calibration, as `train`; see `Trajectories`."""
        return self._arrays.split(name)

    def solve(self, seed: int, numbers: Int[Array, " trajectory"], *, certify: bool = False) -> Solved:
        """Draws and solves trajectories in float64, inside of a compiled update of whatever precision.

        A trajectory depends on its seed and number alone, and is the one that `certified` gives at its first attempt.

        **Arguments:** `seed`: of the feed; `numbers`; `certify`: whether each is checked as the simulator checks those
        of a data set, for about twice as much work as solving alone.
        """
        family, simulator, first = self.family, self.simulator, np.int32(split_seed(seed, ONLINE, 0))
        times = np.zeros(self.frames) if family.times is None else family.times.frames(self.frames)
        domain = simulator.domain(family)
        with jax.enable_x64(True):
            fields, parameters = jax.vmap(lambda number: family.draw(first, number, domain))(numbers)
            fields, parameters = jax.tree.map(lambda x: x.astype(jnp.float64), (fields, parameters))
            found = simulator(family, fields, parameters, times)
            states, inputs = (jnp.asarray(x).astype(jnp.float32) for x in (found.states, found.inputs))
            good = jnp.all(jnp.isfinite(states.reshape(len(states), -1)), axis=1)
            if certify:
                good &= simulator.check(family, found, parameters) <= self.recipe.tolerance
            columns = [parameters[name].astype(jnp.float32) for name in self.parameter_names]
        varying = jnp.stack(columns, axis=-1) if columns else jnp.zeros((len(states), 0), jnp.float32)
        # what failed does not count in the loss, and shall not reach its gradient as what is no number either
        keep = lambda x: jnp.where(good.reshape(-1, *(1,) * (x.ndim - 1)), x, jnp.ones((), x.dtype))
        return Solved(keep(states), keep(inputs), varying, good)


_Feed = TypeVar("_Feed", bound="FeedOfSolutions")


class FeedOfSolutions:
    """What feeds of a `Simulated` share; they are dataclasses with a `source`, a `window` and `rows`."""

    source: Simulated

    @property
    def arrays(self) -> Any:
        """Where the points lie, if that is no grid."""
        return geometry_arrays(self.source)

    def init(self) -> dict[str, int]:
        """The state before the first batch."""
        return {"step": 0}

    def with_window(self: _Feed, frames: int) -> _Feed:
        """The feed with windows of as many frames."""
        return dataclasses.replace(self, window=frames)  # type: ignore[type-var]

    def local_rows(self: _Feed, rows: slice) -> _Feed:
        """The feed whose items hold these rows of every batch only."""
        return dataclasses.replace(self, rows=rows)  # type: ignore[type-var]


def certified(recipe: Recipe, numbers: np.ndarray, seed: int, split: str = ONLINE) -> Solution:
    """Trajectories by their numbers, each checked, and drawn anew where it fails, as by `generate`; on the host.

    **Arguments:** `recipe`: of a `Simulated`; `numbers`; `seed`, `split`: which draws depend on.

    **Raises:** `ValueError` if one fails at every attempt, which means that the solver is too coarse.
    """
    size, frames = min(recipe.batch_size, len(numbers)), recipe.splits[CALIBRATION].frames
    further: Any = {"tolerance": recipe.tolerance, "space_tolerance": recipe.space_tolerance, "batch_size": size}
    parts = [numbers[i : i + size].tolist() for i in range(0, len(numbers), size)]
    solve = lambda part: solve_batch(recipe.family, recipe.simulator, frames, part, split=split, seed=seed, **further)
    return concatenate([solve(part) for part in parts])


def check_traced(source: Simulated, kind: str) -> None:
    """**Raises:** `ValueError` for a simulator that cannot be solved by inside of a compiled update."""
    if source.family.steady:  # what JAX solves linear systems by wants constants divided over devices as inputs are
        raise ValueError(f"{source.name!r} is steady, and a {kind} solves what evolves in time: take kind outside")
    if source.simulator.outside:
        raise ValueError(f"the simulator of {source.name!r} is code that JAX cannot trace, which a {kind} needs: take "
                         "kind outside")  # fmt: skip


def check_window(window: int, source: Simulated) -> int:
    """Frames of a window that fits, and starts of such windows in a trajectory.

    **Raises:** `ValueError` for a longer one.
    """
    if not 1 <= window <= source.frames:
        raise ValueError(f"the method learns from windows of {window} frame(s), as its unroll and history say, and "
                         f"{source.frames} frame(s) a trajectory are solved")  # fmt: skip
    return source.frames - window + 1
