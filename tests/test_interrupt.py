"""Signals are remembered, told once, and never lost."""

import functools
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from experiments.robustness.prepared import prepared
from pdejax._interrupt import Interrupted, signals


@pytest.fixture(autouse=True)
def heard():
    """As in a terminal: what a shell starts in the background does not hear of SIGINT."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def sent(times, *, tell=False):
    with signals() as caught:
        assert caught() is None
        for _ in range(times):
            os.kill(os.getpid(), signal.SIGINT)
        if tell:
            raise Interrupted(caught())


@pytest.mark.parametrize("times", [1, 2])
def test_a_signal_that_nobody_asked_for_is_sent_again_and_the_second_of_a_kind_ends_at_once(times):
    with pytest.raises(KeyboardInterrupt):
        sent(times)


def test_one_that_was_told_is_not():
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(Interrupted, match="SIGINT"):
        sent(1, tell=True)
    assert signal.getsignal(signal.SIGINT) is before


def test_other_threads_cannot_take_signals_and_do_not_try():
    found = []

    def ask():
        with signals() as caught:
            found.append(caught())

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    assert found == [None]


# hears of SIGINT, as this process does here
started = functools.partial(subprocess.Popen, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
IN_A_CALLBACK = """
import gc, os, signal
from pdejax._interrupt import end_at_once
end_at_once()
gc.callbacks.append(lambda *_: os.kill(os.getpid(), signal.SIGINT))
gc.collect()
print("went on")
"""
IN_AN_IMPORT = """
import os, signal, sys
class Finder:
    def find_spec(self, name, *_):
        if name == "numpy":
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Finder())
sys.argv = ["pdejax", "doctor"]
from pdejax.cli import main
sys.exit(main())
"""
IGNORED = """
import os, signal
signal.signal(signal.SIGINT, signal.SIG_IGN)
from pdejax._interrupt import end_at_once
end_at_once()
os.kill(os.getpid(), signal.SIGINT)
print("went on")
"""


@pytest.mark.parametrize("moment", [IN_A_CALLBACK, IN_AN_IMPORT])
def test_a_signal_in_a_callback_or_an_import_ends_the_process_with_a_word(moment):
    process = started([sys.executable, "-c", moment])
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (1, "", "pdejax: interrupted\n")


def test_a_process_without_ears_for_the_signal_gets_none():
    process = started([sys.executable, "-c", IGNORED])
    out, _ = process.communicate(timeout=60)
    assert (process.returncode, out) == (0, "went on\n")


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    return prepared(tmp_path_factory.mktemp("whole"))[1]


@pytest.mark.long
@pytest.mark.parametrize("command", ["evaluate", "compare", "inspect"])
@pytest.mark.parametrize("moment", [0.2, 0.5, 1.0, 2.0, 3.5, 6.0])
def test_commands_end_soon_after_the_signal_whenever_it_comes(run_folder, command, moment):
    process = started([sys.executable, "-m", "pdejax.cli", command, str(run_folder)])
    time.sleep(moment)
    over = process.poll() is not None
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == (0 if over else 1)
    assert over or err.endswith("pdejax: interrupted\n")
    assert "Traceback" not in err
