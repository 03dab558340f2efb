"""A generator that is killed at any moment leaves nothing behind that a second run could not finish."""

import json
import os
import random
import signal
import subprocess
import sys

import h5py
import pytest

from pdejax._interrupt import Interrupted
from pdejax.data import SplitSize, generate, read_problem
from tests.data.conftest import BURGERS

# solves until `victims` trajectories are done, then kills itself `delay` seconds later, wherever it is by then
SCRIPT = """
import json, os, signal, sys, threading
import jax
from pdejax.data import SplitSize, generate, read_problem

root, cache, spec, victims, delay = sys.argv[1:]
jax.config.update("jax_compilation_cache_dir", cache)
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)

def progress(done, total):
    begun.append(done)
    if done - begun[0] == int(victims):
        threading.Timer(float(delay), os.kill, (os.getpid(), signal.SIGKILL)).start()

begun = []
splits = {"train": SplitSize(60, 4), "test": SplitSize(60, 4)}
generate(*read_problem(json.loads(spec)), root, splits, shard_size=1, batch_size=1, progress=progress)
"""
SPLITS = {"train": SplitSize(60, 4), "test": SplitSize(60, 4)}


CLOCKED = (".lock", "seconds.json")  # not of the data


def files(root):
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file() and p.name not in CLOCKED}


@pytest.mark.parametrize("kills", [1, pytest.param(3, marks=pytest.mark.long)])
def test_killed_runs_resume_to_the_same_bytes(kills, tmp_path):
    rng, whole, killed, counts = random.Random(0), tmp_path / "whole", tmp_path / "killed", [0]
    for _ in range(kills):
        words = (killed, tmp_path / "cache", json.dumps(BURGERS), rng.randint(1, 6), rng.uniform(0, 0.02))
        done = subprocess.run([sys.executable, "-c", SCRIPT, *map(str, words)], timeout=200, capture_output=True)
        assert done.returncode == -signal.SIGKILL, done.stderr.decode()
        shards = list(killed.rglob("*.hdf5"))
        counts.append(len(shards))
        assert counts[-2] < counts[-1] < 120
        assert not (killed / "manifest.json").exists()
        for path in shards:
            with h5py.File(path) as file:
                assert file["t0_fields/u"][:].shape == (1, 4, 32)
    for root in (killed, whole):
        generate(*read_problem(BURGERS), root, SPLITS, shard_size=1, batch_size=1)
    assert files(killed) == files(whole)


class Finalised:
    """Sends a signal where exceptions are lost: while an object is taken down."""

    def __init__(self, number):
        self.number = number

    def __del__(self):
        os.kill(os.getpid(), self.number)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("last", [3, 8])
def test_a_signal_is_never_lost_and_the_same_call_goes_on(number, last, tmp_path):
    """Wherever it comes, in the midst of a shard or during the last one: told once, and nothing is lost."""
    before, seen = signal.getsignal(number), []

    def progress(done, total):
        seen.append(done)
        if done == last:
            Finalised(number)

    make = lambda root, **further: generate(
        *read_problem(BURGERS), root, {"train": SplitSize(8, 3)}, shard_size=2, batch_size=1, **further
    )
    with pytest.raises(Interrupted, match=f"stopped by {number.name} after {last} of 8 trajectories"):
        make(tmp_path / "stopped", progress=progress)
    assert seen[-1] == last
    assert len(list((tmp_path / "stopped").rglob("*.hdf5"))) == last // 2
    assert signal.getsignal(number) is before
    for name in ("stopped", "whole"):
        make(tmp_path / name)
    assert files(tmp_path / "stopped") == files(tmp_path / "whole")
