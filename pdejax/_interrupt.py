"""Signals that ask a long piece of work to end, answered where nothing is lost."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any


class Interrupted(RuntimeError):
    """A signal asked for an end; what was done is saved and the same command goes on from there."""


@contextlib.contextmanager
def signals() -> Iterator[Callable[[], str | None]]:
    """Turns SIGTERM and SIGINT into a question that a loop asks between its steps.

    An exception raised by a signal can be lost in a callback that a library made; a remembered one cannot.
    """
    caught: list[str] = []
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return
    previous: dict[Any, Any] = {}

    def remember(number: int, _: Any) -> None:
        caught.append(signal.Signals(number).name)
        signal.signal(number, previous[signal.Signals(number)])  # the same signal again ends the process at once

    for number in (signal.SIGTERM, signal.SIGINT):
        previous[number] = signal.signal(number, remember)
    try:
        yield lambda: caught[0] if caught else None
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
