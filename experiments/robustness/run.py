"""Does anything go wrong without a word? Inputs by chance, and commands killed at a random moment and run again.

python -m experiments.robustness.run --preset small --part inputs    # minutes on one core
python -m experiments.robustness.run --preset small --part kills     # an hour on one core, kill by kill
python -m experiments.robustness.run --preset small --collect        # writes results.json
python -m experiments.robustness.run --preset smoke                  # a minute; asserts that no input goes wrong
"""

import argparse
import collections
import json
from pathlib import Path

from experiments._kit.results import Row, row
from experiments._kit.study import Options, Study
from experiments.robustness.fuzz import SHARES, outcomes
from experiments.robustness.grade import DEFECTS
from experiments.robustness.kills import COMMANDS, KILLS, killed

HERE = Path(__file__).parent
QUESTION = "Does any input or any kill give a wrong result without a word, a hang, a traceback or lost work?"
INPUTS = {"small": 2400, "smoke": 300}
FIRST = {"small": 500_000, "smoke": 0}  # others than those that the tests and their authors have seen
FOUND = HERE / "found.jsonl"


def _inputs(preset: str) -> dict[str, collections.Counter[str]]:
    table: dict[str, collections.Counter[str]] = {}
    counts = {group: INPUTS[preset] * share // 100 for group, share in SHARES.items()}
    for outcome in outcomes(counts, FIRST[preset]):
        table.setdefault(outcome.case.group, collections.Counter())[outcome.grade] += 1
        if outcome.grade in DEFECTS:
            print(f"{outcome.grade}: {outcome.case.what!r}: {outcome.said[:200]!r}", flush=True)
    return table


def _note(entry: dict) -> None:
    """Keeps what was found when it is: a study goes on where it was stopped."""
    with FOUND.open("a") as file:
        file.write(json.dumps(entry) + "\n")


def _noted() -> list[dict]:
    return [json.loads(line) for line in FOUND.read_text().splitlines()] if FOUND.exists() else []


def _run(options: Options, base: Path) -> None:
    if options.preset == "smoke":
        return
    if options.part in (None, "inputs"):
        _note({"part": "inputs", "table": _inputs(options.preset)})
    if options.part in (None, "kills"):
        done = {(one["command"], one["number"]) for one in _noted() if one["part"] == "kills"}
        wanted = [(command, number) for number in range(KILLS) for command in COMMANDS]
        for command, number in (one for one in wanted if one not in done):
            _note({"part": "kills", "command": command, "number": number, **killed(command, number)})


def _check(options: Options, base: Path) -> None:
    table = _inputs("smoke")
    wrong = {group: {g: n for g, n in grades.items() if g in DEFECTS} for group, grades in table.items()}
    if any(wrong.values()):
        raise SystemExit(f"defects: {wrong}")
    alike = [group for group, grades in table.items() if len(grades) < 2]
    if alike:
        raise SystemExit(f"all inputs of {alike} get the same kind of answer: they show nothing")
    told = sum(grades["sentence"] for grades in table.values())
    print(
        f"smoke: {sum(map(sum, (g.values() for g in table.values())))} inputs, {told} refused in a sentence, 0 defects"
    )


def _rows(options: Options, base: Path) -> list[Row]:
    noted, rows = _noted(), []
    tables = [one["table"] for one in noted if one["part"] == "inputs"]
    if not tables:
        raise SystemExit("not finished: no inputs were tried; --part inputs does")
    table = tables[-1]
    total = sum(sum(grades.values()) for grades in table.values())
    for group, grades in table.items():
        for grade, count in sorted(grades.items()):
            better = "lower" if grade in DEFECTS else "higher"
            rows.append(row(group, f"{grade} of {sum(grades.values())}", count, better=better))
    of = lambda grade: sum(grades.get(grade, 0) for grades in table.values())
    for grade, goal in (("silent", 0.0), ("hang", 0.0), ("traceback", 0.01), ("unclear", 0.01)):
        rows.append(row("all inputs", f"share {grade}", of(grade) / total, better="lower", goal=goal))
    kills = [one for one in noted if one["part"] == "kills"]
    if len(kills) < KILLS * len(COMMANDS):
        raise SystemExit(f"not finished: {len(kills)} of {KILLS * len(COMMANDS)} kills; --part kills goes on")
    for command in COMMANDS:
        of_command = [one for one in kills if one["command"] == command]
        lost = sum(not one["same"] for one in of_command)
        rows.append(row(command, f"lost or different of {len(of_command)} kills", lost, better="lower", goal=0.0))
    return rows


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--part", choices=("inputs", "kills"), help="one of the two parts; both when omitted")


STUDY = Study(HERE, QUESTION, _run, _check, _rows, arguments=_arguments)

if __name__ == "__main__":
    STUDY.main(__doc__)
