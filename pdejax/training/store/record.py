"""What a run leaves behind to read: metrics as JSON lines and TensorBoard, and the environment."""

import datetime
import importlib.metadata
import json
import math
import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax

from pdejax.core import write_text

PACKAGES = ("pdejax", "jax", "jaxlib", "equinox", "optax", "orbax-checkpoint", "numpy")


def environment() -> dict[str, Any]:
    """Versions, devices and size of the machine, JSON-able."""
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = "not installed as a package"
    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "python": platform.python_version(),
        "versions": versions,
        "devices": [f"{d.platform}:{d.device_kind}" for d in jax.devices()],
        "processes": jax.process_count(),
        "cores": os.cpu_count(),
    }


def _truncate(path: Path, step: int) -> float:
    """Drops lines after `step` (a resumed run writes them again); returns the time of the last one kept."""
    if not path.exists():
        return 0.0
    kept, elapsed = [], 0.0
    for line in path.read_text().splitlines():
        try:
            entry = json.loads(line)
        except json.JSONDecodeError:  # the line a kill cut short
            break
        if entry["step"] <= step:
            kept.append(line)
            elapsed = entry.get("time", elapsed)
    write_text(path, "".join(line + "\n" for line in kept))
    return elapsed


class Record:
    """Appends metrics to `metrics.jsonl` and to TensorBoard files of a run folder.

    **Arguments:** `folder`: of the run; `step`: where the run continues, -1 for a new one.
    """

    def __init__(self, folder: Path, step: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "metrics.jsonl"
        self.elapsed = _truncate(path, step)
        self._path, self._file = path, path.open("a", buffering=1)
        from tensorboardX import SummaryWriter  # slow to import, and takes PyTorch along where that is

        self._board = SummaryWriter(str(folder / "tensorboard"), purge_step=step + 1)

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """One line of finite numbers; others are left out of TensorBoard and written as null."""
        plain = {k: (float(v) if math.isfinite(v) else None) for k, v in values.items()}
        self._file.write(json.dumps({"step": step, **plain}) + "\n")
        for name, value in plain.items():
            if value is not None and name != "time":
                self._board.add_scalar(name if "/" in name else f"train/{name}", value, step)

    def best(self, name: str, sign: float = 1.0) -> float:
        """The smallest value of `sign` times a metric of trained models so far; infinity if there is none."""
        entries = (json.loads(line) for line in self._path.read_text().splitlines())
        return min((sign * e[name] for e in entries if e["step"] and e.get(name) is not None), default=math.inf)

    def close(self) -> None:
        """Flushes and closes."""
        self._file.close()
        self._board.close()
