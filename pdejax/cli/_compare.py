"""`pdejax compare`."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pdejax.cli._evaluate import run_config

SHOWN = ("correlation_time_0.8", "correlation_time_0.8_each", "one_step_nrmse", "nrmse_gmean")


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


def common_dataset(configs: Mapping[str, Any]) -> Any:
    """The data set of all runs.

    **Raises:** `ValueError` that names the run whose data set is another one, and what differs.
    """
    from pdejax.config._assemble import dataset_of, first_difference

    (first, config), *others = configs.items()
    dataset = dataset_of(config)
    for name, other in others:
        mine = dataset_of(other)
        if mine.fingerprint != dataset.fingerprint:
            key = first_difference(mine.manifest, dataset.manifest) or "manifest"
            raise ValueError(
                f"runs are compared on the same truth, but run {name!r} has the data set {mine.root} and run "
                f"{first!r} has {dataset.root}: they differ in {key}"
            )
    return dataset


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
    """Runs that are one ensemble, by a name made of theirs."""
    named_groups = ([name_of(one, runs) for one in text.split(",")] for text in given)
    return {"+".join(names): names for names in named_groups}


def run(arguments: argparse.Namespace) -> int:
    """Compares runs on the same trajectories, prints the table and writes the page."""
    folders, words = split_words(arguments.runs)
    runs = named(folders)
    reference = None if arguments.reference is None else name_of(arguments.reference, runs)
    together = groups(arguments.together, runs)
    configs = {name: run_config(folder, words) for name, folder in runs.items()}
    from pdejax.cli._runtime import start
    from pdejax.embedding import load
    from pdejax.evaluation import compare_runs, write_comparison

    start()
    import jax

    dataset, wanted = common_dataset(configs), next(iter(configs.values())).evaluation
    comparison = compare_runs(
        {name: load(folder) for name, folder in runs.items()},
        dataset,
        reference=reference,
        trajectories=wanted.trajectories,
        steps=wanted.steps,
        chunk=wanted.chunk,
        members=arguments.members,
        together=together,
        long_steps=arguments.long,
        frontier=not arguments.no_frontier,
        key=jax.random.key(arguments.seed),
        progress=lambda text: print(text, file=sys.stderr),
    )
    into = Path(arguments.into) if arguments.into else folders[0].parent / "comparison"
    comparison.save(into)
    print(table(comparison))
    print(f"page: {write_comparison(into)}")
    return 0


def _value(entry: Mapping[str, Any]) -> str:
    if entry["value"] is None:
        return "n/a"
    lyapunov = (entry.get("lyapunov_times") or {}).get("value")
    return f"{'>= ' if entry['censored'] else ''}{entry['value']:.4g}" + (f" ({lyapunov:.3g})" if lyapunov else "")


def _gain(entry: Mapping[str, Any]) -> str:
    if entry["gain"] is None:
        return "n/a"
    ends = entry["gain_interval"]
    return f"{100 * entry['gain']:+.1f}%" + (f" [{100 * ends[0]:+.1f}, {100 * ends[1]:+.1f}]" if ends else "")


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(f"{cell:{w}}" for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows]


def table(comparison: Any) -> str:
    """Main metrics of every system, then their relative changes against the reference with paired intervals."""
    from pdejax.evaluation import METRICS

    labels = [METRICS[name].label for name in SHOWN]
    base = comparison.document["protocol"]["reference"]
    rows, gains = [["", *labels, "diverged", "calls", "s/time"]], [[f"change against {base}", *labels]]
    for name, one in comparison.document["systems"].items():
        if one["kind"] != "model" and name != "solver":
            continue
        diverged = f"{one['diverged']['count']} of {one['diverged']['of']}"
        calls = "" if one["calls"] is None else f"{one['calls']:.4g}"
        values = [_value(one["metrics"][metric]) for metric in SHOWN]
        rows.append([one["label"], *values, diverged, calls, f"{one['cost']['seconds_per_time']:.2g}"])
        if one["kind"] == "model" and name != base:
            gains.append([name, *(_gain(one["against_reference"][metric]) for metric in SHOWN)])
    unit = comparison.document["lyapunov"]["time"]
    note = [f"in brackets: Lyapunov times of {unit:.3g}"] if unit else []
    return "\n".join([*_aligned(rows), *note, *(["", *_aligned(gains)] if len(gains) > 1 else [])])
