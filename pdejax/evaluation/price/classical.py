"""The classical set: a solver at many resolutions, run from the cheapest on until no dearer one is needed."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from pdejax.evaluation.price.solving import Errors
from pdejax.solvers import Variant, Varied

QUANTILES = {"median": 0.5, "p95": 0.95}
"""Over trajectories, at which errors are priced."""

BEYOND = 2.0  # times the work of the cheapest one that is accurate enough, up to which others are run: it is a guess
HELPS = 0.95  # an error that more work leaves above this share of it has met another limit
LOOSE = 1.5  # times the seconds of one that reaches an error, up to which one that does not may be cheaper
ALONE = "a speed-up over the reference resolution alone would only tell how much more accurate it is than needed"


class Unpriced(ValueError):
    """There is no classical set to compare with; the message says why."""


Levels = Mapping[str, Mapping[str, float]]
"""By metric, by the name of a quantile."""


@dataclasses.dataclass(frozen=True)
class Member:
    """A member of the set that was run.

    **Arguments:** `variant`; `errors`: `(trajectory,)` by metric, nothing where one left the range of the data;
    `seconds`: of a solve of one trajectory, taken once in a batch, with a program that was compiled in haste.
    """

    variant: Variant
    errors: Errors
    seconds: float

    @property
    def stable(self) -> bool:
        """Whether all trajectories stayed within the range of the data."""
        return bool(self.errors)


def levels(errors: Errors, floor: Levels | None = None) -> Levels:
    """Quantiles of errors, not below a floor."""
    low = lambda metric, name: 0.0 if floor is None else floor[metric][name]
    return {
        metric: {name: max(float(np.quantile(each, q)), low(metric, name)) for name, q in QUANTILES.items()}
        for metric, each in errors.items()
    }


def variants_of(simulator: Any, family: Any) -> list[Variant]:
    """What a simulator can trade, cheapest first.

    **Raises:** `Unpriced` for one that does not tell, or that has the resolution of the data alone.
    """
    if not isinstance(simulator, Varied):
        name = type(simulator).__name__
        raise Unpriced(f"the solver of these data, a {name}, tells no variants of itself (a method `variants`), and "
                       f"{ALONE}")  # fmt: skip
    found = sorted(simulator.variants(family), key=lambda one: one.work)
    if all(is_reference(one, simulator, family) for one in found):
        raise Unpriced(f"the classical set holds the reference resolution alone, and {ALONE}")
    return found


def is_reference(one: Variant, simulator: Any, family: Any) -> bool:
    """Whether a variant has the resolution of the data, however that was said."""
    other: Any = one.simulator
    alike = lambda: (
        other.domain(family) == simulator.domain(family) and (other.numerics(family) == simulator.numerics(family))
    )
    return other == simulator or alike()


def reaches(member: Levels, wanted: Sequence[Levels]) -> bool:
    """Whether errors are no larger than all of these."""
    return all(member[m][q] <= one[m][q] for one in wanted for m in one for q in one[m])


def searched(
    variants: Sequence[Variant], run: Callable[[Variant], Member], wanted: Sequence[Levels], floor: Levels
) -> list[Member]:
    """Members as far as they matter: those in whose place no cheaper one is as accurate as every network.

    A line of variants ends where more work does not help any more, and the set where the work is several times that
    of a member that all networks are less accurate than.

    **Arguments:** `variants`: by rising work; `run`: measures one; `wanted`: errors of the networks;
    `floor`: below which they are not known.
    """
    members: list[Member] = []
    before: dict[str, Levels] = {}
    ended: set[str] = set()
    limit = np.inf
    for variant in variants:
        if variant.work > limit:
            break
        if variant.line in ended:
            continue
        member = run(variant)
        members.append(member)
        if not member.stable:
            continue
        found = levels(member.errors, floor)
        if (last := before.get(variant.line)) is not None and not _helped(last, found):
            ended.add(variant.line)
        before[variant.line] = found
        if reaches(found, wanted):
            limit = min(limit, BEYOND * variant.work)
    return members


def _helped(last: Levels, found: Levels) -> bool:
    return any(found[m][q] < HELPS * last[m][q] for m in found for q in found[m])


def next_to(
    members: Sequence[Member], seconds: Mapping[int, float], floor: Levels, wanted: Sequence[Levels], each: int = 2
) -> list[int]:
    """Numbers of the stable members next to which the errors of networks lie on the envelope.

    Of each error the cheapest ones that reach it, and of those that do not and may be cheaper the most accurate ones.

    **Arguments:** `seconds`: of members by their number, no more than a guess; `each`: how many on either side of the
    medians; of other quantiles one.
    """
    found = {i: levels(members[i].errors, floor) for i in seconds if members[i].stable}
    kept: set[int] = set()
    for one in wanted:
        for metric, name in ((m, q) for m in one for q in one[m]):
            errors, count = {i: f[metric][name] for i, f in found.items()}, each if name == "median" else 1
            reached = [i for i in errors if errors[i] <= one[metric][name]]
            reached = sorted(reached, key=lambda i, errors=errors: (seconds[i], errors[i]))[:count]
            least = LOOSE * seconds[reached[0]] if reached else np.inf
            short = [i for i in errors if errors[i] > one[metric][name] and seconds[i] <= least]
            kept |= {*reached, *sorted(short, key=errors.__getitem__)[:count]}
    return sorted(kept)
