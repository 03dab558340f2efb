"""Fills the tables of `benchmarks/README.md` from `results.json`: `python -m benchmarks.readme`, `--check` compares."""

import json
import sys
from pathlib import Path

from benchmarks._results import RESULTS

DOCUMENT = Path(__file__).with_name("README.md")
BEGIN, END = "<!-- tables -->\n", "<!-- /tables -->"
ELSEWHERE = ("networks",)  # docs/networks.md


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"


def _line(row: dict) -> str:
    interval = f" [{_number(row['interval'][0])}, {_number(row['interval'][1])}]" if row["interval"] else ""
    goal = "" if row["goal"] is None else f"{'>=' if row['better'] == 'higher' else '<='} {_number(row['goal'])}"
    cells = (row["case"], row["metric"], _number(row["value"]) + interval, goal, _number(row["reference"]))
    return f"| {' | '.join(cells)} |"


def _table(study: dict) -> str:
    machine = study["machine"]
    where = f"{machine['cores']} cores, {machine['memory_gib']:.0f} GiB, {study['date']}, `{study['preset']}`"
    versions = ", ".join(f"{name} {version}" for name, version in study["versions"].items())
    head = "| case | figure | measured | goal | peer |\n|---|---|---|---|---|"
    body = "\n".join(map(_line, study["rows"]))
    return f"## {study['question']}\n\n`{study['command']}` ({where}; {versions})\n\n{head}\n{body}\n"


def filled(text: str) -> str:
    """The document with its tables as the results have them."""
    before, rest = text.split(BEGIN)
    tables = [_table(study) for study in json.loads(RESULTS.read_text()) if study["study"] not in ELSEWHERE]
    return before + BEGIN + "\n".join(tables) + END + rest.split(END)[1]


def main() -> int:
    """Writes the tables, or tells whether they are up to date."""
    text = DOCUMENT.read_text()
    if "--check" in sys.argv:
        return int(filled(text) != text)
    DOCUMENT.write_text(filled(text))
    return 0


if __name__ == "__main__":
    sys.exit(main())
