"""Commands that are killed at a random moment and run again: the end is that of the command left alone."""

import contextlib
import functools
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

KILLS = 10  # of each command
WORDS = (
    "problem=burgers", "problem.domain.shape=[32]", "problem.parameters.nu=0.05", "problem.shard_size=2",
    "problem.batch_size=2",
    "problem.splits={train: {trajectories: 16, frames: 9}, valid: {trajectories: 2, frames: 5}, "
    "test: {trajectories: 2, frames: 5}}",
    "network.width=4", "network.modes=4", "network.depth=1", "train=smoke", "train.steps=200", "train.devices=1",
    "train.checkpoint_every=10", "train.evaluate_every=20", "evaluation.valid_steps=2", "evaluation.steps=2",
)  # fmt: skip
STEADY = (
    "problem=darcy_small", "problem.domain.shape=[11,11]", "problem.solver.shape=[21,21]", "problem.input.cutoff=20",
    "problem.space_tolerance=1",
    "problem.splits={train: {trajectories: 8}, valid: {trajectories: 2}, test: {trajectories: 2}}",
    "network.width=4", "network.modes=4", "network.depth=1", "train=smoke", "train.steps=200", "train.devices=1",
    "train.checkpoint_every=10", "train.evaluate_every=20",
)  # fmt: skip
FIELD = (
    "problem=pig_burgers", "method=physics_informed", "network=gaussians", "network.count=20", "train=field",
    "train.steps=200", "train.updates_per_dispatch=10", "train.checkpoint_every=10", "train.evaluate_every=20",
    "train.devices=1",
)  # fmt: skip
# the words of a command and the files that it leaves; what comes before it is not killed
COMMANDS: Mapping[str, tuple[Sequence[str], Sequence[Sequence[str]], Sequence[str]]] = {
    "generate": (("generate", *WORDS), (), ("data/burgers/manifest.json", "data/burgers/data/*/*")),
    "train, one step": (("train", *WORDS, "name=a"), (("generate", *WORDS),), ("runs/a/model/weights.safetensors",)),
    "train, refiner": (
        ("train", *WORDS, "method=refiner", "name=a"),
        (("generate", *WORDS),), ("runs/a/model/weights.safetensors",),
    ),
    "train, neural ODE": (
        ("train", *WORDS, "method=neural_ode", "name=a"), (("generate", *WORDS),), ("runs/a/model/weights.safetensors",)
    ),
    "train, steady": (
        ("train", *STEADY, "name=a"), (("generate", *STEADY),), ("runs/a/model/weights.safetensors",)
    ),
    "train, field": (("train", *FIELD, "name=a"), (), ("runs/a/model/weights.safetensors",)),
    "evaluate": (
        ("evaluate", "runs/a"), (("generate", *WORDS), ("train", *WORDS, "name=a", "train.steps=20")),
        ("runs/a/evaluation.json", "runs/a/evaluation.npz", "runs/a/report.html"),
    ),
    "report": (
        ("report", "runs/a"),
        (("generate", *WORDS), ("train", *WORDS, "name=a", "train.steps=20"), ("evaluate", "runs/a")),
        ("runs/a/evaluation.json", "runs/a/report.html"),
    ),
    "sweep": (
        ("train", *WORDS, "name=a", "train.steps=40", "seed=0,1", "-m"), (("generate", *WORDS),),
        ("runs/a-seed=*/model/weights.safetensors",),
    ),
    "compare": (
        ("compare", "runs/a", "runs/b", "evaluation.price=false"),
        (("generate", *WORDS), *(("train", *WORDS, f"name={name}", "train.steps=20", f"seed={seed}")
                                 for seed, name in enumerate("ab"))),
        ("runs/comparison/comparison.json", "runs/comparison/comparison.html"),
    ),
}  # fmt: skip


def _start(folder: Path, words: Sequence[str]) -> subprocess.Popen:
    command = [sys.executable, "-m", "pdejax.cli", *words]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def _run(folder: Path, words: Sequence[str]) -> float:
    """Runs a command to its end; its seconds."""
    began, process = time.perf_counter(), _start(folder, words)
    _, said = process.communicate()
    if process.returncode:
        raise RuntimeError(f"pdejax {' '.join(words)}: {said[-500:]}")
    return time.perf_counter() - began


def _weights(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _document(path: Path) -> str:
    """What a result says, without seconds and dates, which differ from time to time."""

    def told(node: object) -> object:
        if isinstance(node, dict):
            return {k: told(v) for k, v in node.items() if k not in ("cost", "environment", "sha256", "price")}
        return [told(one) for one in node] if isinstance(node, list) else node

    return json.dumps(told(json.loads(path.read_text())), sort_keys=True)


def _there(path: Path) -> str:
    return str(path.read_text().rstrip().endswith("</html>"))


READERS: Mapping[str, Callable[[Path], str]] = {".json": _document, ".html": _there, ".npz": lambda path: "there"}


def _left(folder: Path, patterns: Sequence[str]) -> dict[str, str]:
    found = sorted(path for pattern in patterns for path in folder.glob(pattern))
    read = lambda path: READERS.get(path.suffix, _weights)(path)
    return {str(path.relative_to(folder)): read(path) for path in found}


@functools.cache
def _before(command: str) -> tempfile.TemporaryDirectory:
    """A folder with what a command needs, to be copied."""
    made = tempfile.TemporaryDirectory()
    for earlier in COMMANDS[command][1]:
        _run(Path(made.name), earlier)
    return made


@contextlib.contextmanager
def _folder(command: str) -> Iterator[Path]:
    """A folder of its own for one start of a command."""
    with tempfile.TemporaryDirectory() as scratch:
        yield Path(shutil.copytree(_before(command).name, Path(scratch) / "work"))


@functools.cache
def _alone(command: str) -> tuple[float, tuple[tuple[str, str], ...]]:
    """Seconds of a command that is not killed, the second time, and what it leaves."""
    words, _, patterns = COMMANDS[command]
    seconds, left = 0.0, {}
    for _ in range(2):  # the first one compiles
        with _folder(command) as folder:
            seconds = _run(folder, words)
            left = _left(folder, patterns)
    if not left:
        raise RuntimeError(f"{command} left none of {patterns}")
    return seconds, tuple(left.items())


def _killed(folder: Path, words: Sequence[str], delay: float) -> bool:
    """Starts a command and kills it after a time; whether it had not ended by then."""
    process = _start(folder, words)
    time.sleep(delay)
    running = process.poll() is None
    if running:
        os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    return running


def killed(command: str, number: int) -> dict[str, object]:
    """Kills a command once, runs it again to its end, and compares what it left with that of one left alone."""
    seconds, expected = _alone(command)
    words, _, patterns = COMMANDS[command]
    # the first second is Python's: nothing of ours has begun
    delay = random.Random(f"{command}/{number}").uniform(min(1.0, seconds / 2), seconds)
    while True:
        with _folder(command) as folder:
            if not _killed(folder, words, delay):
                delay *= 0.7  # what has ended was not killed
                continue
            try:
                _run(folder, words)
                left, said = _left(folder, patterns), ""
            except RuntimeError as error:
                left, said = {}, str(error)
            rest = [str(path) for path in folder.rglob("*.pdejax-partial")]
            found = {"same": left == dict(expected), "said": said, "partial": len(rest)}
            return {"delay": delay, "of": seconds, **found}
