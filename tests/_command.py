"""The package's commands as a user gives them: in this process, or in one of its own that can be killed."""

import contextlib
import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import jax

from pdejax.cli import main


def _alone(words: tuple[str, ...]) -> tuple[str, ...]:
    """A training takes one device, as a user's processor is one; here there are more."""
    given = words[0] != "train" or any(word.startswith("train.devices=") for word in words)
    return words if given else (*words, "train.devices=1")


def run(folder: Path, *words: str, code: int = 0) -> str:
    """Runs a command in a folder, within this process.

    **Arguments:** `folder`: the current one of the command; `words`: the command and its words; `code`: the exit code
    it should have.

    **Returns:** what it printed; what it complained of, if it was to fail.
    """
    out, err = io.StringIO(), io.StringIO()
    with contextlib.chdir(folder), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        found = main(_alone(words))
    assert found == code, err.getvalue() or out.getvalue()
    return out.getvalue() if code == 0 else err.getvalue()


def kill(folder: Path, *words: str, when: Callable[[], bool], delay: float = 0.0) -> None:
    """Runs a command in a process of its own, and kills it once `when()` holds and `delay` seconds have passed."""
    command = [sys.executable, "-m", "pdejax.cli", *_alone(words)]
    # as many devices as here: a program is taken from the cache of compilations, whoever compiled it
    environment = {**os.environ, "JAX_NUM_CPU_DEVICES": str(jax.device_count())}
    process = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    while process.poll() is None and not when():
        time.sleep(0.005)
    time.sleep(delay)
    process.send_signal(signal.SIGKILL)
    _, err = process.communicate()
    assert process.returncode == -signal.SIGKILL, f"it was over before it could be killed: {err.decode()}"


def saved(run: Path) -> Callable[[], bool]:
    """Whether a run has a checkpoint."""
    return lambda: any((run / "checkpoints").glob("[0-9]*"))
