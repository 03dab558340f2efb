"""What was spent before the first solve: on the data, and on the training."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pdejax._read import FileError, read_lines
from pdejax.evaluation.price.timing import CPU, WALL

Seconds = Mapping[str, float]
"""By the name of the clock."""

LINES = {WALL: "time", CPU: "cpu_time"}  # what lines of metrics call them


@dataclasses.dataclass(frozen=True)
class Spent:
    """Seconds by clock of the data and of the training, none where they were not noted.

    **Arguments:** `data`: of all splits but the one that is evaluated on; `training`: of all stages and restarts;
    `trials`: trainings that it took to find the settings.
    """

    data: Seconds | None = None
    training: Seconds | None = None
    trials: int = 1

    def total(self, clock: str) -> float | None:
        """Data, and training times trials, by a clock; none where the training is not known."""
        if self.training is None or clock not in self.training:
            return None
        return (self.data or {}).get(clock, 0.0) + self.trials * self.training[clock]

    @property
    def without(self) -> str | None:
        """What is not known, in words."""
        if self.training is None:
            return "nothing tells what the training took"
        if CPU not in self.training:
            return "the training noted no CPU seconds, as those of former versions"
        return "the data do not tell what they took, so that training alone counts" if self.data is None else None

    def described(self) -> dict[str, Any]:
        """As the document has it."""
        plain = lambda given: None if given is None else dict(given)
        return {
            "training": plain(self.training),
            "data": plain(self.data),
            "trials": self.trials,
            "without": self.without,
        }


def training_seconds(folder: Path | None) -> Seconds | None:
    """What the training in the folder of a run took, all of its stages together; none where nothing tells."""
    if folder is None:
        return None
    records = [path for below in ("", "*/", "stages/*/") for path in sorted(folder.glob(f"{below}metrics.jsonl"))]
    try:
        ends = [_last(path) for path in records]
    except FileError:
        return None
    ends = [end for end in ends if end]
    clocks = [clock for clock in LINES if ends and all(clock in end for end in ends)]
    return {clock: sum(end[clock] for end in ends) for clock in clocks} or None


def _last(path: Path) -> dict[str, float]:
    """Seconds of the last line that tells them."""
    for line in reversed(read_lines(path)):
        found = {clock: float(line[name]) for clock, name in LINES.items() if isinstance(line.get(name), int | float)}
        if found:
            return found
    return {}


def data_seconds(data: Any, split: str) -> Seconds | None:
    """What solving the data took that were trained with, without those that are evaluated on; none where nothing tells.

    Where some trajectories were not timed, these count as the others do.
    """
    noted, total = getattr(data, "solve_seconds", {}), {WALL: 0.0, CPU: 0.0}
    for name in getattr(data, "split_names", ()):
        if name == split:
            continue
        entry = noted.get(name)
        if not entry or not entry["trajectories"]:
            return None
        for clock in total:
            total[clock] += entry[clock] * len(data.split(name)) / entry["trajectories"]
    return total if noted else None


def spent_on(data: Any, split: str, folder: str | Path | None, trials: int = 1) -> Spent:
    """What a run and its data took.

    **Raises:** `ValueError` for fewer trials than one.
    """
    if trials < 1:
        raise ValueError(f"trials is the number of trainings it took to find the settings, at least 1, got {trials}")
    return Spent(data_seconds(data, split), training_seconds(None if folder is None else Path(folder)), trials)
