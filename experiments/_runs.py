"""Runs of the package's own commands, one process a core, and what they left behind.

Where one core is all there is, as in each process of `experiments.smoke`, commands run within this process.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Queue

Job = Callable[[int], None]


def command(*words: str, core: int | None = None) -> None:
    """Runs a program to its end; with `core` given, on that core alone."""
    pin = None if core is None else lambda: os.sched_setaffinity(0, {core})
    subprocess.run(words, check=True, preexec_fn=pin)


def pdejax(*words: str, core: int | None = None) -> None:
    """Runs a command of the package."""
    if len(os.sched_getaffinity(0)) > 1:
        command(sys.executable, "-m", "pdejax.cli", *words, core=core)
        return
    from pdejax.cli import main

    if code := main(words):
        raise SystemExit(f"pdejax {' '.join(words)}: exit code {code}")


def run_jobs(jobs: Sequence[Job]) -> None:
    """Runs jobs side by side, each with a core of its own, whose number it is called with."""
    cores: Queue[int] = Queue()
    for core in sorted(os.sched_getaffinity(0)):
        cores.put(core)

    def run(job: Job) -> None:
        core = cores.get()
        try:
            job(core)
        finally:
            cores.put(core)

    with ThreadPoolExecutor(cores.qsize()) as pool:
        for result in [pool.submit(run, job) for job in jobs]:
            result.result()


def training(words: Sequence[str], folder: Path, *, evaluated: bool = True) -> Job:
    """The job that trains a run and evaluates it; not `evaluated` where the study compares the models itself."""

    def job(core: int) -> None:
        pdejax("train", *words, core=core)
        if evaluated:
            pdejax("evaluate", str(folder), core=core)

    return job


def systems(folder: Path) -> dict:
    """The systems of a run's evaluation: the model and its baselines."""
    return json.loads((folder / "evaluation.json").read_text())["systems"]


def training_seconds(folder: Path) -> float:
    """How long a run has trained."""
    return json.loads((folder / "metrics.jsonl").read_text().splitlines()[-1])["time"]
