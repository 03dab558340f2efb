"""A predictor that a model is compared with."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pdejax.core import known
from pdejax.equations import Family
from pdejax.solvers import Simulator


@dataclasses.dataclass(frozen=True)
class Baseline:
    """A predictor with the words that explain it in a table.

    `double`: whether it is to compute in float64; the data are solved so, and a float32 solver would part from them
    by its own rounding in every step.
    """

    label: str
    meaning: str
    predictor: Any
    double: bool = False


Maker = Callable[[Any, int], Baseline]
"""From the data and the number of the first frame to a baseline; a `ValueError` says why there is none."""


def build_baselines(
    table: Mapping[str, Maker], data: Any, which: bool | Sequence[str] = True, start: int = 0
) -> tuple[dict[str, Baseline], dict[str, str]]:
    """The baselines that can be made for some data.

    **Arguments:** `table`: all there are; `data`; `which`: all, none, or names of the table; `start`: number of the
    first frame.

    **Returns:** the baselines by name, and why others could not be made.

    **Raises:** `ValueError` for an unknown name.
    """
    names = (list(table) if which else []) if isinstance(which, bool) else list(which)
    made, skipped = {}, {}
    for name in names:
        if name not in table:
            raise ValueError(known("baseline", name, table))
        try:
            made[name] = table[name](data, start)
        except ValueError as reason:
            skipped[name] = str(reason)
    return made, skipped


def solved_by(data: Any) -> tuple[Family, Simulator]:
    """What the data are solutions of, and what solved it and can go on from any of their frames.

    **Raises:** `ValueError` if that is not known, or the solver has no step.
    """
    if data.family is None:
        raise ValueError("the data do not say which equation they solve, so there is no solver to compare with")
    if data.simulator is None:
        raise ValueError("there is no solver to compare with: the data do not say by what they were solved, or name "
                         "code that may not be imported from here (plugins=[...], --plugins)")  # fmt: skip
    data.simulator.stepper(data.family, {name: low for name, (low, _) in data.family.support.items()})
    return data.family, data.simulator
