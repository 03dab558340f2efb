"""A generator that is killed at any moment leaves nothing behind that a second run could not finish."""

import json
import random
import signal
import subprocess
import sys

import h5py
import pytest

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


def files(root):
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file() and p.name != ".lock"}


@pytest.mark.slow  # each kill takes a process that imports everything anew
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
