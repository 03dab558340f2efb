"""The price of networks beside the classical solver of the same error: what every report of trajectories holds."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np

from pdejax.core import Key
from pdejax.equations import Family
from pdejax.evaluation.baselines.baseline import solved_by
from pdejax.evaluation.predictor import bound
from pdejax.evaluation.price.classical import (
    ALONE,
    Member,
    Unpriced,
    is_reference,
    levels,
    next_to,
    searched,
    variants_of,
)
from pdejax.evaluation.price.describe import Measured, host_key, member_entry, network_entry
from pdejax.evaluation.price.floor import floor_of
from pdejax.evaluation.price.solving import Solver, errors_of
from pdejax.evaluation.price.timing import Call, Clocks, Compiled, interleaved, quickest, usual_currency
from pdejax.evaluation.price.upfront import Spent
from pdejax.evaluation.reference import Reference
from pdejax.solvers import Simulator, Variant

TRAJECTORIES, BATCH, FRAMES = 32, 16, 20  # at most
LASTING = 0.5  # seconds of a call, beyond which it has fewer frames
DEARER = 4.0  # times a member's seconds at least takes the one in float64 that tells the floor


@dataclasses.dataclass(frozen=True)
class Network:
    """What is priced.

    **Arguments:** `predictor`; `history`: frames it starts from; `curves`: that were measured of it; `seconds`: of a
    step of a trajectory, about; `spent`: before it could solve anything; `alone`: the solver that it works with, as a
    predictor, if there is one.
    """

    predictor: Any
    history: int
    curves: Mapping[str, np.ndarray]
    seconds: float
    spent: Spent = dataclasses.field(default_factory=Spent)
    alone: Any = None


def price_section(
    data: Any,
    split: str,
    truth: Reference,
    networks: Mapping[str, Network],
    *,
    key: Key | None = None,
    clocks: Clocks | None = None,
) -> dict[str, Any]:
    """What networks cost beside the classical solver of the same error; see `LAYOUT` of `describe`.

    **Arguments:** `data`, `split`, `truth`: on which they were measured; `networks`: by name; `key`: of stochastic
    ones; `clocks`: the process's own when omitted.

    **Returns:** the section, with a `reason` alone where there is no classical set.
    """
    try:
        return _price(data, split, truth, networks, key, clocks or Clocks())
    except Unpriced as reason:
        return {"reason": str(reason)}


def _price(
    data: Any, split: str, truth: Reference, networks: Mapping[str, Network], key: Key | None, clocks: Clocks
) -> dict[str, Any]:
    family, simulator, variants = _solved(data)
    count = min(TRAJECTORIES, len(truth.states))
    batches = list(dict.fromkeys([min(BATCH, count), 1]))
    elapsed = 0 if family.times is None else family.times.burn_in + max(truth.start, 0)
    errors = {name: errors_of(one.curves, count, steady=family.steady) for name, one in networks.items()}
    solver = Solver(simulator, family, data.domain, elapsed)
    floor = floor_of(solver, truth, getattr(data, "manifest", {}), split)
    solver = dataclasses.replace(solver, frames=frames_of_a_call(truth, batches[0], floor.seconds / DEARER))
    wanted = [levels(one, floor.levels) for one in errors.values()]
    members = searched(variants, _Runs(solver, truth, count, batches[0], clocks), wanted, floor.levels)
    if all(is_reference(one.variant, simulator, family) for one in members if one.stable):
        raise Unpriced(f"no coarser variant of the solver stays within the range of the data, and {ALONE}")
    seconds, clock = {}, usual_currency()
    chosen = next_to(members, {i: one.seconds for i, one in enumerate(members)}, floor.levels, wanted)
    for batch in batches:
        seconds[batch] = _seconds(solver, {i: members[i] for i in chosen}, networks, truth, batch, key, clocks)
        taken = {i: float(np.median(seconds[batch][i][clock])) for i in chosen}
        # in a smaller batch those on the envelope are enough
        chosen = next_to(members, taken, floor.levels, wanted, 1)
    measured = Measured(members, floor, seconds, clock, len(truth.times))
    return {
        "reason": None,
        "currency": clock,
        "batches": batches,
        "repeats": measured.repeats,
        "trajectories": count,
        "steps": len(truth.times),
        "metrics": measured.metrics,
        "floor": {**floor.levels, "how": floor.how},
        "set": measured.counts(len(variants)),
        "solvers": [member_entry(measured, i) for i in range(len(members))],
        "networks": {name: network_entry(measured, name, errors[name], one.spent) for name, one in networks.items()},
    }


def _solved(data: Any) -> tuple[Family, Simulator, list[Variant]]:
    """What the data solve, by what, and what that can trade."""
    try:
        family, simulator = solved_by(data)
    except ValueError as reason:
        raise Unpriced(str(reason)) from None
    return family, simulator, variants_of(simulator, family)


def model_price(
    document: Mapping[str, Any], arrays: Mapping[str, np.ndarray], data: Any, truth: Reference, predictor: Any,
    key: Key | None, spent: Spent, alone: Any = None,
) -> dict[str, Any]:  # fmt: skip
    """The price of the model of an evaluation, from what was measured of it; `alone`: the solver that it works with."""
    curves = {name.removeprefix("model/"): x for name, x in arrays.items() if name.startswith("model/")}
    model = document["systems"]["model"]
    history = document["protocol"]["history"]
    one = Network(predictor, history, {**curves, "times": truth.times}, model["cost"]["seconds"], spent, alone)
    return price_section(data, document["dataset"]["split"], truth, {"model": one}, key=key)


def frames_of_a_call(truth: Reference, batch: int, seconds: float) -> int:
    """Frames that one call gives: fewer where one takes so many seconds of a trajectory."""
    most = LASTING / max(batch * seconds, 1e-9)
    return max(1, int(min(most, FRAMES, len(truth.times))))


class _Runs:
    """Measures members one after the other; those of a line share a program, where they can.

    **Arguments:** `solver`: all but its resolution; `truth`; `count`: trajectories, of which `batch` at a time;
    `clocks`.
    """

    def __init__(self, solver: Solver, truth: Reference, count: int, batch: int, clocks: Clocks) -> None:
        self._solver, self._truth, self._count, self._batch, self._clocks = solver, truth, count, batch, clocks
        self._programs: dict[str, Compiled] = {}

    def __call__(self, variant: Variant) -> Member:
        solver = dataclasses.replace(self._solver, simulator=variant.simulator, shared=variant.shared)
        arguments = solver.arguments(self._truth, np.arange(self._batch))
        program = self._programs.get(variant.line) if variant.shared else None
        program = solver.compiled(arguments) if program is None else program
        self._programs[variant.line] = program
        errors = solver.errors(self._truth, self._count, program, arguments)
        seconds = 0.0 if errors is None else quickest(lambda: program(*arguments), self._clocks)
        return Member(variant, errors or {}, seconds * len(self._truth.times) / (self._batch * solver.frames))


def _seconds(
    solver: Solver, chosen: Mapping[int, Member], networks: Mapping[str, Network], truth: Reference, batch: int,
    key: Any, clocks: Clocks,
) -> dict[Any, dict[str, np.ndarray]]:  # fmt: skip
    """Seconds of a solve, `(repeat,)` by clock: of members by their number, of networks by name."""
    rows, steps = np.arange(batch), len(truth.times)
    calls: dict[Any, Call] = {}
    scale: dict[Any, float] = {}
    for i, one in chosen.items():
        mine = dataclasses.replace(solver, simulator=one.variant.simulator)
        calls[i] = mine.compiled(mine.arguments(truth, rows))
        scale[i] = steps / (batch * mine.frames)
    for name, one in networks.items():
        frames = frames_of_a_call(truth, batch, one.seconds)
        for of, predictor, history in ((name, one.predictor, one.history), (host_key(name), one.alone, 1)):
            if predictor is not None:
                calls[of] = _call(predictor, history, truth, rows, frames, key)
                scale[of] = steps / (batch * frames)
    taken = interleaved(calls, clocks=clocks)
    return {name: {clock: scale[name] * each for clock, each in of.items()} for name, of in taken.items()}


def _call(predictor: Any, history: int, truth: Reference, rows: np.ndarray, frames: int, key: Any) -> Compiled:
    times = truth.times[:frames]
    given = {name: jnp.asarray(values[rows]) for name, values in truth.parameters.items()}
    predict = lambda one, u, key: one.predict(u, times, key=key)
    return Compiled(predict, bound(predictor, given), jnp.asarray(truth.initial(history)[rows]), key)
