"""`pdejax list`: everything there is to choose from, and what was made of it."""

import argparse
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pdejax.config import GROUPS, description, options, read_yaml, search_folders


def run(arguments: argparse.Namespace) -> int:
    """Prints the options of every group, the data sets and the runs."""
    folders = search_folders(arguments.config_dir)
    for group in GROUPS:
        _section(f"{group}=", {name: description(path) for name, path in options(group, folders).items()})
    _section(f"data sets in {arguments.data_dir}", dict(data_sets(Path(arguments.data_dir))))
    _section(f"runs in {arguments.runs_dir}", dict(runs(Path(arguments.runs_dir))))
    return 0


def _section(title: str, rows: Mapping[str, str]) -> None:
    print(title)
    width = max(map(len, rows), default=0)
    for name, text in rows.items():
        print(f"  {name:{width}}  {text}".rstrip())
    print("" if rows else "  none\n")


def _json(path: Path) -> dict[str, Any] | None:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError):
        return None


def data_sets(folder: Path) -> Iterator[tuple[str, str]]:
    """Name and state of every data set below a folder."""
    for root in sorted(folder.glob("*/")):
        manifest = _json(root / "manifest.json")
        if manifest is not None:
            yield root.name, _sizes(manifest["recipe"]["splits"])
        elif (root / "truth.h5").exists():
            yield root.name, "the solution of a problem that is stated by its conditions"
        elif (root / "recipe.json").exists():
            yield root.name, "not complete: the same `pdejax generate` goes on"


def _sizes(splits: Mapping[str, Any]) -> str:
    size = lambda split: f"{split['trajectories']} x {split['frames']} frames"
    usual = [name for name in ("train", "valid", "test") if name in splits]
    return ", ".join(f"{name} {size(splits[name])}" for name in dict.fromkeys([*usual, *splits]))


def last_metrics(run_folder: Path) -> dict[str, Any]:
    """The newest number of every metric a run wrote, and its step."""
    newest: dict[str, Any] = {}
    path = run_folder / "metrics.jsonl"
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        try:
            newest |= json.loads(line)
        except json.JSONDecodeError:  # the line a kill cut short
            break
    return newest


def run_state(run_folder: Path, steps: int | None) -> str:
    """How far a run is, in words."""
    newest = last_metrics(run_folder)
    done = newest.get("step", 0)
    parts = [f"update {done}" + (f" of {steps}" if steps else "")]
    if (loss := newest.get("valid/loss")) is not None:
        parts.append(f"valid/loss {loss:.3g}")
    if (run_folder / "evaluation.json").exists():
        parts.append("evaluated")
    return ", ".join(parts)


def runs(folder: Path) -> Iterator[tuple[str, str]]:
    """Name and state of every run below a folder."""
    for path in sorted(folder.glob("*/config.yaml")):
        try:
            yield (
                path.parent.name,
                run_state(path.parent, read_yaml(path.read_text(encoding="utf-8"), path)[0]["train"]["steps"]),
            )
        except (ValueError, KeyError, TypeError):
            yield path.parent.name, f"{run_state(path.parent, None)}, config.yaml cannot be read"
