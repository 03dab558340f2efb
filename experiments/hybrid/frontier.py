"""Classical solvers of Kolmogorov flow on coarser grids with larger steps, and how long each follows the truth."""

import dataclasses
import itertools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from pdejax.core import Grid, resample, trajectory
from pdejax.equations import Equation
from pdejax.evaluation import correlation
from pdejax.solvers import spectral_stepper

THRESHOLDS = (0.95, 0.8)
AT_ONCE = 8  # trajectories of a call


class Member(NamedTuple):
    """A classical solver: points per axis, steps per frame, order, damping of its smallest waves per unit of time."""

    points: int
    steps: int
    order: int
    damping: float

    def __str__(self) -> str:
        """As rows name it."""
        damped = f", damped by {self.damping:g}" if self.damping else ""
        return f"{self.points} x {self.points} points, {self.steps} steps, order {self.order}{damped}"


@dataclasses.dataclass(frozen=True)
class Frontier:
    """The classical set and the truth. All begin with the truth's own state, each with what its points hold of it.

    **Arguments:**

    - `points`, `steps` (per frame), `orders`, `damping`: every combination is a member, of order 4 alone where it is
        damped. Damping is hyperviscosity, the square of the Laplacian, that takes so much per unit of time from the
        smallest wave left after dealiasing.
    - `truth`: points and steps of the solver that all are compared with; `exact`, `exact_of`: those of the one that
        tells its error, in double precision, on so many trajectories.
    - `settle`: frames that the truth takes before, from states on the points of the data, to regrow its small waves.
    - `frames`: that are compared.
    """

    points: tuple[int, ...] = (64, 80, 96, 128)
    steps: tuple[int, ...] = (8, 12, 16, 24)
    orders: tuple[int, ...] = (2, 4)
    damping: tuple[float, ...] = (0.0, 2.0)
    truth: tuple[int, int] = (192, 64)
    exact: tuple[int, int] = (256, 128)
    exact_of: int = 2
    settle: int = 5
    frames: int = 30

    def members(self) -> Iterator[Member]:
        """All of them, the cheapest of a grid first."""
        every = itertools.starmap(Member, itertools.product(self.points, self.steps, self.orders, self.damping))
        return (one for one in every if one.order == 4 or not one.damping)


def solver(family: Any, points: int, steps: int, order: int = 4, damping: float = 0.0) -> Any:
    """A Stepper of one frame for the equation of the data."""
    grid, equation = Grid((points, points), family.domain.lengths), family.equation
    if damping:
        smallest = 2 * np.pi / grid.lengths[0] * (points // 3)
        terms = equation.terms[0].replace("nu*lap(w)", "nu*lap(w) - hyper*lap(lap(w))")
        equation = Equation(terms, {**equation.parameters, "hyper": damping / smallest**4}, ndim=2)
    return spectral_stepper(equation, grid, family.step / steps, substeps=steps, order=order)


def rolled(step: Callable[[Any], Any], first: Any, frames: int, points: int, inner: int) -> np.ndarray:
    """Frames of a Stepper on other points than those of the data, `(time, trajectory, *space, channel)`."""

    @eqx.filter_jit
    def run(step: Any, u: Any) -> Any:
        move = lambda u: resample(u, (points, points))
        return jax.lax.map(move, trajectory(step, resample(u, (inner, inner)), frames))

    parts = [run(step, first[i : i + AT_ONCE]) for i in range(0, len(first), AT_ONCE)]
    return np.concatenate([np.asarray(part, np.float32) for part in parts], axis=1)


def followed(
    found: Float[np.ndarray, "time trajectory y x channel"],
    truth: Float[np.ndarray, "time trajectory y x channel"],
    frame: float,
) -> dict[str, Float[np.ndarray, " trajectory"]]:
    """Time until the correlation falls below each threshold, on a straight line between frames; of the last frame at
    most."""
    with np.errstate(all="ignore"):
        curve = np.nan_to_num(np.asarray(correlation(jnp.asarray(found), jnp.asarray(truth))), nan=-1.0)
    curve = np.concatenate([np.ones_like(curve[:1]), curve])
    return {
        f"{threshold:g}": frame * np.array([_crossing(each, threshold) for each in curve.T]) for threshold in THRESHOLDS
    }


def _crossing(curve: Float[np.ndarray, " time"], threshold: float) -> float:
    below = np.flatnonzero(curve < threshold)
    if not len(below):
        return float(len(curve) - 1)
    after = below[0]
    high, low = curve[after - 1], curve[after]
    return float(after - 1 + (high - threshold) / (high - low))
