"""What a person sees while training runs."""

import sys
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
from rich.console import Console

from pdejax._progress import bar, clock
from pdejax.training.update import REJECTED

ROOMY = 100  # columns of a terminal that shows samples per second too


class TrainingProgress:
    """A bar on a terminal, a line every few seconds elsewhere: loss, updates and samples per second, time left.

    **Arguments:** `total`: updates of the run; `start`: where it begins; `batch_size`: samples per update;
    `show`: False for silence.
    """

    def __init__(self, total: int, start: int, batch_size: int, *, show: bool = True) -> None:
        self._total, self._start, self._batch, self._show = total, start, batch_size, show
        self._console = Console(file=sys.stdout, highlight=False)
        self._busy, self._printed, self._bar = 0.0, time.perf_counter(), None
        self._rejected = 0.0
        self._begun = self._printed
        if show and self._console.is_terminal:
            self._bar = bar(self._console, "train", "{task.fields[note]}")
            self._task = self._bar.add_task("train", total=total, completed=start, note="compiling")
            self._bar.start()

    def rate(self, step: int) -> float:
        """Updates per second of this process, compilation and evaluation left out."""
        return (step - self._start) / self._busy if self._busy else 0.0

    def begin(self, step: int) -> None:
        """Starts the clock after the first dispatch, which was spent compiling."""
        self._start, self._begun = step, time.perf_counter()

    def advance(
        self, step: int, metrics: Mapping[str, Any], seconds: float, counts: Mapping[str, float] | None = None
    ) -> None:
        """Reports that `step` updates are done, the last ones with these metrics, arrays `(update,)`, in `seconds`.

        **Arguments:** `counts`: what the feed tells of its work, see `pdejax.data.Counting`.
        """
        self._busy += seconds
        self._rejected += float(np.sum(metrics.get(REJECTED, 0.0)))
        rate = self.rate(step)
        note = f"loss {float(metrics['loss'][-1]):.3e}  {rate:.1f} updates/s{self._counted(counts or {})}"
        if self._bar is None or self._console.width >= ROOMY:
            note += f"  {rate * self._batch:.0f} samples/s"
        if self._bar is not None:
            self._bar.update(self._task, completed=step, note=note)
        elif self._show and (time.perf_counter() - self._printed > 10 or step == self._total):
            self._printed = time.perf_counter()
            # of the whole, evaluations and checkpoints among it
            each = (self._printed - self._begun) / (step - self._start) if step > self._start else None
            left = "?" if each is None else clock((self._total - step) * each)
            self._console.print(f"train {step}/{self._total}  {note}  {left} left")

    def _counted(self, counts: Mapping[str, float]) -> str:
        """How much was solved for the updates so far, if anything was."""
        if "feed/solved" not in counts:
            return ""
        told = f"  {counts['feed/solved']:.0f} solved, seen {counts['feed/reuse']:.1f} times"
        told += f", waited {waited:.0f} s" if (waited := counts.get("feed/waited", 0.0)) >= 1 else ""
        return told + (f", {self._rejected:.0f} rejected" if self._rejected else "")

    def say(self, text: str) -> None:
        """A line of its own."""
        if self._show:
            self._console.print(text)

    def close(self) -> None:
        """Takes the bar down."""
        if self._bar is not None:
            self._bar.stop()
