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

    An exception raised by a signal can be lost in a callback that a library made; a remembered one cannot. One that
    came too late to be asked for, and led to no `Interrupted`, is sent again at the end.
    """
    caught: list[signal.Signals] = []
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return
    wanted = (signal.SIGTERM, signal.SIGINT)
    previous = {number: signal.getsignal(number) for number in wanted}

    def remember(number: int, _: Any) -> None:
        caught.append(signal.Signals(number))
        signal.signal(number, previous[signal.Signals(number)])  # the same signal again ends the process at once

    told = False
    try:
        for number in wanted:
            signal.signal(number, remember)
        yield lambda: caught[0].name if caught else None
    except Interrupted:
        told = True
        raise
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
        if caught and not told:
            signal.raise_signal(caught[0])
