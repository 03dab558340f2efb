"""Progress of long work in a terminal: how much is done, since when, and how long it will take."""

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any


def clock(seconds: float) -> str:
    """Seconds as minutes and seconds, or hours too."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def bar(console: Any, *words: str) -> Any:
    """A bar that takes what 80 columns leave of its words, and says which time is which.

    **Arguments:** `console`: of rich, standard error if none; where it is no terminal nothing is shown; `words`:
    templates such as `{task.description}`, the bar behind the first one.
    """
    from rich import progress as rich  # only where there is a terminal to look at
    from rich.console import Console
    from rich.table import Column

    console = console or Console(stderr=True)

    def times(task: Any) -> str:
        left = "?" if task.time_remaining is None else clock(task.time_remaining)
        return f"{clock(task.elapsed or 0.0)} so far" + ("" if task.finished else f", {left} left")

    class Times(rich.ProgressColumn):
        def render(self, task: Any) -> Any:
            return times(task)

    whole = functools.partial(Column, no_wrap=True)
    first, *others = (rich.TextColumn(word, markup=False, table_column=whole()) for word in words)
    middle = rich.BarColumn(bar_width=None, table_column=Column(ratio=1, min_width=3))
    count = rich.MofNCompleteColumn(table_column=whole())
    return rich.Progress(first, middle, count, *others, Times(table_column=whole()), console=console, expand=True)


@contextlib.contextmanager
def progress_bar(title: str, console: Any = None) -> Iterator[Callable[[int, int], None]]:
    """A bar in the terminal; yields the callable `(done, total)` that `generate` takes as `progress`.

    It is there from the first call on: work that is refused leaves no empty bar above the sentence that says why.
    """
    shown = bar(console, "{task.description}")
    task = shown.add_task(title, total=None)

    def advance(done: int, total: int) -> None:
        shown.start()
        shown.update(task, completed=done, total=total)

    try:
        yield advance
    finally:
        if shown.live.is_started:
            shown.stop()
