"""Finite volumes on finer and coarser grids, of lower and higher order, and how far each is from the truth."""

import dataclasses
import itertools
import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from pdejax.core import Grid
from pdejax.evaluation.price.timing import Compiled
from pdejax.solvers import VolumeStepper, volume_stepper

AT_ONCE = 8  # trajectories of a call
FRAME, WHOLE = "after a frame", "over all frames"
"""Of what errors are told."""


class Member(NamedTuple):
    """A classical solver: cells per axis, reconstruction, equal steps per frame."""

    cells: int
    scheme: str
    steps: int

    def __str__(self) -> str:
        """As rows name it."""
        return f"{self.scheme}, {self.cells} x {self.cells} cells, {self.steps} steps"


@dataclasses.dataclass(frozen=True)
class Rivals:
    """The classical set and the truth. All begin with the truth's own state, each with what its cells hold of it.

    **Arguments:**

    - `cells`: per axis, by reconstruction; `pace`: steps per frame over cells per axis. Every combination
        is a member; `riemann`: the Riemann solver of all.
    - `truth`: the solver that all are compared with, as a `Member`; `exact`, `exact_of`: the one that tells its error,
        on so many trajectories.
    - `trajectories`, `frames`: that are compared.
    """

    cells: tuple[tuple[str, tuple[int, ...]], ...] = (
        ("van_leer", (16, 24, 32, 48, 64, 96)),
        ("mc", (32, 64)),
        ("weno5", (16, 24, 32, 48, 64, 96)),
    )
    pace: tuple[float, ...] = (5 / 32, 6 / 32)
    riemann: str = "hllc"
    truth: tuple[int, str, int] = (192, "weno5", 42)
    exact: tuple[int, str, int] = (288, "weno5", 64)
    exact_of: int = 2
    trajectories: int = 16
    frames: int = 8

    def members(self) -> Iterator[Member]:
        """All of them, each once."""
        every = ((n, scheme, pace) for scheme, cells in self.cells for n, pace in itertools.product(cells, self.pace))
        yield from dict.fromkeys(Member(n, scheme, math.ceil(pace * n)) for n, scheme, pace in every)


def grid_of(family: Any, cells: int) -> Grid:
    """The family's box with so many cells per axis."""
    return family.domain.with_shape((cells, cells))


def solver(family: Any, member: tuple[int, str, int], riemann: str) -> VolumeStepper:
    """A Stepper of one frame for the equation of the data."""
    cells, scheme, steps = member
    return volume_stepper(family.equation, grid_of(family, cells), family.step, reconstruction=scheme, riemann=riemann,
                          substeps=steps)  # fmt: skip


def drawn(family: Any, seed: int, count: int, cells: int) -> Float[np.ndarray, "trajectory y x channel"]:
    """Initial states of the family that no split holds, by their values in the middles of cells."""
    one = jax.jit(jax.vmap(lambda i: family.draw(seed, i, grid_of(family, cells))[0]))
    fields = one(jnp.arange(count))
    return np.stack([np.asarray(fields[name], np.float32) for name in family.fields], axis=-1)


def means(family: Any, states: Any, cells: int) -> Float[np.ndarray, "*batch y x channel"]:
    """States on other cells: means over them, of what is constant in each of the old ones."""
    return np.asarray(grid_of(family, states.shape[-2]).transfer(jnp.asarray(states), grid_of(family, cells)))


def judged(family: Any, states: Any, cells: int) -> Float[np.ndarray, "*batch y x channel"]:
    """States on the cells that all are judged on; where these do not hold whole cells, each is first parted into halves
    of a limited slope, so that no solver is told worse than it is."""
    while states.shape[-2] % cells:
        for axis in (-3, -2):
            states = _halved(np.moveaxis(np.asarray(states), axis, -1), axis)
    return means(family, states, cells)


def _halved(x: np.ndarray, axis: int) -> np.ndarray:
    """Twice the cells along the last axis, which is then put back in its place."""
    below, above = x - np.roll(x, 1, -1), np.roll(x, -1, -1) - x
    middle, least = (below + above) / 2, 2 * np.minimum(np.abs(below), np.abs(above))
    slope = np.where(below * above > 0, np.sign(middle) * np.minimum(np.abs(middle), least), 0)
    halves = np.stack([x - slope / 4, x + slope / 4], axis=-1)
    return np.moveaxis(halves.reshape((*x.shape[:-1], 2 * x.shape[-1])), -1, axis)


def compiled(step: Any, states: Any) -> Compiled:
    """A call of a Stepper, compiled for states of a shape."""
    return Compiled(lambda step, u: step(u), step, jnp.asarray(states))


def rolled(
    family: Any,
    step: Any,
    first: Float[np.ndarray, "trajectory y x channel"],
    frames: int,
    cells: int,
    call: Any = None,
) -> Float[np.ndarray, "time trajectory y x channel"]:
    """Frames of a Stepper, on other cells than its own; `call`: it, compiled for as many as are stepped at once."""
    parts = []
    for i in range(0, len(first), AT_ONCE):
        states, found = jnp.asarray(first[i : i + AT_ONCE]), []
        call = compiled(step, states) if call is None else call
        for _ in range(frames):
            states = call(step, states)
            found.append(judged(family, states, cells))
        parts.append(np.stack(found))
    return np.concatenate(parts, axis=1)


def errors(
    found: Float[np.ndarray, "time trajectory y x channel"], truth: Float[np.ndarray, "time trajectory y x channel"]
) -> dict[str, Float[np.ndarray, " trajectory"]]:
    """Root mean square of errors over what a field varies by in space, all fields alike; infinite where a state is not
    a number."""
    square = lambda x, axes: np.mean(np.square(x), axis=axes)
    varies = square(truth - truth.mean((2, 3), keepdims=True), (0, 2, 3))
    with np.errstate(all="ignore"):
        each = np.nan_to_num(np.mean(square(found - truth, (2, 3)) / varies, axis=-1), nan=np.inf)
    return {FRAME: np.sqrt(each[0]), WHOLE: np.sqrt(each.mean(0))}
