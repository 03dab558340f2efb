"""Signals are remembered, told once, and never lost."""

import os
import signal
import threading

import pytest

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
