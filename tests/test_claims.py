"""What the documents say is what the results files hold."""

import json
import re
from pathlib import Path

import pytest

from experiments._readme import SOURCES, main

ROOT = Path(__file__).parent.parent
ROW = {"case", "metric", "value", "interval", "seeds", "reference", "goal", "better", "seconds"}
FILES = [path for pattern in SOURCES for path in sorted(ROOT.glob(pattern))]


def test_readme_table_is_that_of_the_results(monkeypatch):
    monkeypatch.setattr("sys.argv", ["_readme", "--check"])
    assert main() == 0, "run `python -m experiments._readme`"


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.parent.name)
def test_results_have_the_form_of_the_design(path):
    for name, study in json.loads(path.read_text()).items():
        keys = {"study", "question", "command", "preset", "date", "versions", "machine", "rows"}
        assert set(study) == keys
        assert study["study"] == name
        assert all(set(row) == ROW and row["better"] in ("lower", "higher") for row in study["rows"])


def test_pictures_of_the_readme_are_there():
    for picture in re.findall(r"!\[[^]]*\]\(([^)]+)\)", (ROOT / "README.md").read_text()):
        assert (ROOT / picture).is_file()
