"""`pdejax list`: everything there is to choose from, and what was made of it."""

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from pdejax._read import printable, read_json
from pdejax._record import last_metrics, updates_of
from pdejax._suggest import known
from pdejax.config import GROUPS, description, options, read_yaml_file, search_folders, source


def run(arguments: argparse.Namespace) -> int:
    """Prints the options of every group, the data sets and the runs; or one of these, of problems as a table."""
    folders = search_folders(arguments.config_dir)
    data, found, what = Path(arguments.data_dir), Path(arguments.runs_dir), arguments.what
    groups = {group if group == "train" else f"{group}s": group for group in GROUPS}
    if what is not None and what not in (known_ones := [*groups, "data", "runs"]):
        raise ValueError(known("list", what, known_ones))
    for name, folder, usual in (("data", data, "data"), ("runs", found, "runs")):
        if what not in (None, name) and folder != Path(usual):
            raise ValueError(f"--{name}-dir={folder} has no effect on a list of {what}: leave it out")
    if what == "problems":
        _table(folders)
        return 0
    for name, group in groups.items():
        if what in (None, name):
            _section(f"{group}=", {one: description(path) for one, path in options(group, folders).items()})
    if what in (None, "data"):
        _section(f"data sets in {data}", dict(data_sets(data)))
    if what in (None, "runs"):
        _section(f"runs in {found}", dict(runs(found)))
    return 0


def _table(folders: Sequence[Path]) -> None:
    """What there is of every problem in numbers, and whom it follows."""
    head = ("problem=", "points", "training data", "source")
    rows = [(name, *_told_of(path)) for name, path in options("problem", folders).items()]
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(3)]
    for row in (head, *rows):
        print(printable("  ".join([*(f"{cell:{w}}" for cell, w in zip(row, widths, strict=False)), row[3]]).rstrip()))


def _told_of(path: Path) -> tuple[str, str, str]:
    """Points, size of the training data, and source of a problem."""
    try:
        values = read_yaml_file(path)[0]
        if "conditions" in values:
            return ", ".join(values["domain"]), "one solution", source(path)
        size = values.get("splits", {}).get("train", {})
        data = f"{size['trajectories']} x {size['frames']}" if "frames" in size else f"{size.get('trajectories', '')}"
        return " x ".join(map(str, values["domain"]["shape"])), data, source(path)
    except (ValueError, OSError, KeyError, TypeError, AttributeError) as error:
        return "", "", f"cannot be read: {error}"


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
