"""What a simulator can trade accuracy for: the same method with fewer points, fewer steps, a lower order."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from pdejax.equations import Family
from pdejax.solvers._simulator import Simulator


@dataclasses.dataclass(frozen=True)
class Variant:
    """A simulator at one of its resolutions.

    **Arguments:**

    - `simulator`: at this resolution; its `domain` is where it works.
    - `setting`: what it was set to, by a word for people, such as `{"points": [64], "steps": 4, "order": 2}`.
    - `work`: about what a frame or a sample takes, in any unit that all variants share.
    - `line`: the same for variants that differ in one setting alone, along which work and accuracy rise: where more of
        it does not help any more, the rest of the line need not be run.
    - `shared`: from the family and its parameters to what `simulator.stepper` gives, as a module that differs from
        those of the same line in arrays alone, so that one program serves the whole line; it may be slower. Only errors
        are measured with it. None where there is no such module.
    """

    simulator: Simulator
    setting: Mapping[str, Any]
    work: float
    line: str
    shared: Callable[[Family, Mapping[str, Any]], Any] | None = None


@runtime_checkable
class Varied(Protocol):
    """A simulator that tells its own variants: what a learned solver's price is compared with.

    One without these methods has no price beside it.
    """

    def variants(self, family: Family) -> Sequence[Variant]:
        """Coarser and cheaper ones, in any order; itself may be among them."""
        ...

    def finer(self, family: Family) -> Simulator | None:
        """One of more effort than itself, by whose solutions those that are stored can be judged; none where stored
        frames do not determine what it would begin with."""
        ...
