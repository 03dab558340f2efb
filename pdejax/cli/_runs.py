"""Runs named on a command line: folders, patterns of folders, groups."""

import glob
from collections.abc import Mapping, Sequence
from pathlib import Path


def named(folders: Sequence[Path]) -> dict[str, Path]:
    """Runs by their folder's name, or by as much of the path as tells them apart.

    **Raises:** `ValueError` if one is given twice.
    """
    whole = [folder.resolve() for folder in folders]
    for i, folder in enumerate(whole):
        if folder in whole[:i]:
            raise ValueError(f"run {folders[i]} is given twice")
    longest = max(len(folder.parts) for folder in whole)
    for parts in range(1, longest + 1):
        names = ["-".join(folder.parts[-parts:]) for folder in whole]
        if len(set(names)) == len(names):
            break
    return dict(zip(names, folders, strict=True))


def split_words(given: Sequence[str]) -> tuple[list[Path], list[str]]:
    """Folders and words; a word has an equal sign and is no folder.

    **Raises:** `ValueError` if there is no folder.
    """
    words = [text for text in given if "=" in text and not Path(text).is_dir()]
    folders = [Path(text) for text in given if text not in words]
    if not folders:
        raise ValueError("name at least one run to compare, e.g. runs/ks_demo")
    return folders, words


def patterns(given: Sequence[Path]) -> tuple[list[Path], list[str]]:
    """Folders with those that patterns such as `runs/ks_*` stand for, and the members of each pattern, a group.

    **Raises:** `ValueError` for a pattern without a run.
    """
    folders: list[Path] = []
    groups = []
    for one in given:
        if one.exists() or not glob.has_magic(str(one)):
            folders.append(one)
            continue
        found = sorted(path for path in map(Path, glob.glob(str(one))) if (path / "config.yaml").exists())
        if not found:
            raise ValueError(f"no run is called {one}: no folder of that pattern holds a config.yaml")
        folders += found
        groups += [",".join(map(str, found))] if len(found) > 1 else []
    return folders, groups


def name_of(given: str, runs: Mapping[str, Path]) -> str:
    """The name of a run, given as a folder or a name.

    **Raises:** `ValueError` if it is none of the runs.
    """
    if given in runs:
        return given
    for name, folder in runs.items():
        if Path(given).resolve() == folder.resolve():
            return name
    from pdejax.core import known

    raise ValueError(known("run", given, runs))


def groups(given: Sequence[str], runs: Mapping[str, Path]) -> dict[str, list[str]]:
    """Runs that differ by their seed, by a name made of theirs."""
    named_groups = ([name_of(one, runs) for one in text.split(",")] for text in given)
    return {"+".join(names): names for names in named_groups}
