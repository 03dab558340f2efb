"""Seconds of compiled calls, measured in turns by two clocks.

XLA's threads cannot be taken away inside of a process. So one core's time is told by the processor time of the whole
process: what all its threads have worked, which one core would need that did the same work alone (waiting threads and
the division of work count in it, so it is rather too long than too short, for networks and for solvers alike). It
depends little on what else the machine does. The wall clock tells what all cores together need, on a machine that does
nothing else. Where another device computes, the processor's time says nothing of it, and the wall clock alone counts.
"""

import dataclasses
import math
import time
from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Float

CPU, WALL = "cpu", "wall"
CLOCKS = {CPU: time.process_time, WALL: time.perf_counter}
HASTY: Any = {"xla_backend_optimization_level": 0}
REPEATS = 5
SHORTEST = 0.05  # seconds of a repeat: a system adds up what the threads of a process worked every 4 ms or so

Call = Callable[[], Any]


class Compiled:
    """A function compiled for its arguments; a call of it is one dispatch, with nothing of Python around it.

    **Arguments:** `function`; `arguments`: trees that may hold what is no array, such as modules; `hasty`: whether
    compiling should take less time than it is worth for a program that runs often.
    """

    def __init__(self, function: Callable[..., Any], *arguments: Any, hasty: bool = False) -> None:
        arrays, static = eqx.partition(arguments, eqx.is_array)
        self._leaves, structure = jax.tree.flatten(arrays)
        of_leaves: Any = lambda leaves: function(*eqx.combine(jax.tree.unflatten(structure, leaves), static))
        options = HASTY if hasty and jax.default_backend() == "cpu" else None
        self._run = jax.jit(of_leaves).lower(self._leaves).compile(compiler_options=options)

    def __call__(self, *arguments: Any) -> Any:
        """The result, waited for, of the arguments it was compiled for, or of others that differ in arrays alone."""
        leaves = jax.tree.leaves(eqx.filter(arguments, eqx.is_array)) if arguments else self._leaves
        return jax.block_until_ready(self._run(leaves))


@dataclasses.dataclass(frozen=True)
class Clocks:
    """What tells the time; a test brings its own.

    **Arguments:** `now`: by name functions that give seconds; `shortest`: seconds that a repeat lasts at least.
    """

    now: Mapping[str, Callable[[], float]] = dataclasses.field(default_factory=lambda: CLOCKS)
    shortest: float = dataclasses.field(default_factory=lambda: SHORTEST)

    def read(self) -> np.ndarray:
        """All of them, `(clock,)`."""
        return np.array([now() for now in self.now.values()])


def usual_currency() -> str:
    """The clock by which prices are told first: `cpu` where processors compute."""
    return CPU if jax.default_backend() == "cpu" else WALL


def interleaved(
    calls: Mapping[Any, Call], *, repeats: int = REPEATS, clocks: Clocks | None = None
) -> dict[Any, dict[str, Float[np.ndarray, " repeat"]]]:
    """Seconds of calls whose repeats take turns, so that a slow moment of the machine falls on all of them.

    **Arguments:** `calls`: by name, each compiled and waiting for its result; called once before anything counts.
    `repeats`; `clocks`: the process's own when omitted.

    **Returns:** by name of the call and of the clock the seconds of one call in each repeat.
    """
    clocks = clocks or Clocks()
    counts = {name: _count(call, clocks) for name, call in calls.items()}
    found = {name: np.zeros((repeats, len(clocks.now))) for name in calls}
    for i in range(repeats):
        for name, call in calls.items():
            before = clocks.read()
            for _ in range(counts[name]):
                call()
            found[name][i] = (clocks.read() - before) / counts[name]
    return {name: dict(zip(clocks.now, each.T, strict=True)) for name, each in found.items()}


def quickest(call: Call, clocks: Clocks, repeats: int = 3) -> float:
    """Seconds of the quickest of some calls, by the clock that is told first: a guess that needs no turns."""
    found = []
    for _ in range(repeats):
        before = clocks.read()
        call()
        found.append(clocks.read() - before)
    return float(np.min(found, axis=0)[list(clocks.now).index(usual_currency())])


def _count(call: Call, clocks: Clocks) -> int:
    """How many calls a repeat has, by the wall clock if there is one: it has the finest steps, and the threads of
    a call that computes work at least as long as it lasts. The first call, which may be slower, does not tell."""
    call()
    before = clocks.read()
    call()
    took = dict(zip(clocks.now, clocks.read() - before, strict=True))
    once = float(took.get(WALL, max(took.values())))
    return max(1, math.ceil(clocks.shortest / once)) if once > 0 else 1
