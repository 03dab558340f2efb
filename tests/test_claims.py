"""What the project claims is what was measured, with every missed goal called missed.

The pages are read here by a reader of their own, and compared with the results files and the committed list of goals;
each fault that a page or a file may have is put into a copy, where it must be found.
"""

import json
import re
import shutil
from collections import Counter
from pathlib import Path

import pytest

from experiments._kit import render

ROOT = Path(__file__).parent.parent
RECORD = {"study", "question", "command", "preset", "date", "versions", "machine", "rows"}
ROW = {"case", "metric", "value", "unit", "interval", "seeds", "reference", "goal", "better", "seconds"}
UNITS = {"1", "%", "s", "ms", "us", "ns", "1/s", "MiB", "B"}
PAGES = ("README.md", "docs/results.md")


def _records(root):
    experiments = [json.loads(path.read_text()) for path in sorted(root.glob("experiments/*/results.json"))]
    return [*experiments, *json.loads((root / "benchmarks/results.json").read_text())]


def _short(row):
    value, goal = row["value"], row["goal"]
    return not (isinstance(value, int | float) and (value >= goal if row["better"] == "higher" else value <= goal))


def _tables(text):
    """Every table of a page: its section, the line that names its unit, and its lines as dictionaries."""
    section, unit, lines, found = "", "", [], []
    for line in [*text.splitlines(), ""]:
        if line.startswith("|"):
            lines.append([cell.strip() for cell in line.strip("|").split("|")])
            continue
        if lines:
            found.append((section, unit, [dict(zip(lines[0], cells, strict=True)) for cells in lines[2:]]))
            lines, unit = [], ""
        if heading := re.fullmatch(r"## (.*)", line):
            section = heading[1]
        if caption := re.fullmatch(r"In (.*):|Counts and ratios:", line):
            unit = caption[1] or "1"
    return found


def _same(shown, value):
    """Whether a cell begins with a figure, to the digits it shows."""
    if not isinstance(value, int | float):
        return shown == str(value)
    found = re.match(r"[-+.\de]+", shown)
    return bool(found) and float(found[0]) == pytest.approx(value, rel=5e-3)


def _wrong_line(line, row):
    """What a line of a table says wrongly of its row."""
    mark = line.get("", "")
    if row["goal"] is not None and mark != ("**missed**" if _short(row) else "reached"):
        yield f"marked {mark!r}"
    if not _same(line["measured"], row["value"]):
        yield f"shows {line['measured']} for {row['value']}"
    if "goal" in line and not _same(line["goal"][3:], row["goal"]):
        yield f"shows the goal {line['goal']} for {row['goal']}"


def _page_faults(page, text, rows):
    """Empty headings and tables, lines that no row has, marks and figures that are not those of the row.

    **Arguments:** `rows`: by study, case and metric. **Returns:** the faults, and the keys shown, with their table's
    section.
    """
    headings = re.findall(r"^#+ (.*)\n+(?=#+ |\Z)", text, re.M)
    captions = re.findall(r"^((?:In .*|Counts and ratios):)\n\n(?!\|)", text, re.M)
    faults = [f"{page}: nothing under {heading!r}" for heading in [*headings, *captions]]
    shown = Counter()
    for section, unit, lines in _tables(text):
        if not lines:
            faults.append(f"{page}: an empty table in {section}")
        for line in lines:
            linked = re.match(r"\[(\w+)\]\([^)]*\): (.*)", line["case"])
            study, case = linked.groups() if linked else (section, line["case"])
            row = rows.get((study, case, line["figure"]))
            if row is None:
                faults.append(f"{page}: {study}, {case}, {line['figure']} is in no results file")
                continue
            if row["unit"] != unit:
                faults.append(f"{page}: {study}, {case} in a table of unit {unit!r}")
            faults += [f"{page}: {study}, {case}, {line['figure']} {what}" for what in _wrong_line(line, row)]
            shown[section, study, case, line["figure"]] += 1
    return faults, shown


def _form_faults(records):
    for record in records:
        if set(record) != RECORD or not record["rows"]:
            yield f"{record.get('study')}: a record has other entries, or no rows"
        for row in record["rows"]:
            if set(row) != ROW or row["better"] not in ("lower", "higher") or row["unit"] not in UNITS:
                yield f"{record['study']}: {row} has not the form of a row"
            elif re.search(r"\[|, ms|MiB|seconds|bytes", row["metric"]):
                yield f"{record['study']}: {row['metric']} holds a unit"


def _goal_faults(listed, rows):
    """Goals of the committed list that no row has as it says, and goals that are not in it."""
    for g in listed:
        key = g["study"], g["case"], g["metric"]
        row = rows.get(key)
        if row is None:
            yield f"the goal of {key} has no row"
            continue
        goal = row["reference"] if g["goal"] == "reference" else g["goal"]
        if goal is None or (row["goal"], row["better"], row["unit"]) != (goal, g["better"], g["unit"]):
            yield f"the goal of {key} is {row['goal']}, {row['better']}, listed as {g}"
    claimed = {key for key, row in rows.items() if row["goal"] is not None}
    known = {(g["study"], g["case"], g["metric"]) for g in listed}
    yield from (f"the goal of {key} is not in the list" for key in claimed - known)


def faults(root):
    """All that is wrong with the claims of a checkout."""
    records = _records(root)
    rows = {(r["study"], row["case"], row["metric"]): row for r in records for row in r["rows"]}
    listed = json.loads((root / "experiments/goals.json").read_text())
    found = [*_form_faults(records), *_goal_faults(listed, rows)]
    if len(rows) != sum(len(r["rows"]) for r in records):
        found.append("two rows of one case and metric")
    text = {page: (root / page).read_text() for page in PAGES}
    of_readme, in_readme = _page_faults("README.md", text["README.md"], rows)
    of_results, in_results = _page_faults("docs/results.md", text["docs/results.md"], rows)
    wanted = Counter((study, study, *key) for study, *key in rows)
    wanted.update(("Missed goals", *key) for key, row in rows.items() if row["goal"] is not None and _short(row))
    found += [*of_readme, *of_results]
    found += [f"docs/results.md: {key} is missing or twice" for key in (wanted - in_results) + (in_results - wanted)]
    headlines = {(g["study"], g["case"], g["metric"]) for g in listed if g.get("headline")}
    if {key[1:] for key in in_readme} != headlines or len(headlines) != 8:
        found.append("README.md: not the eight rows that the list of goals marks")
    return found


def test_every_claim_is_what_was_measured():
    assert faults(ROOT) == []


def test_pages_are_those_of_the_results_files():
    stale = [path.name for path, text in render.filled().items() if path.read_text() != text]
    assert not stale, "run `make results`"


@pytest.fixture
def copy(tmp_path):
    """The claims of this checkout, to be broken."""
    for path in [*PAGES, "experiments/goals.json", "benchmarks/results.json", *ROOT.glob("experiments/*/results.json")]:
        place = tmp_path / (ROOT / path).relative_to(ROOT)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, place)
    return tmp_path


def _edit(path, pattern, new, count=1):
    text = path.read_text()
    changed = re.sub(pattern, new, text, count=count, flags=re.M)
    assert changed != text
    path.write_text(changed)


def _edit_rows(root, study, change):
    """Changes the rows of a study, given those with a goal."""
    path = root / "experiments" / study / "results.json"
    record = json.loads(path.read_text())
    change(record["rows"], [row for row in record["rows"] if row["goal"] is not None])
    path.write_text(json.dumps(record))


def _render(root):
    for path, text in render.filled(root).items():
        path.write_text(text)


def _on(page, pattern, new):
    return lambda root: _edit(root / page, pattern, new)


def _goal(study, number, **new):
    """The fault of a row with a goal that has other entries."""
    return lambda root: _edit_rows(root, study, lambda _, claimed: claimed[number].update(new))


PAGE, LIST = "docs/results.md", "experiments/goals.json"
UNSEEN = {  # what a page written anew would not show
    "a goal removed": _goal("ks_demo", 0, goal=None),
    "a goal lowered": _goal("ks_demo", 0, goal=20.0),
    "a goal turned round": _goal("ks_fno", 1, better="lower"),
    "a goal that is no longer what the peer reached": _goal("fno_benchmarks", 0, goal=1.0),
    "a row removed": lambda root: _edit_rows(root, "ks_fno", lambda rows, claimed: rows.remove(claimed[1])),
    "a study that is gone": lambda root: (root / "experiments/pig/results.json").unlink(),
    "a study without rows": lambda root: _edit_rows(root, "samplers", lambda rows, _: rows.clear()),
    "a goal off the list": _on(LIST, r"^ .*ks_demo.*\n", ""),
    "a goal eased in the list": _on(LIST, r'"goal": 25\.0', '"goal": 20.0'),
    "a headline off the list": _on(LIST, r', "headline": true', ""),
}
SEEN = {
    "an empty table": _on(PAGE, r"(\| --- \|\n)(\|.*\n)+", r"\1"),
    "a caption over nothing": _on(PAGE, r"^In s:\n\n(\|.*\n)+", "In s:\n"),
    "a heading over nothing": _on(PAGE, r"^(## ks_demo\n)", r"## nothing\n\n\1"),
    "a stale number in the README": _on("README.md", r"\| 36\.8 ", "| 38.8 "),
    "a stale number in the results": _on(PAGE, r"\| 36\.8 ", "| 38.8 "),
    "a stale goal": _on(PAGE, r"\| >= 25 ", "| >= 35 "),
    "a new measurement": _goal("ks_demo", 0, value=30.0),
    "another unit": _goal("ks_demo", 0, unit="ms"),
    "a missed goal called reached": _on(PAGE, r"^\| \*\*missed\*\*", "| reached"),
    "a missed goal without a mark": _on("README.md", r"^\| \*\*missed\*\*", "| "),
    "a reached goal called missed": _on("README.md", r"^\| reached", "| **missed**"),
    "a missed goal not among the missed": _on(PAGE, r"^\| \*\*missed.*pig\).*\n", ""),
    "a figure left out": _on(PAGE, r"^\| reached \| darcy, FNO.*\n", ""),
    "a headline left out": _on("README.md", r"^\| \*\*missed.*\n", ""),
}


@pytest.mark.parametrize("fault", [*UNSEEN, *SEEN])
def test_a_broken_claim_is_found(fault, copy):
    (UNSEEN | SEEN)[fault](copy)
    assert faults(copy)


@pytest.mark.parametrize("fault", UNSEEN)
def test_pages_written_anew_do_not_hide_it(fault, copy):
    UNSEEN[fault](copy)
    _render(copy)
    assert faults(copy)


def test_a_missed_goal_is_no_fault_where_it_is_called_missed(copy):
    _edit_rows(copy, "ks_demo", lambda _, claimed: claimed[0].update(value=24.999))
    assert faults(copy)
    _render(copy)
    assert faults(copy) == []
    assert re.search(r"\*\*missed\*\* \| \[ks_demo\].* \| 24\.999 .* \| >= 25 ", (copy / "README.md").read_text())


def test_a_price_that_is_never_repaid_has_missed_its_goal(copy):
    _edit_rows(copy, "ks_demo", lambda _, claimed: claimed[0].update(value="never", interval=None))
    _render(copy)
    assert faults(copy) == []
    assert "| never | >= 25 |" in (copy / "README.md").read_text()
