"""Training step and loop overhead of two checkouts, side by side.

    python -m tests.golden.overhead BEFORE AFTER --rounds 20     # folders of checkouts; needs a quiet machine

Each round trains the same small FNO twice in each checkout by its own command line, in an order that alternates, and
reads the times from the run's own record: no function of either checkout is called here. Of each run the updates
between the second and the last line of the record count, so that compilation does not.

- `step`: seconds an update where one dispatch makes 50 updates: the step itself.
- `loop`: seconds an update where each is dispatched and logged alone: the step with all that the loop does around it.

It ends with exit code 1 if a median of AFTER over BEFORE, round by round, is above 1.05.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

PROBLEM = (
    "problem=burgers",
    "problem.domain.shape=[64]",
    "problem.splits={train: {trajectories: 32, frames: 21}, valid: {trajectories: 2, frames: 21}, "
    "test: {trajectories: 2, frames: 21}}",
)
NETWORK = ("network=fno", "network.width=16", "network.modes=12", "network.depth=2", "train=smoke",
           "train.devices=1", "train.batch_size=16", "evaluation.valid_steps=2")  # fmt: skip
UPDATES = {"step": (2000, 50), "loop": (400, 1)}  # in all, and of a dispatch
MOST = 1.05
Folders = Mapping[str, Path]


def _command(checkout: Path, folder: Path, *words: str) -> None:
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    command = [sys.executable, "-m", "pdejax.cli", *words]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{checkout}: {' '.join(words[:2])} failed: {done.stderr.strip()[-500:]}")


def _seconds(checkout: Path, folder: Path, kind: str, name: str) -> float:
    """Seconds an update of one run."""
    steps, together = UPDATES[kind]
    loop = (f"train.steps={steps}", f"train.updates_per_dispatch={together}", f"train.log_every={together}",
            f"train.evaluate_every={steps}", f"train.checkpoint_every={steps}", f"name={name}")  # fmt: skip
    _command(checkout, folder, "train", *PROBLEM, *NETWORK, *loop)
    text = (folder / "runs" / name / "metrics.jsonl").read_text(encoding="utf-8")
    lines = [line for line in map(json.loads, text.splitlines()) if "loss" in line]
    # the last line has the time of the evaluation in it
    first, last = lines[1], lines[-2]
    return (last["time"] - first["time"]) / (last["step"] - first["step"])


def _round(
    checkouts: Mapping[str, Path], folders: Mapping[str, Path], number: int
) -> Mapping[str, Mapping[str, float]]:
    order = list(checkouts) if number % 2 == 0 else list(checkouts)[::-1]
    found: dict[str, dict[str, float]] = {kind: {} for kind in UPDATES}
    for kind in UPDATES:
        for side in order:
            found[kind][side] = _seconds(checkouts[side], folders[side], kind, f"{kind}_{number}")
    return found


def main() -> None:
    """Measures and judges."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("--rounds", type=int, default=20)
    options = parser.parse_args()
    checkouts = {"before": options.before.resolve(), "after": options.after.resolve()}
    with tempfile.TemporaryDirectory() as scratch:
        folders = {side: Path(scratch) / side for side in checkouts}
        for side, folder in folders.items():
            folder.mkdir()
            _command(checkouts[side], folder, "generate", *PROBLEM)
        rounds = []
        for number in range(options.rounds):
            rounds.append(_round(checkouts, folders, number))
            print(json.dumps(rounds[-1]), flush=True)
    worst = 0.0
    for kind in UPDATES:
        ratio = statistics.median(r[kind]["after"] / r[kind]["before"] for r in rounds)
        both = {side: statistics.median(r[kind][side] for r in rounds) * 1e3 for side in checkouts}
        print(f"{kind}: {both['before']:.3f} ms before, {both['after']:.3f} ms after, median ratio {ratio:.3f}")
        worst = max(worst, ratio)
    raise SystemExit(int(worst > MOST))


if __name__ == "__main__":
    main()
