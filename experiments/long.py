"""What is too long for every change: `make long`, before a release.

The tests marked `long`, programs compiled as users have them, then the longer forms of the studies. `docs/long.json`
tells of which commit, on what, how long and how many; it is written when all have passed.

    python -m experiments.long
"""

import datetime
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from experiments._kit.results import machine, versions
from experiments.smoke import LONG, run

ROOT = Path(__file__).parent.parent
RECORD = ROOT / "docs" / "long.json"


def _git(*words: str) -> str:
    return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True).stdout.strip()


def _tests() -> dict[str, Any]:
    """Runs the tests; how many there were, and their CPU seconds."""
    environment = {**os.environ, "PDEJAX_TEST_OPTIMISED": "1"}
    subprocess.run([sys.executable, "-m", "pytest", "-m", "long"], cwd=ROOT, env=environment, check=True)
    found = json.loads((ROOT / "build" / "test_times.json").read_text())
    return {"passed": len(found["tests"]), "cpu_seconds": round(found["cpu"])}


def _studies() -> dict[str, Any]:
    outcomes = run(LONG)
    if failed := [one.name for one in outcomes if not one.passed]:
        raise SystemExit(f"failed: {'; '.join(failed)}")
    return {"passed": len(outcomes), "cpu_seconds": round(sum(one.cpu for one in outcomes))}


def main() -> None:
    """Runs everything and writes the record."""
    began, commit = time.perf_counter(), _git("rev-parse", "HEAD")
    # the record itself may have changed
    changed = [line for line in _git("status", "--porcelain").splitlines() if RECORD.name not in line]
    tests, studies = _tests(), _studies()
    record = {
        "commit": commit,
        "changed_since": bool(changed),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "versions": versions(["jax", "jaxlib", "numpy"]),
        "machine": machine(),
        "minutes": round((time.perf_counter() - began) / 60, 1),
        "tests": tests,
        "studies": studies,
    }
    RECORD.write_text(json.dumps(record, indent=1) + "\n")
    print(f"{RECORD.relative_to(ROOT)}: {tests['passed']} tests and {studies['passed']} forms of studies passed")


if __name__ == "__main__":
    main()
