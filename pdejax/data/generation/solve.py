"""Draws initial conditions or inputs, solves batches of them in float64, rejects what the solver itself disowns."""

import dataclasses
import functools
import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pdejax.data.generation.resolution import GridCheck
from pdejax.equations import Family, check_admissible, divergence_of
from pdejax.solvers import Doubling, Resolving, Simulator

ATTEMPTS = 8
HIGHEST = "the share of the highest modes in the first two frames"

Draw = Callable[[int, int, int], tuple[Mapping[str, Any], Mapping[str, Any]]]
Solve = Callable[[Any, Any], tuple[Any, ...]]


@dataclasses.dataclass(frozen=True)
class Solution:
    """Accepted trajectories and what is known about them.

    - `states`: `(trajectory, time, *space, channel)`, float32.
    - `inputs`: fields given beside the initial state, `(trajectory, *space, input)`, float32.
    - `parameters`: what varies, name to `(trajectory,)`, float64.
    - `self_difference`: what the tolerance bounds, in the measure `simulator.checks`, `(trajectory,)`.
    - `tail`: largest share of a field's size in the highest modes, `(trajectory,)`; none where no grid is judged.
    - `space_error`: what the tolerance of the grid bounds, not a number where it was not measured, `(trajectory,)`.
    - `attempts`: number of draws rejected before the accepted one, `(trajectory,)`.
    - `rejects`: one entry for each rejected draw.
    """

    states: np.ndarray
    inputs: np.ndarray
    parameters: Mapping[str, np.ndarray]
    self_difference: np.ndarray
    tail: np.ndarray
    space_error: np.ndarray
    attempts: np.ndarray
    rejects: tuple[Mapping[str, Any], ...]


def split_seed(seed: int, split: str, attempt: int) -> int:
    """The seed of all draws of one split; each attempt has its own, so that a redraw repeats no other trajectory."""
    digest = hashlib.sha256(f"{seed}/{split}/{attempt}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1


@functools.lru_cache(maxsize=16)
def compiled_draw(family: Family, simulator: Simulator) -> Draw:
    """`family.draw` on the simulator's domain, compiled for one trajectory at a time: fields of one seed, and what
    varies of another."""
    domain = simulator.domain(family)

    def draw(seed: Any, first: Any, index: Any) -> Any:
        return family.draw(seed, index, domain, parameters=family.draw_parameters(first, index))

    return jax.jit(draw)


def drawn_divergence(family: Family, simulator: Simulator, split: str, seed: int) -> float:
    """The divergence of the velocity that is drawn first, see `divergence_of`; zero of equations that know none."""
    if not getattr(family.equation, "solenoidal", ()):
        return 0.0
    with jax.enable_x64(True):
        this = split_seed(seed, split, 0)
        fields, _ = compiled_draw(family, simulator)(this, this, 0)
    return divergence_of(family.equation, {name: np.asarray(u) for name, u in fields.items()}, simulator.domain(family))


@functools.lru_cache(maxsize=16)
def compiled_solver(family: Family, simulator: Simulator, frames: int) -> Solve:
    """The function from drawn fields and parameters of a batch to stored frames, stored inputs, the number per sample
    that the tolerance bounds, the tails of the frames and the errors of the grid, if it tells them; compiled, if the
    simulator is not outside code."""
    times = np.zeros(frames) if family.times is None else family.times.frames(frames)

    def solve(fields: Any, parameters: Any) -> tuple[Any, ...]:
        found = simulator(family, fields, parameters, times)
        module = np if simulator.outside else jnp
        store = lambda x: module.asarray(x).astype(np.float32)
        count = len(found.states)
        tails = found.record.get("tail", module.zeros((count, 0)))
        errors = found.record.get("space_error")  # one that is no number is as bad as can be
        unknown = module.full((count,), module.nan)
        errors = unknown if errors is None else module.where(module.isnan(errors), module.inf, errors)
        return store(found.states), store(found.inputs), simulator.check(family, found, parameters), tails, errors

    return solve if simulator.outside else jax.jit(solve)


class _Batch:
    """A padded batch whose rejected rows are drawn again; rows keep their place, padding repeats the last one."""

    def __init__(
        self,
        family: Family,
        simulator: Simulator,
        indices: Sequence[int],
        split: str,
        seed: int,
        tolerance: float,
        space_tolerance: float | None,
        grid: GridCheck | None,
    ) -> None:
        self.family, self.simulator, self.draw = family, simulator, compiled_draw(family, simulator)
        self.indices, self.split, self.seed, self.tolerance, self.grid = indices, split, seed, tolerance, grid
        self.space_tolerance = space_tolerance
        self.attempts = np.zeros(len(indices), np.int32)
        self.tail = np.full(0 if space_tolerance is None else len(indices), np.nan)
        self.space_error = self.tail.copy()
        self.draws = [self._draw(row) for row in range(len(indices))]
        self.rejects: list[dict[str, Any]] = []

    def _draw(self, row: int) -> tuple[dict[str, np.ndarray], dict[str, float]]:
        """Fields of this attempt with the parameters of the first: what is rejected does not thin out their range."""
        this, first = (split_seed(self.seed, self.split, attempt) for attempt in (int(self.attempts[row]), 0))
        fields, parameters = self.draw(this, first, self.indices[row])
        fields = {name: np.asarray(values, np.float64) for name, values in fields.items()}
        try:
            check_admissible(self.family.equation, fields, parameters, self.simulator.domain(self.family))
        except ValueError as error:
            raise ValueError(f"trajectory {self.indices[row]} of split {self.split!r}: {error}") from None
        return fields, {name: float(value) for name, value in parameters.items()}

    def arrays(self, size: int) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        rows = [self.draws[min(row, len(self.draws) - 1)] for row in range(size)]
        fields = {name: np.stack([u[name] for u, _ in rows]) for name in rows[0][0]}
        return fields, {name: np.array([p[name] for _, p in rows]) for name in sorted(rows[0][1])}

    def rejected(self, row: int, states: np.ndarray, difference: float, tails: np.ndarray, error: float) -> bool:
        """Judges one trajectory; a bad one is logged and its row drawn again."""
        finite = bool(np.all(np.isfinite(states)) and np.isfinite(difference))
        value, tolerance, remedy = difference, self.tolerance, self.simulator.remedy
        if not finite:
            reason = "not finite"
        elif difference > self.tolerance:
            reason = f"{self.simulator.checks} above tolerance"
        elif self.grid is not None and self.grid.rings(tails):
            value, tolerance, reason = float(tails[:2].min()), self.grid.most_tail, f"{HIGHEST} above tolerance"
            assert isinstance(self.simulator, Resolving)
            remedy = f"{self.simulator.finer_grid(self.family)}; where it jumps take solver finite_volume"
        elif (space_error := self._unresolved(row, states, tails, error)) is not None:
            assert isinstance(self.simulator, Resolving)
            assert self.space_tolerance is not None
            value, tolerance = space_error, self.space_tolerance
            reason, remedy = f"{self.simulator.grid_checks} above tolerance", self.simulator.finer_grid(self.family)
        else:
            return False
        shown = value if np.isfinite(value) else None
        measured = "" if not finite else f" ({'none' if shown is None else f'{shown:.3g}'}, tolerance {tolerance:g})"
        where = {"split": self.split, "index": int(self.indices[row]), "attempt": int(self.attempts[row])}
        parameters = self.draws[row][1]
        self.rejects.append({**where, "reason": reason, "self_difference": shown, "parameters": parameters})
        self.attempts[row] += 1
        if self.attempts[row] == ATTEMPTS:
            having = ", ".join(f"{name}={number:.4g}" for name, number in parameters.items())
            raise ValueError(
                f"trajectory {self.indices[row]} of split {self.split!r}{having and f' with {having}'} was rejected "
                f"{ATTEMPTS} times, at last for {reason}{measured}: {remedy}"
            )
        self.draws[row] = self._draw(row)
        return True

    def _unresolved(self, row: int, states: np.ndarray, tails: np.ndarray, error: float) -> float | None:
        """The error of the grid where it is too large; notes what was found."""
        if self.space_tolerance is None:
            return None
        if self.grid is None:
            self.space_error[row] = error
            return error if error > self.space_tolerance else None
        fields, parameters = self.draws[row]
        error = self.grid.error(fields, parameters, states, tails, self.indices[row])
        self.tail[row], self.space_error[row] = tails.max(), error
        return error if self.grid.fails(self.tail[row], error) else None


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
    space_tolerance: float | None = None,
) -> Solution:
    """Solves the trajectories with the numbers `indices` of a split, redrawing those that fail.

    Drawing and solving are compiled, each for one shape, so that a trajectory does not depend on its neighbours.

    **Raises:** `ValueError` if one fails at every attempt, which means that the solver is too coarse.
    """
    count, solve = len(indices), compiled_solver(family, simulator, frames)
    with jax.enable_x64(True):
        allowed = space_tolerance if isinstance(simulator, Resolving) else None
        apart = allowed is not None and isinstance(simulator, Doubling)
        grid = GridCheck(family, simulator, frames, allowed) if apart else None  # type: ignore[arg-type]
        batch = _Batch(family, simulator, indices, split, seed, tolerance, allowed, grid)
        states, inputs, differences, tails, errors = map(np.array, solve(*batch.arrays(batch_size)))
        bad = lambda row: batch.rejected(row, states[row], float(differences[row]), tails[row], float(errors[row]))
        pending = [row for row in range(count) if bad(row)]
        while pending:
            again = [np.asarray(x) for x in solve(*batch.arrays(batch_size))]
            for kept, found in zip((states, inputs, differences, tails, errors), again, strict=True):
                kept[pending] = found[pending]
            pending = [row for row in pending if bad(row)]
        parameters = batch.arrays(count)[1]
    return Solution(
        states=states[:count],
        inputs=inputs[:count],
        parameters=parameters,
        self_difference=differences[:count],
        tail=batch.tail,
        space_error=batch.space_error,
        attempts=batch.attempts,
        rejects=tuple(batch.rejects),
    )


def concatenate(parts: Sequence[Solution]) -> Solution:
    """Several batches as one."""
    join = lambda name: np.concatenate([getattr(p, name) for p in parts])
    return Solution(
        states=join("states"),
        inputs=join("inputs"),
        parameters={k: np.concatenate([p.parameters[k] for p in parts]) for k in parts[0].parameters},
        self_difference=join("self_difference"),
        tail=join("tail"),
        space_error=join("space_error"),
        attempts=join("attempts"),
        rejects=tuple(r for p in parts for r in p.rejects),
    )
