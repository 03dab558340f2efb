"""Draws initial conditions, solves batches of them in float64 and rejects what the solver itself disowns."""

import dataclasses
import functools
import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pdejax.core import TimedStepper, resample, trajectory
from pdejax.equations import Problem
from pdejax.solvers import problem_stepper

ATTEMPTS = 8

Draw = Callable[[int, int], tuple[Any, Mapping[str, Any]]]
Solve = Callable[[Any, Any], tuple[Any, Any]]


@dataclasses.dataclass(frozen=True)
class Solution:
    """Accepted trajectories and what is known about them.

    - `states`: `(trajectory, time, *space, channel)`, float32.
    - `parameters`: what varies, name to `(trajectory,)`, float64.
    - `self_difference`: relative difference to the solver with half the step, `(trajectory,)`.
    - `attempts`: number of draws rejected before the accepted one, `(trajectory,)`.
    - `rejects`: one entry for each rejected draw.
    """

    states: np.ndarray
    parameters: Mapping[str, np.ndarray]
    self_difference: np.ndarray
    attempts: np.ndarray
    rejects: tuple[Mapping[str, Any], ...]


def split_seed(seed: int, split: str, attempt: int) -> int:
    """The seed of all draws of one split; each attempt has its own, so that a redraw repeats no other trajectory."""
    digest = hashlib.sha256(f"{seed}/{split}/{attempt}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1


def _self_difference(problem: Problem, states: Any, times: Any, parameters: Any) -> Any:
    """Largest relative difference, over `states`, of one frame's step and the same with half the solver step."""
    shape = problem.solve_grid.shape
    variants = [problem_stepper(problem, parameters, shape=shape, substeps=n * problem.substeps) for n in (1, 2)]

    def compare(state_and_time: Any) -> Any:
        state, time = state_and_time
        start = resample(state, shape)
        coarse, fine = (s.at(time)(start) if isinstance(s, TimedStepper) else s(start) for s in variants)
        space = tuple(range(1, start.ndim - 1))
        norm = lambda u: jnp.sqrt(jnp.sum(u**2, axis=space))
        return jnp.max(norm(coarse - fine) / jnp.maximum(norm(fine), jnp.finfo(fine.dtype).tiny), axis=-1)

    return jnp.max(jax.lax.map(compare, (states, times)), axis=0)


@functools.lru_cache(maxsize=16)
def compiled_draw(problem: Problem) -> Draw:
    """`problem.draw`, compiled for one trajectory at a time."""
    return jax.jit(problem.draw)


@functools.lru_cache(maxsize=16)
def compiled_solver(problem: Problem, frames: int) -> Solve:
    """The compiled function from initial states and parameters of a batch to stored frames and self-differences.

    The comparison with half the step starts from the first and from the last but one stored frame: a steep
    front may need time to form.
    """

    @jax.jit
    def solve(initial: Any, parameters: Any) -> tuple[Any, Any]:
        stepper = problem_stepper(problem, parameters, shape=problem.solve_grid.shape)
        step = jnp.asarray(getattr(stepper, "step_size", problem.step))
        start = problem.burn_in * step
        if problem.burn_in:
            initial = trajectory(stepper, initial, 1, inner_steps=problem.burn_in)[0]
        store = lambda u: resample(u, problem.grid.shape).astype(jnp.float32)
        states = trajectory(stepper, initial, frames - 1, include_initial=True, post=store, start_time=start)
        checked = jnp.stack([states[0], states[-2]]).astype(initial.dtype)
        times = jnp.stack([start, start + (frames - 2) * step])
        return jnp.moveaxis(states, 0, 1), _self_difference(problem, checked, times, parameters)

    return solve


class _Batch:
    """A padded batch whose rejected rows are drawn again; rows keep their place, padding repeats the last one."""

    def __init__(self, draw: Draw, indices: Sequence[int], split: str, seed: int, tolerance: float) -> None:
        self.draw, self.indices, self.split, self.seed, self.tolerance = draw, indices, split, seed, tolerance
        self.attempts = np.zeros(len(indices), np.int32)
        self.draws = [self._draw(row) for row in range(len(indices))]
        self.rejects: list[dict[str, Any]] = []

    def _draw(self, row: int) -> tuple[np.ndarray, dict[str, float]]:
        seed = split_seed(self.seed, self.split, int(self.attempts[row]))
        initial, parameters = self.draw(seed, self.indices[row])
        return np.asarray(initial, np.float64), {name: float(value) for name, value in parameters.items()}

    def arrays(self, size: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        rows = [self.draws[min(row, len(self.draws) - 1)] for row in range(size)]
        names = sorted(rows[0][1])
        return np.stack([u for u, _ in rows]), {name: np.array([p[name] for _, p in rows]) for name in names}

    def rejected(self, row: int, states: np.ndarray, difference: float) -> bool:
        """Judges one trajectory; a bad one is logged and its row drawn again."""
        finite = bool(np.all(np.isfinite(states)) and np.isfinite(difference))
        if finite and difference <= self.tolerance:
            return False
        reason = "self-difference above tolerance" if finite else "not finite"
        value = float(difference) if np.isfinite(difference) else None
        where = {"split": self.split, "index": int(self.indices[row]), "attempt": int(self.attempts[row])}
        self.rejects.append({**where, "reason": reason, "self_difference": value})
        self.attempts[row] += 1
        if self.attempts[row] == ATTEMPTS:
            raise ValueError(
                f"trajectory {self.indices[row]} of split {self.split!r} was rejected {ATTEMPTS} times, at last for "
                f"{reason} ({value}, tolerance {self.tolerance}): raise time.substeps or solver.shape of the problem"
            )
        self.draws[row] = self._draw(row)
        return True


def solve_batch(
    draw: Draw,
    solve: Solve,
    indices: Sequence[int],
    *,
    split: str,
    seed: int,
    batch_size: int,
    tolerance: float,
) -> Solution:
    """Solves the trajectories with the numbers `indices` of a split, redrawing those that fail.

    `draw` and `solve` are compiled, each for one shape, so that a trajectory does not depend on its neighbours.

    **Raises:** `ValueError` if one fails at every attempt, which means that the solver is too coarse.
    """
    count = len(indices)
    with jax.enable_x64(True):
        batch = _Batch(draw, indices, split, seed, tolerance)
        states, differences = map(np.array, solve(*batch.arrays(batch_size)))
        pending = [row for row in range(count) if batch.rejected(row, states[row], differences[row])]
        while pending:
            again, again_differences = map(np.asarray, solve(*batch.arrays(batch_size)))
            states[pending], differences[pending] = again[pending], again_differences[pending]
            pending = [row for row in pending if batch.rejected(row, states[row], differences[row])]
        parameters = batch.arrays(count)[1]
    return Solution(states[:count], parameters, differences[:count], batch.attempts, tuple(batch.rejects))


def concatenate(parts: Sequence[Solution]) -> Solution:
    """Several batches as one."""
    join = lambda name: np.concatenate([getattr(p, name) for p in parts])
    return Solution(
        join("states"),
        {k: np.concatenate([p.parameters[k] for p in parts]) for k in parts[0].parameters},
        join("self_difference"),
        join("attempts"),
        tuple(r for p in parts for r in p.rejects),
    )
