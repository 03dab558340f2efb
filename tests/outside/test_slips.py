"""Slips where no type checker stands before the program, as it does in all other tests: each is told in a sentence."""

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).with_name("slips.py")
KEY = "ValueError: key should be a random key (jax.random.key(0))"
TENDENCY = "ValueError: tendency should be an array or a function of time and state, tendency(t, u), got"
DRAWS = ("call", "predict", "average", "alternating", "repeated", "channels", "trajectory", "ode")
TOLD = {
    **dict.fromkeys(DRAWS, f"{KEY} or none, got 3"),
    **dict.fromkeys(("build", "build of an ode"), f"{KEY}, got 3"),
    "card": "ValueError: DataCard.of takes a data set, such as pdejax.Arrays, got ndarray: of an array take "
    "DataCard.from_arrays(states, step=...)",
    "facts": "ValueError: metadata should be a mapping of names to facts, got list",
    "text": f"{TENDENCY} str",
    "operator": f"{TENDENCY} a function of (u, key)",
    "time": "ValueError: times must be increasing positive multiples of the step 0.05, got [nan]",
    "clock": "ValueError: start_time has no effect on this Stepper, which does not tell by at(time) and step_size that "
    "it knows of time",
    "word": "TypeError: ArrayFeed: unknown argument 'setp'. Did you mean 'step'?",
}


def test_slips_are_told_without_a_warning_before():
    command = [sys.executable, "-W", "error", str(SCRIPT)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert dict(line.split(": ", 1) for line in done.stdout.splitlines()) == TOLD
    assert not done.stderr
