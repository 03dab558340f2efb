"""`pdejax list`: everything there is to choose from, and what was made of it."""

import argparse
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from pdejax._read import printable, read_json
from pdejax._record import last_metrics, updates_of
from pdejax.config import GROUPS, description, options, read_yaml_file, search_folders


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
        print(printable(f"  {name:{width}}  {text}".rstrip()))
    print("" if rows else "  none\n")


def data_sets(folder: Path) -> Iterator[tuple[str, str]]:
    """Name and state of every data set below a folder."""
    for root in sorted(folder.glob("*/")):
        if (root / "manifest.json").exists():
            yield root.name, _told(lambda: _sizes(root))  # noqa: B023
        elif (root / "truth.h5").exists():
            yield root.name, "the solution of a problem that is stated by its conditions"
        elif (root / "recipe.json").exists():
            yield root.name, "not complete: the same `pdejax generate` goes on"


def _told(tell: Callable[[], str]) -> str:
    """A line about something, or what is wrong with it: one that is broken hides no other."""
    try:
        return tell()
    except (ValueError, OSError) as error:
        return f"cannot be read: {error}"
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        return f"cannot be read: an entry is missing or of another type ({error})"


def _sizes(root: Path) -> str:
    splits = read_json(root / "manifest.json")["recipe"]["splits"]
    size = lambda split: f"{split['trajectories']} x {split['frames']} frames"
    usual = [name for name in ("train", "valid", "test") if name in splits]
    return ", ".join(f"{name} {size(splits[name])}" for name in dict.fromkeys([*usual, *splits]))


def run_state(run_folder: Path, steps: int | None) -> str:
    """How far a run is, in words.

    **Arguments:** `run_folder`; `steps`: of the configuration, where the training of this folder, which may be the
    last of several stages, has not noted its own.
    """
    newest = last_metrics(run_folder)
    done, noted = updates_of(run_folder, newest)
    steps = noted or steps
    parts = [f"update {done}" + (f" of {steps}" if steps else "")]
    if isinstance(loss := newest.get("valid/loss"), int | float):
        parts.append(f"valid/loss {loss:.3g}")
    if (path := run_folder / "evaluation.json").exists():
        then = read_json(path).get("updates")
        parts.append("evaluated" + (f" at update {then}" if isinstance(then, int) and then != done else ""))
    return ", ".join(parts)


def runs(folder: Path) -> Iterator[tuple[str, str]]:
    """Name and state of every run below a folder."""
    for path in sorted(folder.glob("*/config.yaml")):
        steps = lambda path=path: read_yaml_file(path)[0]["train"]["steps"]
        yield path.parent.name, _told(lambda path=path, steps=steps: run_state(path.parent, steps()))
