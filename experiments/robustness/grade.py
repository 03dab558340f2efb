"""How a call answers an input: rightly, with one clear sentence, or by a defect."""

import contextlib
import dataclasses
import io
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

from pdejax.cli._main import is_ours

LONGEST = 600  # characters of a sentence
SECONDS = 5.0  # of CPU that an input may take beyond what its valid neighbour takes
RIGHT, SENTENCE = "right", "sentence"
DEFECTS = ("silent", "traceback", "hang", "unclear")


class Silent(Exception):
    """An input was taken, and what came out is not what it says."""


@dataclasses.dataclass(frozen=True)
class Case:
    """An input: what it is, in words, and the call that gets it, which raises `Silent` for a wrong answer."""

    group: str
    what: str
    call: Callable[[], Any]


@dataclasses.dataclass(frozen=True)
class Outcome:
    """The grade of an answer, what was said and how long it took."""

    case: Case
    grade: str
    said: str
    seconds: float


class _Late(BaseException):
    pass


@contextlib.contextmanager
def _limited(seconds: float) -> Iterator[None]:
    """Ends what takes more CPU time, also where it waits for a pipe that nobody writes to."""

    def late(*_: Any) -> None:
        raise _Late

    former = [signal.signal(one, late) for one in (signal.SIGVTALRM, signal.SIGALRM)]
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    signal.setitimer(signal.ITIMER_REAL, 6 * seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in zip((signal.SIGVTALRM, signal.SIGALRM), former, strict=True):
            signal.signal(number, handler)


def _said(error: Exception) -> tuple[str, str]:
    text = str(error)
    if not (isinstance(error, ValueError | OSError | RuntimeError) and is_ours(error)):
        return "traceback", f"{type(error).__name__}: {text[:300]}"
    lines = text.strip().splitlines()
    clear = bool(lines) and all(10 < len(line) <= LONGEST for line in lines) and len(lines) <= 8
    return (SENTENCE if clear else "unclear"), text


def graded(case: Case) -> Outcome:
    """Calls with one input and says how that ended."""
    began, said = time.process_time(), io.StringIO()
    try:
        with _limited(SECONDS), contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            case.call()
        grade, text = RIGHT, ""
    except _Late:
        grade, text = "hang", f"more than {SECONDS:g} s"
    except Silent as wrong:
        grade, text = "silent", str(wrong)
    except Exception as error:
        grade, text = _said(error)
    return Outcome(case, grade, text, time.process_time() - began)
