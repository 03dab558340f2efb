"""Inputs by chance, each graded: `python -m experiments.robustness.fuzz --count 400 --first 0 [--only words ...]`.

In a process of its own, as users have it: without the type checks of the other tests. Number n of a group is the same
input on every machine. The exit code is 1 where an answer was wrong without a word, late, or no sentence.
"""

import argparse
import collections
import json
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from random import Random

# as the command line does
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from experiments.robustness import inputs
from experiments.robustness.grade import DEFECTS, Outcome, graded
from experiments.robustness.prepared import prepared

# how many of each group there are in a hundred
SHARES: Mapping[str, int] = {"words": 10, "files": 10, "terms": 20, "calls": 20, "data": 15, "runs": 15, "tables": 10}


def makers(folder: Path) -> Mapping[str, inputs.Maker]:
    """What makes the inputs of each group, in a folder for files."""
    data, run = prepared(folder / "whole")
    return {
        "words": inputs.words,
        "files": inputs.files(folder / "files"),
        "terms": inputs.terms,
        "calls": inputs.calls,
        "data": inputs.data_folders(data, folder / "data"),
        "runs": inputs.run_folders(run, folder / "runs"),
        "tables": inputs.tables(folder / "tables"),
    }


def outcomes(counts: Mapping[str, int], first: int = 0) -> Iterator[Outcome]:
    """Answers to so many inputs of each group, from a number on."""
    with tempfile.TemporaryDirectory() as scratch:
        made = makers(Path(scratch))
        for group, count in counts.items():
            for number in range(first, first + count):
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    yield graded(made[group](Random(f"{group}/{number}")))


def main() -> int:
    """Prints every defect and the counts of each group."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=200, help="inputs in all")
    parser.add_argument("--first", type=int, default=0, help="number of the first one of each group")
    parser.add_argument("--only", nargs="+", choices=SHARES, default=list(SHARES))
    options = parser.parse_args()
    whole = sum(SHARES[group] for group in options.only)
    counts = {group: max(1, options.count * SHARES[group] // whole) for group in options.only}
    table: dict[str, collections.Counter[str]] = {group: collections.Counter() for group in counts}
    for outcome in outcomes(counts, options.first):
        table[outcome.case.group][outcome.grade] += 1
        if outcome.grade in DEFECTS:
            print(f"{outcome.case.group}: {outcome.grade}: {outcome.case.what!r}: {outcome.said[:300]!r}", flush=True)
    print(json.dumps(table))
    return int(any(table[group][defect] for group in table for defect in DEFECTS))


if __name__ == "__main__":
    sys.exit(main())
