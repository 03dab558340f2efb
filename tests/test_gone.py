"""What the house was rebuilt without stays away: no second way to say what is solved, no second loop."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
GONE = {
    "Problem": r"\bclass Problem\b|\bimport Problem\b|\bProblem\.|\bbuild_problem\b",
    "SteadyProblem": r"\bSteadyProblem\b",
    "from_spec": r"\bfrom_spec\b",
    "reads of a mapping that is a problem": r"\bself\.spec\[|problem\.spec\b(?!\()",
    "ends as an enumeration": r"\bBoundary\.(PERIODIC|DIRICHLET|NEUMANN)\b",
    "solvers of problems": r"\bproblem_stepper\b|\bsolve_problem\b|\bsteady_residual\b",
    "_train_field": r"\b_train_field\b",
    "maps of kinds": r"^(NETWORKS|INITIAL|LOSSES|NOISES|FIELDS)\b\s*(:|=)",
    "builders by hand": r"\bdef build_(network|field|method|loss|noise|sampler|initial|problem)\b",
}
CODE = ("pdejax", "experiments", "benchmarks", "notebooks")
LOOPS = r"optax\.apply_updates|value_and_grad\("


def sources(*folders):
    return {
        path.relative_to(ROOT): path.read_text(encoding="utf-8") for f in folders for path in (ROOT / f).rglob("*.py")
    }


@pytest.mark.parametrize("name", GONE)
def test_gone(name):
    found = [str(path) for path, text in sources(*CODE).items() if re.search(GONE[name], text, re.M)]
    assert not found, found


def test_models_are_trained_in_one_place():
    """Benchmarks have bare loops to compare with; everything else asks `pdejax.training`."""
    found = [
        str(path)
        for path, text in sources("pdejax", "experiments", "notebooks").items()
        if re.search(LOOPS, text) and not str(path).startswith("pdejax/training/")
    ]
    assert not found, found
