"""What it took to solve a data set, noted beside it: neither its content nor its fingerprint depends on it."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pdejax._read import FileError, read_json
from pdejax.core import write_text
from pdejax.data.generation.recipe import Shard
from pdejax.data.store.files import to_json
from pdejax.data.store.manifest import SECONDS


class SolveSeconds:
    """Sums up what solving took, over all starts of a generation that was interrupted.

    **Arguments:** `root`: of the data set; `stem`: of the part that this process writes, whose seconds are a file of
    their own until `gather`.
    """

    def __init__(self, root: Path, stem: str | None = None) -> None:
        self._path = root / (SECONDS if stem is None else f"{stem}.{SECONDS}")
        self.begin()

    def begin(self) -> None:
        """Starts the clocks."""
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def note(self, shard: Shard) -> None:
        """Adds what a shard took since the clocks were started, and starts them again."""
        wall, cpu = time.perf_counter() - self._wall, time.process_time() - self._cpu
        _add(self._path, {shard.split: {"trajectories": shard.trajectories, "wall": wall, "cpu": cpu}})
        self.begin()


def gather(root: Path) -> None:
    """Adds what the parts of a data set took to what is noted of the whole."""
    for path in sorted(root.glob(f"part-*.{SECONDS}")):
        _add(root / SECONDS, _read(path))
        path.unlink()


def read_seconds(root: Path) -> dict[str, Any]:
    """By split `trajectories` that were timed, and `wall` and `cpu` seconds of this and of drawing, checking and
    writing them; nothing where none was noted, as by former versions.
    """
    return _read(root / SECONDS)


def _add(path: Path, more: Mapping[str, Any]) -> None:
    splits, none = _read(path), {"trajectories": 0, "wall": 0.0, "cpu": 0.0}
    for split, entry in more.items():
        splits[split] = {name: value + entry[name] for name, value in splits.get(split, none).items()}
    write_text(path, to_json({"splits": splits}))


def _read(path: Path) -> dict[str, Any]:
    try:
        found = read_json(path)["splits"] if path.exists() else {}
        return {
            str(name): {key: entry[key] + 0 for key in ("trajectories", "wall", "cpu")} for name, entry in found.items()
        }
    except (FileError, KeyError, TypeError, AttributeError):
        return {}  # what nothing depends on may be damaged
