"""A progress bar with an estimate of the time left."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any


@contextlib.contextmanager
def progress_bar(title: str, console: Any = None) -> Iterator[Callable[[int, int], None]]:
    """A bar in the terminal; yields the callable `(done, total)` that `generate` takes as `progress`."""
    from rich import progress as rich  # only where there is a terminal to look at

    parts = (rich.BarColumn, rich.MofNCompleteColumn, rich.TimeElapsedColumn, rich.TimeRemainingColumn)
    with rich.Progress(rich.TextColumn(title), *(part() for part in parts), console=console) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
