"""Signals that ask a long piece of work to end, answered where nothing is lost."""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any


class Interrupted(RuntimeError):
    """A signal asked for an end; what was done is saved and the same command goes on from there."""


FAILED = 1  # exit code of a command that was ended at once
_CURSOR = b"\n\x1b[?25h"  # a bar of progress had hidden it


def end_at_once() -> None:
    """Lets SIGINT end this process with a word, wherever it is and without an exception.

    One that is raised in a callback of a library, or while modules are imported, is lost or taken for a fault. What
    is written appears whole or not at all, so that nothing needs to be put away. `signals` takes over where there is
    something to save. A process that was begun without ears for SIGINT, behind `nohup`, keeps none.
    """
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, _end)


def _end(number: int, frame: Any) -> None:
    with contextlib.suppress(Exception):  # it may have been writing just now
        sys.stdout.flush()
    with contextlib.suppress(OSError):
        os.write(2, (_CURSOR if os.isatty(2) else b"") + b"pdejax: interrupted\n")
    os._exit(FAILED)


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
