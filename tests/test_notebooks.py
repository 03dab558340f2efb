import ast
import re
from pathlib import Path

import jupytext
import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient
from PIL import Image

from pdejax.evaluation import Result

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
SOURCES = sorted(NOTEBOOKS.glob("*.py"))


def cells(notebook):
    return [(cell.cell_type, cell.source) for cell in notebook.cells]


def code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_notebook_is_its_source_without_outputs(source):
    notebook = nbformat.read(source.with_suffix(".ipynb"), as_version=4)
    assert cells(notebook) == cells(jupytext.read(source)), "run `make notebooks`"
    assert all(cell.outputs == [] and cell.execution_count is None for cell in code(notebook)), "run `make notebooks`"


def test_every_notebook_has_a_source():
    assert [path.stem for path in sorted(NOTEBOOKS.glob("*.ipynb"))] == [path.stem for path in SOURCES]


def run(name, folder):
    """A notebook in short form, executed in a folder."""
    notebook = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PDEJAX_NOTEBOOK_SHORT", "1")
        patch.setenv("IPYTHONDIR", str(folder / "ipython"))  # neither the user's settings nor history
        NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(folder)}}).execute()
    return notebook


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    """The notebook on long rollouts, with the folder it ran in."""
    folder = tmp_path_factory.mktemp("notebook")
    return folder, run("long_rollouts", folder)


def printed(notebook):
    return "".join(
        output.text
        for cell in code(notebook)
        for output in cell.outputs
        if output.output_type == "stream" and output.name == "stdout"
    )


@pytest.mark.long
def test_every_section_has_its_picture(executed):
    folder, notebook = executed
    shown = [kind for cell in code(notebook) for output in cell.outputs for kind in output.get("data", {})]
    # space-time, four of the comparison, and of the refiner: spread, CRPS, ranks, alarm
    assert shown.count("image/png") == 9
    assert shown.count("image/gif") == 1
    with Image.open(folder / "runs/rollouts_short_comparison/rollout.gif") as film:
        assert film.n_frames == 30
    assert (folder / "runs/rollouts_short_comparison/rollout.gif").stat().st_size < 600_000


@pytest.mark.long
def test_its_numbers_are_those_of_a_chaotic_truth_and_of_trained_operators(executed):
    folder, notebook = executed
    comparison = Result.load(folder / "runs/rollouts_short_comparison")
    assert comparison.models() == ["one_step", "refiner_small"]
    # 0.081 with a standard error of 0.001 over 12 states, solved on 64 points; this has fewer states
    assert 0.06 < comparison.document["lyapunov"]["exponent"] < 0.11
    for name in comparison.models():
        metrics = comparison.system(name)["metrics"]
        assert metrics["one_step_nrmse"]["value"] < 0.2
        assert 3 < metrics["correlation_time_0.8"]["value"] < 48
    told, true = map(float, re.search(r"disagree at ([\d.]+), lose the truth at ([\d.]+)", printed(notebook)).groups())
    assert 0 < true < 48
    assert 0 < told <= 48
    assert np.isclose(comparison.document["times"][-1], 48)


def numbers(notebook, name):
    """The mapping of numbers that a notebook prints and that has an entry of this name."""
    told = re.findall(r"^\{.*\}$", printed(notebook), flags=re.M)
    return next(found for found in map(ast.literal_eval, told) if name in found)


@pytest.mark.long
def test_an_operator_in_place_of_a_solver(tmp_path):
    said = printed(run("embed_replace", tmp_path))
    gradient, quotient = map(float, re.search(r"gradient (-?[\d.]+), by differences (-?[\d.]+)", said).groups())
    assert gradient == pytest.approx(quotient, rel=0.05)
    assert float(re.search(r"difference of both: ([\d.e+-]+)", said)[1]) < 1e-4


@pytest.mark.long
def test_corrections_of_a_coarse_solver(tmp_path):
    notebook = run("embed_correct", tmp_path)
    missed = numbers(notebook, "the solver alone")
    assert missed["parallel"] < 0.5 * missed["the solver alone"]
    assert missed["sequential_with_bypass"] < 0.5 * missed["the solver alone"]
    assert "as trained: True" in printed(notebook)
    assert "one call of the host covers 0.4" in printed(notebook)


@pytest.mark.long
def test_a_part_of_the_right_hand_side(tmp_path):
    notebook = run("embed_tendency", tmp_path)
    missed = numbers(notebook, "the solver alone")
    assert missed["tendency"] < 0.6 * missed["the solver alone"]
    assert float(re.search(r"to the driven stepper: ([\d.e+-]+)", printed(notebook))[1]) < 0.1


@pytest.mark.long
def test_a_flux_that_the_grid_does_not_resolve(tmp_path):
    notebook = run("embed_closure", tmp_path)
    errors = numbers(notebook, "closed")
    assert errors["closed"] < errors["alone"]
    assert float(re.search(r"change of a mean: ([\d.e+-]+)", printed(notebook))[1]) < 1e-6
