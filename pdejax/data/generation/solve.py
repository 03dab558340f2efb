"""Draws initial conditions or inputs, solves batches of them in float64, rejects what the solver itself disowns."""

import dataclasses
import functools
import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pdejax.equations import Family
from pdejax.solvers import Simulator

ATTEMPTS = 8

Draw = Callable[[int, int], tuple[Mapping[str, Any], Mapping[str, Any]]]
Solve = Callable[[Any, Any], tuple[Any, Any, Any]]


@dataclasses.dataclass(frozen=True)
class Solution:
    """Accepted trajectories and what is known about them.

    - `states`: `(trajectory, time, *space, channel)`, float32.
    - `inputs`: fields given beside the initial state, `(trajectory, *space, input)`, float32.
    - `parameters`: what varies, name to `(trajectory,)`, float64.
    - `self_difference`: what the tolerance bounds, in the measure `simulator.checks`, `(trajectory,)`.
    - `attempts`: number of draws rejected before the accepted one, `(trajectory,)`.
    - `rejects`: one entry for each rejected draw.
    """

    states: np.ndarray
    inputs: np.ndarray
    parameters: Mapping[str, np.ndarray]
    self_difference: np.ndarray
    attempts: np.ndarray
    rejects: tuple[Mapping[str, Any], ...]


def split_seed(seed: int, split: str, attempt: int) -> int:
    """The seed of all draws of one split; each attempt has its own, so that a redraw repeats no other trajectory."""
    digest = hashlib.sha256(f"{seed}/{split}/{attempt}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1


@functools.lru_cache(maxsize=16)
def compiled_draw(family: Family, simulator: Simulator) -> Draw:
    """`family.draw` on the simulator's domain, compiled for one trajectory at a time."""
    domain = simulator.domain(family)
    return jax.jit(lambda seed, index: family.draw(seed, index, domain))


@functools.lru_cache(maxsize=16)
def compiled_solver(family: Family, simulator: Simulator, frames: int) -> Solve:
    """The function from drawn fields and parameters of a batch to stored frames, stored inputs and the number per
    sample that the tolerance bounds; compiled, if the simulator is not outside code."""
    times = np.zeros(frames) if family.times is None else family.times.frames(frames)

    def solve(fields: Any, parameters: Any) -> tuple[Any, Any, Any]:
        found = simulator(family, fields, parameters, times)
        module = np if simulator.outside else jnp
        store = lambda x: module.asarray(x).astype(np.float32)
        return store(found.states), store(found.inputs), simulator.check(family, found, parameters)

    return solve if simulator.outside else jax.jit(solve)


class _Batch:
    """A padded batch whose rejected rows are drawn again; rows keep their place, padding repeats the last one."""

    def __init__(
        self, family: Family, simulator: Simulator, indices: Sequence[int], split: str, seed: int, tolerance: float
    ) -> None:
        self.simulator, self.draw = simulator, compiled_draw(family, simulator)
        self.indices, self.split, self.seed, self.tolerance = indices, split, seed, tolerance
        self.attempts = np.zeros(len(indices), np.int32)
        self.draws = [self._draw(row) for row in range(len(indices))]
        self.rejects: list[dict[str, Any]] = []

    def _draw(self, row: int) -> tuple[dict[str, np.ndarray], dict[str, float]]:
        seed = split_seed(self.seed, self.split, int(self.attempts[row]))
        fields, parameters = self.draw(seed, self.indices[row])
        fields = {name: np.asarray(values, np.float64) for name, values in fields.items()}
        return fields, {name: float(value) for name, value in parameters.items()}

    def arrays(self, size: int) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        rows = [self.draws[min(row, len(self.draws) - 1)] for row in range(size)]
        fields = {name: np.stack([u[name] for u, _ in rows]) for name in rows[0][0]}
        return fields, {name: np.array([p[name] for _, p in rows]) for name in sorted(rows[0][1])}

    def rejected(self, row: int, states: np.ndarray, difference: float) -> bool:
        """Judges one trajectory; a bad one is logged and its row drawn again."""
        finite = bool(np.all(np.isfinite(states)) and np.isfinite(difference))
        if finite and difference <= self.tolerance:
            return False
        reason = f"{self.simulator.checks} above tolerance" if finite else "not finite"
        value = float(difference) if np.isfinite(difference) else None
        where = {"split": self.split, "index": int(self.indices[row]), "attempt": int(self.attempts[row])}
        self.rejects.append({**where, "reason": reason, "self_difference": value})
        self.attempts[row] += 1
        if self.attempts[row] == ATTEMPTS:
            raise ValueError(
                f"trajectory {self.indices[row]} of split {self.split!r} was rejected {ATTEMPTS} times, at last for "
                f"{reason} ({value}, tolerance {self.tolerance}): {self.simulator.remedy}"
            )
        self.draws[row] = self._draw(row)
        return True


def solve_batch(
    family: Family,
    simulator: Simulator,
    frames: int,
    indices: Sequence[int],
    *,
    split: str,
    seed: int,
    batch_size: int,
    tolerance: float,
) -> Solution:
    """Solves the trajectories with the numbers `indices` of a split, redrawing those that fail.

    Drawing and solving are compiled, each for one shape, so that a trajectory does not depend on its neighbours.

    **Raises:** `ValueError` if one fails at every attempt, which means that the solver is too coarse.
    """
    count, solve = len(indices), compiled_solver(family, simulator, frames)
    with jax.enable_x64(True):
        batch = _Batch(family, simulator, indices, split, seed, tolerance)
        states, inputs, differences = map(np.array, solve(*batch.arrays(batch_size)))
        pending = [row for row in range(count) if batch.rejected(row, states[row], differences[row])]
        while pending:
            again = [np.asarray(x) for x in solve(*batch.arrays(batch_size))]
            states[pending], inputs[pending], differences[pending] = (x[pending] for x in again)
            pending = [row for row in pending if batch.rejected(row, states[row], differences[row])]
        parameters = batch.arrays(count)[1]
    return Solution(
        states[:count], inputs[:count], parameters, differences[:count], batch.attempts, tuple(batch.rejects)
    )


def concatenate(parts: Sequence[Solution]) -> Solution:
    """Several batches as one."""
    join = lambda name: np.concatenate([getattr(p, name) for p in parts])
    return Solution(
        join("states"),
        join("inputs"),
        {k: np.concatenate([p.parameters[k] for p in parts]) for k in parts[0].parameters},
        join("self_difference"),
        join("attempts"),
        tuple(r for p in parts for r in p.rejects),
    )
