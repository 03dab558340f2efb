"""What the documents say is what the results files hold."""

import re
from pathlib import Path

import pytest

from benchmarks import readme
from experiments._readme import main, read, result_files

ROOT = Path(__file__).parent.parent
ROW = {"case", "metric", "value", "interval", "seeds", "reference", "goal", "better", "seconds"}


def test_readme_table_is_that_of_the_results(monkeypatch):
    monkeypatch.setattr("sys.argv", ["_readme", "--check"])
    assert main() == 0, "run `python -m experiments._readme`"


def test_benchmark_tables_are_those_of_the_results(monkeypatch):
    monkeypatch.setattr("sys.argv", ["readme", "--check"])
    assert readme.main() == 0, "run `python -m benchmarks.readme`"


@pytest.mark.parametrize("path", result_files(), ids=lambda p: p.parent.name)
def test_results_have_the_form_of_the_design(path):
    for study in read(path):
        keys = {"study", "question", "command", "preset", "date", "versions", "machine", "rows"}
        assert set(study) == keys
        assert all(set(row) == ROW and row["better"] in ("lower", "higher") for row in study["rows"])


def test_pictures_of_the_readme_are_there():
    for picture in re.findall(r"!\[[^]]*\]\(([^)]+)\)", (ROOT / "README.md").read_text()):
        assert (ROOT / picture).is_file()
