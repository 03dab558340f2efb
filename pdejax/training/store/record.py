"""What a run leaves behind to read: metrics as JSON lines, and the environment."""

import contextlib
import datetime
import importlib.metadata
import json
import math
import os
import platform
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax

from pdejax._read import read_lines
from pdejax.core import exclusive, write_text

CLOCK = ("time", "cpu_time")  # seconds of a line of metrics, which say nothing of the model
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


def kept_lines(path: Path, step: int) -> list[dict[str, Any]]:
    """The lines of a record of metrics, after those behind `step` were dropped: a resumed run writes them again."""
    if not path.exists():
        return []
    kept = [entry for entry in read_lines(path) if entry["step"] <= step]
    write_text(path, "".join(json.dumps(entry) + "\n" for entry in kept))
    return kept


def plain(values: Mapping[str, float]) -> dict[str, float | None]:
    """Numbers as JSON has them: those that are not finite become null."""
    return {name: float(v) if math.isfinite(v) else None for name, v in values.items()}


def best_of(lines: Sequence[Mapping[str, Any]], name: str, sign: float = 1.0) -> float:
    """The smallest value of `sign` times a metric of trained models so far; infinity if there is none."""
    return min((sign * e[name] for e in lines if e["step"] and e.get(name) is not None), default=math.inf)


class Stopwatch:
    """Seconds that a run has trained for, on the wall and of this process's processors, summed over its restarts.

    Compiling, evaluations and checkpoints count. Where earlier lines tell no CPU seconds, as of former versions, none
    are told of the whole.

    **Arguments:** `lines`: of the metrics so far.
    """

    def __init__(self, lines: Sequence[Mapping[str, Any]]) -> None:
        last = next((one for one in reversed(lines) if CLOCK[0] in one), dict.fromkeys(CLOCK, 0.0))
        self._before = {name: last[name] for name in CLOCK if last.get(name) is not None}
        self._began = self._now()

    def _now(self) -> dict[str, float]:
        return dict(zip(CLOCK, (time.perf_counter(), time.process_time()), strict=True))

    def read(self) -> dict[str, float]:
        """Both by the names of `CLOCK`."""
        now = self._now()
        return {name: before + now[name] - self._began[name] for name, before in self._before.items()}


def alone(folder: Path | None) -> contextlib.AbstractContextManager[None]:
    """Holds the folder of a run against other trainings; of several processes of one, the first does.

    **Raises:** `ValueError` if another process holds it.
    """
    held = folder is not None and jax.process_index() == 0
    return exclusive(folder) if held and folder is not None else contextlib.nullcontext()


def begun(folder: Path | None) -> bool:
    """Whether anything was trained in a folder that could be mixed up."""
    return folder is not None and any(any(folder.glob(f"{below}checkpoints/*")) for below in ("", "*/", "stages/*/"))
