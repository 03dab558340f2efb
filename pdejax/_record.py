"""How far the training of a run is; beside the packages, so that a command line can ask without JAX."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pdejax._read import entries, read_json, read_lines


def last_metrics(run_folder: Path) -> dict[str, Any]:
    """The newest number of every metric a run wrote, and its step."""
    newest: dict[str, Any] = {}
    for line in read_lines(run_folder / "metrics.jsonl"):
        newest |= line
    return newest


def updates_of(run_folder: Path, newest: Mapping[str, Any] | None = None) -> tuple[int, int | None]:
    """Updates that are done, and those there were to be; none where the training of this folder, which may be the last
    of several stages, has not noted them.
    """
    newest, noted = last_metrics(run_folder) if newest is None else newest, run_folder / "training.json"
    steps = entries(read_json(noted), noted, steps=int)["steps"] if noted.exists() else None
    return newest.get("step", 0), steps


def unfinished(run_folder: Path) -> str | None:
    """`trained for 300 of 3000 updates` of a run that was interrupted, or ended by a callback; none of others."""
    done, steps = updates_of(run_folder)
    if steps is None or done >= steps:
        return None
    return f"trained for {done} of {steps} updates"
