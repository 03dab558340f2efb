"""Fills the README's status table from the results files: `python -m experiments._readme`, `--check` only compares.

A number that no results file holds cannot stand there, and one that changed cannot stay.
"""

import json
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
BEGIN, END = "<!-- results -->\n", "<!-- /results -->"
SOURCES = ("experiments/*/results.json", "benchmarks/results.json")
ELSEWHERE = ("spectral_kernel", "networks")  # tables of their own: benchmarks/results.json, docs/networks.md


def _number(value: float) -> str:
    return f"{value:.3g}"


def _line(row: dict) -> str:
    interval = f" [{_number(row['interval'][0])}, {_number(row['interval'][1])}]" if row["interval"] else ""
    seeds = f", {len(row['seeds'])} seeds" if len(row["seeds"]) > 1 else ""
    sign = ">=" if row["better"] == "higher" else "<="
    goal = "" if row["goal"] is None else f"{sign} {_number(row['goal'])}"
    reference = "" if row["reference"] is None else _number(row["reference"])
    return f"| {row['case']} | {row['metric']} | {_number(row['value'])}{interval}{seeds} | {goal} | {reference} |"


def _study(study: dict) -> str:
    machine = study["machine"]
    where = f"{machine['cores']} cores, {machine['memory_gib']:.0f} GiB, {study['date']}, preset `{study['preset']}`"
    rows = [row for row in study["rows"] if row["goal"] is not None]
    head = "| case | figure | measured | goal | published or peer |\n|---|---|---|---|---|"
    body = "\n".join(_line(row) for row in rows)
    return f"**{study['question']}** `{study['command']}` ({where})\n\n{head}\n{body}\n"


def result_files() -> list[Path]:
    """All results files of the project."""
    return [path for pattern in SOURCES for path in sorted(ROOT.glob(pattern))]


def read(path: Path) -> list[dict]:
    """The studies of a results file: an experiment's holds one, the benchmarks' a list."""
    content = json.loads(path.read_text())
    return content if isinstance(content, list) else [content]


def table() -> str:
    """The rows of the studies that have a goal, as Markdown."""
    return "\n".join(
        _study(study) for path in result_files() for study in read(path) if study["study"] not in ELSEWHERE
    )


def main() -> int:
    """Writes the table, or tells whether it is up to date."""
    path = ROOT / "README.md"
    text = path.read_text()
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    filled = f"{before}{BEGIN}{table()}{END}{after}"
    if "--check" in sys.argv:
        return int(filled != text)
    path.write_text(filled)
    return 0


if __name__ == "__main__":
    sys.exit(main())
