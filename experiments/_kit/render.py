"""Shows all results: writes `docs/results.md` and the README's rows; `--check` only compares.

    python -m experiments._kit.render

A number that no results file holds cannot stand there, and one that changed cannot stay.
"""

import functools
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from experiments._kit.results import ROOT, Record, Row, goals, missed, records

BEGIN, END = "<!-- results -->\n", "<!-- /results -->"
HEAD = """# Results

Written from the results files of `experiments/` and `benchmarks/` by `make results`, never by hand. A figure was
measured by the command of its section; brackets hold an interval, 95 % bootstrap of one run or the range of several
seeds. *Published or peer* is a paper's figure or that of the software compared with. Goals were set before: a row says
**missed** or reached, and `experiments/goals.json` lists them all.
"""
Table = Callable[[Sequence[Row]], str]


def number(value: float | str | None, beside: float | None = None) -> str:
    """A figure to three digits, or as many more as tell it from the goal beside it."""
    if value is None:
        return ""
    if not isinstance(value, int | float):
        return str(value)
    digits = 3
    while beside is not None and value != beside and digits < 17 and f"{value:.{digits}g}" == f"{beside:.3g}":
        digits += 1
    return f"{value:.{digits}g}"


def mark(row: Row) -> str:
    """Whether a row's goal is reached."""
    return "**missed**" if missed(row) else "reached"


def _measured(row: Row) -> str:
    low_high = f" [{number(row['interval'][0])}, {number(row['interval'][1])}]" if row["interval"] else ""
    seeds = f", {len(row['seeds'])} seeds" if len(row["seeds"]) > 1 else ""
    return f"{number(row['value'], row['goal'])}{low_high}{seeds}"


def _goal(row: Row) -> str:
    return f"{'>=' if row['better'] == 'higher' else '<='} {number(row['goal'])}"


def _table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    shown = [head, ["---"] * len(head), *lines]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in shown)


def goal_table(rows: Sequence[Row]) -> str:
    """Rows that have a goal, with what became of it."""
    line = lambda r: (mark(r), r["case"], r["metric"], _measured(r), _goal(r), number(r["reference"]))
    return _table(("", "case", "figure", "measured", "goal", "published or peer"), map(line, rows))


def figure_table(rows: Sequence[Row]) -> str:
    """Rows without a goal."""
    line = lambda r: (r["case"], r["metric"], _measured(r), number(r["reference"]))
    return _table(("case", "figure", "measured", "published or peer"), map(line, rows))


def _linked_table(rows: Sequence[Row], results: str = "") -> str:
    line = lambda r: (
        mark(r),
        f"[{r['study']}]({results}#{r['study']}): {r['case']}",
        r["metric"],
        _measured(r),
        _goal(r),
    )
    return _table(("", "case", "figure", "measured", "goal"), map(line, rows))


def _by_unit(rows: Sequence[Row], table: Table) -> str:
    """A table for each unit: none mixes them."""
    parts = []
    for unit in dict.fromkeys(row["unit"] for row in rows):
        name = "Counts and ratios" if unit == "1" else f"In {unit}"
        parts.append(f"{name}:\n\n{table([row for row in rows if row['unit'] == unit])}")
    return "\n".join(parts)


def _worst_first(rows: Iterable[Row]) -> list[Row]:
    return sorted((row for row in rows if row["goal"] is not None), key=lambda row: not missed(row))


def _section(record: Record, folder: Path) -> str:
    machine = record["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in record["versions"].items())
    where = f"{machine['cores']} cores, {machine['memory_gib']:.0f} GiB, {record['date']}, preset `{record['preset']}`"
    reading = f" [How to read it](../experiments/{folder.name}/README.md)." if (folder / "README.md").exists() else ""
    question, command = f"**{record['question']}**{reading}\n", f"`{record['command']}` ({where}; {versions})\n"
    parts = [f"## {record['study']}\n", question, command]
    claimed, others = _worst_first(record["rows"]), [row for row in record["rows"] if row["goal"] is None]
    if claimed:
        parts.append(_by_unit(claimed, goal_table))
    if others and claimed:
        parts.append(f"<details><summary>{len(others)} further figures</summary>\n")
        parts.append(_by_unit(others, figure_table) + "\n</details>\n")
    elif others:
        parts.append(_by_unit(others, figure_table))
    return "\n".join(parts)


def _claims(found: Iterable[Record]) -> list[Row]:
    """The rows that have a goal, missed ones first, each with the name of its study."""
    return _worst_first({**row, "study": record["study"]} for record in found for row in record["rows"])


def page(root: Path = ROOT) -> str:
    """`docs/results.md`: missed goals first, then a section for each study."""
    found = [record for record in records(root) if record["rows"]]
    claims = _claims(found)
    short = [row for row in claims if missed(row)]
    count = f"{len(claims) - len(short)} of {len(claims)} goals are reached, {len(short)} are missed.\n"
    first = ["## Missed goals\n", _by_unit(short, _linked_table)] if short else []
    sections = [_section(record, root / "experiments" / record["study"]) for record in found]
    return "\n".join([HEAD, count, *first, *sections])


def headlines(root: Path = ROOT) -> str:
    """The README's rows: those that the list of goals marks."""
    chosen = {(g["study"], g["case"], g["metric"]) for g in goals(root) if g.get("headline")}
    rows = [row for row in _claims(records(root)) if (row["study"], row["case"], row["metric"]) in chosen]
    return _by_unit(rows, functools.partial(_linked_table, results="docs/results.md"))


def filled(root: Path = ROOT) -> dict[Path, str]:
    """The documents that show results, as the results files have them."""
    readme = root / "README.md"
    before, rest = readme.read_text().split(BEGIN)
    return {
        root / "docs" / "results.md": page(root),
        readme: f"{before}{BEGIN}\n{headlines(root)}\n{END}{rest.split(END)[1]}",
    }


def main(words: Sequence[str] | None = None) -> int:
    """Writes the documents, or names those that are not up to date."""
    check = "--check" in (sys.argv[1:] if words is None else words)
    stale = [path for path, text in filled().items() if not path.exists() or path.read_text() != text]
    for path in stale:
        if check:
            print(f"{path.relative_to(ROOT)} does not show what the results files hold: run `make results`")
        else:
            path.write_text(filled()[path])
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
