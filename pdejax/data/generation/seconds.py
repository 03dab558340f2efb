"""What it took to solve a data set, noted beside it: neither its content nor its fingerprint depends on it."""

import time
from pathlib import Path
from typing import Any

from pdejax._read import FileError, read_json
from pdejax.core import write_text
from pdejax.data.generation.recipe import Shard
from pdejax.data.store.files import to_json
from pdejax.data.store.manifest import SECONDS


class SolveSeconds:
    """Sums up what solving took, over all starts of a generation that was interrupted.

    **Arguments:** `root`: of the data set.
    """

    def __init__(self, root: Path) -> None:
        self._path = root / SECONDS
        self.begin()

    def begin(self) -> None:
        """Starts the clocks."""
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def note(self, shard: Shard) -> None:
        """Adds what a shard took since the clocks were started, and starts them again."""
        splits = read_seconds(self._path.parent)
        entry = splits.get(shard.split, {"trajectories": 0, "wall": 0.0, "cpu": 0.0})
        splits[shard.split] = {
            "trajectories": entry["trajectories"] + shard.trajectories,
            "wall": entry["wall"] + time.perf_counter() - self._wall,
            "cpu": entry["cpu"] + time.process_time() - self._cpu,
        }
        write_text(self._path, to_json({"splits": splits}))
        self.begin()


def read_seconds(root: Path) -> dict[str, Any]:
    """By split `trajectories` that were timed, and `wall` and `cpu` seconds of this and of drawing, checking and
    writing them; nothing where none was noted, as by former versions.
    """
    path = root / SECONDS
    try:
        found = read_json(path)["splits"] if path.exists() else {}
        return {
            str(name): {key: entry[key] + 0 for key in ("trajectories", "wall", "cpu")} for name, entry in found.items()
        }
    except (FileError, KeyError, TypeError, AttributeError):
        return {}  # what nothing depends on may be damaged
