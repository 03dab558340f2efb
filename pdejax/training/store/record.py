"""What a run leaves behind to read: metrics as JSON lines, and the environment."""

import contextlib
import datetime
import importlib.metadata
import json
import math
import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax

from pdejax._read import read_lines
from pdejax.core import exclusive, write_text

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


def alone(folder: Path | None) -> contextlib.AbstractContextManager[None]:
    """Holds the folder of a run against other trainings; of several processes of one, the first does.

    **Raises:** `ValueError` if another process holds it.
    """
    held = folder is not None and jax.process_index() == 0
    return exclusive(folder) if held and folder is not None else contextlib.nullcontext()


def begun(folder: Path | None) -> bool:
    """Whether anything was trained in a folder that could be mixed up."""
    return folder is not None and any(any(folder.glob(f"{below}checkpoints/*")) for below in ("", "*/", "stages/*/"))
