"""What stands in README as the way to use the library, run as a reader would: two processes, one folder."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
SCRIPT = Path(__file__).with_name("script.py")


def test_a_script_of_thirty_lines_trains_saves_loads_judges_and_writes_a_page(tmp_path):
    for word in ("train", "judge"):
        subprocess.run([sys.executable, str(SCRIPT), word], cwd=tmp_path, check=True)
    assert (tmp_path / "report.html").exists()
    assert (tmp_path / "model" / "model.json").exists()
    lines = [
        line for line in SCRIPT.read_text().splitlines() if line.strip() and not line.startswith(('"""', "import"))
    ]
    assert len(lines) <= 30


def test_readme_shows_that_script():
    shown = re.search(r"<!-- script -->\n```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    assert shown is not None
    assert shown[1].strip() == SCRIPT.read_text().split('"""', 2)[2].strip()
