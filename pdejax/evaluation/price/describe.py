"""What the document holds of a price."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pdejax.evaluation.price.breakeven import Priced, amdahl, quoted
from pdejax.evaluation.price.classical import QUANTILES, Member, levels
from pdejax.evaluation.price.floor import Floor
from pdejax.evaluation.price.solving import Errors
from pdejax.evaluation.price.upfront import Spent

LAYOUT = """\
price         what models cost beside the best classical solver of the same error; with `reason`, why there is none, or
              with null there and all of the following
  currency                   the clock that is told first: "cpu" (processor seconds of the process, what one core would
                             need) or, where another device computes, "wall" (all cores, or the device)
  batches, repeats           trajectories solved at once, the first told first; of each timing, in turns
  trajectories, steps        whose errors are compared; a solve is so many steps of one trajectory
  metrics                    the priced errors, the first told first
  floor                      by metric median and p95: below it the truth is not known; how (in words)
  set                        variants (of the classical set), run, unstable, in_turns (timed with the models); the
                             others were beaten by cheaper ones, or dearer than needed
  solvers                    those that were run: setting, stable, error (by metric median and p95), at_floor (as
                             error), seconds (of a solve, by batch and clock: value, low and high over repeats; of those
                             in turns), about (seconds of a solve in the first batch by the first clock, from one run)
  networks                   by name of the model: error, seconds as of solvers; spent: training and data (seconds by
                             clock or null), trials, without (what is not known); quotes; host: of one that works
                             with a solver, else null: seconds (of that solver alone), and in the first batch by the
                             first clock share (of it in a solve) and limit (by how much a free network would be faster)
    quotes                   for each metric, quantile, batch and clock: error, at_floor, seconds and solver_seconds (of
                             a solve), solver (number among `solvers` of the cheapest that is as accurate), end
                             ("inside" the envelope; "cheap": even the cheapest solver is more accurate; "accurate":
                             none is as accurate), speed_up and breakeven (solves that repay, or "never"), each with
                             _interval and _bound ("<=", ">=" or null), hours (of solving until then), reason
"""

Seconds = Mapping[int, Mapping[Any, Mapping[str, np.ndarray]]]
"""By batch, by the number of a member or the name of a network, by clock: `(repeat,)`."""


@dataclasses.dataclass(frozen=True)
class Measured:
    """Everything that was measured.

    **Arguments:** `members`: that were run; `floor`; `seconds`: of a solve, of some members; `currency`: the clock told
    first; `steps`: of a solve.
    """

    members: Sequence[Member]
    floor: Floor
    seconds: Seconds
    currency: str
    steps: int

    @property
    def metrics(self) -> list[str]:
        """The error of the whole solve first."""
        return list(self.floor.levels)[::-1]

    @property
    def _first(self) -> Mapping[Any, Mapping[str, np.ndarray]]:
        return next(iter(self.seconds.values()))

    @property
    def repeats(self) -> int:
        """Of each timing."""
        return len(next(iter(self._first.values()))[self.currency])

    @property
    def clocks(self) -> list[str]:
        """The one told first first."""
        return sorted(next(iter(self._first.values())), key=lambda name: name != self.currency)

    @property
    def haste(self) -> float:
        """What makes seconds that were taken once like those in turns, by the first batch and clock."""
        turns = {i: np.median(self._first[i][self.currency]) for i in self.timed(next(iter(self.seconds)))}
        return float(np.median([seconds / max(self.members[i].seconds, 1e-12) for i, seconds in turns.items()]))

    def timed(self, batch: int) -> list[int]:
        """Numbers of the members that were timed in turns."""
        return [i for i in range(len(self.members)) if i in self.seconds[batch]]

    def counts(self, variants: int) -> dict[str, int]:
        """How many there are of what."""
        unstable, turns = sum(not one.stable for one in self.members), self.timed(next(iter(self.seconds)))
        return {"variants": variants, "run": len(self.members), "unstable": unstable, "in_turns": len(turns)}

    def times(self, name: Any) -> dict[str, Any]:
        """Seconds of a solve by batch and clock."""
        each = lambda x: {"value": float(np.median(x)), "low": float(x.min()), "high": float(x.max())}
        return {str(b): {c: each(x) for c, x in of[name].items()} for b, of in self.seconds.items() if name in of}


def host_key(name: str) -> tuple[str, str]:
    """What timings call the solver that a network works with."""
    return (name, "host")


def member_entry(measured: Measured, number: int) -> dict[str, Any]:
    """A member that was run, by its number."""
    one, floor = measured.members[number], measured.floor.levels
    raw = levels(one.errors)
    return {
        "setting": dict(one.variant.setting),
        "stable": one.stable,
        "error": raw or None,
        "at_floor": {m: {q: raw[m][q] <= floor[m][q] for q in QUANTILES} for m in raw} or None,
        "seconds": measured.times(number),
        "about": one.seconds * measured.haste if one.stable else None,
    }


def network_entry(measured: Measured, name: str, errors: Errors, spent: Spent) -> dict[str, Any]:
    """A network with all that can be said of its price."""
    quotes = [
        _quote(measured, name, errors, spent, metric, quantile, batch, clock)
        for metric in measured.metrics
        for quantile in QUANTILES
        for batch in measured.seconds
        for clock in measured.clocks
    ]
    own = {"error": levels(errors), "seconds": measured.times(name), "spent": spent.described(), "quotes": quotes}
    return {**own, "host": _host(measured, name)}


def _host(measured: Measured, name: str) -> dict[str, Any] | None:
    """What the solver takes that a network works with, and what is left to gain from a cheaper network."""
    batch = str(next(iter(measured.seconds)))
    if not (alone := measured.times(host_key(name))):
        return None
    share = min(1.0, alone[batch][measured.currency]["value"] / measured.times(name)[batch][measured.currency]["value"])
    return {"seconds": alone, "share": share, "limit": amdahl(1 - share, math.inf)}


def _quote(
    measured: Measured, name: str, errors: Errors, spent: Spent, metric: str, quantile: str, batch: int, clock: str
) -> dict[str, Any]:
    seconds, timed = measured.seconds[batch], measured.timed(batch)
    given = Priced(
        errors[metric],
        seconds[name][clock],
        np.stack([measured.members[i].errors[metric] for i in timed]),
        np.stack([seconds[i][clock] for i in timed]),
        measured.floor.levels[metric][quantile],
        spent.total(clock),
    )
    found = quoted(given, QUANTILES[quantile])
    found["solver"] = timed[found["solver"]]
    return {"metric": metric, "quantile": quantile, "batch": batch, "clock": clock, **found}
