"""Names that were replaced leave no alias behind."""

import re
from pathlib import Path

import pdejax

ROOT = Path(pdejax.__file__).parents[1]
GONE = {
    "problems as dictionaries": r"\bSteadyProblem\b|\bimport Problem\b|\bProblem\.|class Problem\b|\bbuild_problem\b",
    "specifications": r"\bfrom_spec\b|self\.spec\[|problem\.spec\b(?!\()",
    "ends as an enumeration": r"\bBoundary\.(PERIODIC|DIRICHLET|NEUMANN)\b",
    "closed maps of samplers": r"\bINITIAL\b\[|\bbuild_initial\b",
    "solvers of problems": r"\bproblem_stepper\b|\bsolve_problem\b|\bsteady_residual\b",
}


def test_nothing_of_them_is_left():
    texts = {path: path.read_text(encoding="utf-8") for part in ("pdejax", "experiments", "benchmarks", "notebooks")
             for path in (ROOT / part).rglob("*.py")}  # fmt: skip
    found = [f"{path.relative_to(ROOT)}: {what}" for what, words in GONE.items() for path, text in texts.items()
             if re.search(words, text)]  # fmt: skip
    assert len(texts) > 200
    assert not found
